import type { Readable } from 'node:stream';

/** One message of the browser's; screenshots and large pages' events have a few MB. */
const maxMessageBytes = 32e6;
/** All messages of one run: what a page writes to its console or its web sockets comes as messages. */
const maxRunBytes = 256e6;

export type PipeWatch = {
  /** Counts for another run from now on. */
  begin(): void;
  /** What was too much; undefined: it kept within bounds. */
  finding(): string | undefined;
};

/**
 * Bounds what the browser sends: a page can make one message longer than the longest string, which
 * ends the program that reads it (ERR_STRING_TOO_LONG). Reads ahead of Puppeteer, and at a message
 * that is too long ends the pipe before there is a whole one to be decoded.
 */
export const watchPipe = (pipe: Readable, kill: () => void): PipeWatch => {
  let messageBytes = 0;
  let runBytes = 0;
  let finding: string | undefined;
  const stop = (what: string): void => {
    finding ??= what;
    pipe.destroy();
    kill();
  };
  // Messages end with a zero byte.
  const count = (chunk: Buffer): void => {
    const firstEnd = chunk.indexOf(0);
    runBytes += chunk.length;
    messageBytes += firstEnd === -1 ? chunk.length : firstEnd;
    if (messageBytes > maxMessageBytes) stop('the page sent a message of more than 32 MB');
    else if (runBytes > maxRunBytes) stop('the page sent messages of more than 256 MB');
    if (firstEnd !== -1) messageBytes = chunk.length - chunk.lastIndexOf(0) - 1;
  };
  pipe.prependListener('data', count);
  return {
    begin() {
      runBytes = 0;
    },
    finding: () => finding,
  };
};
