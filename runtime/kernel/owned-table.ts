import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * An nftables table that lives no longer than this process: it is owned (`flags owner`) by a child
 * `nft -i` that ends with its standard input, so also when this process is killed.
 */
export type OwnedTable = {
  /** `family name`, as commands write it. */
  name: string;
  /** Commands of `nft`, one a line. Rejects with nft's own words; what came before stays. */
  run(commands: string): Promise<void>;
  /** Once it is gone, so are the table and its rules. */
  stop(): Promise<void>;
};

const answerMs = 10_000;

/** Makes `family name` anew, empty. `onLost`: the child ended unasked, and the rules with it. */
export const holdTable = async (parts: {
  family: 'inet' | 'ip' | 'ip6';
  name: string;
  onLost: (reason: string) => void;
}): Promise<OwnedTable> => {
  const table = `${parts.family} ${parts.name}`;
  // In a session of its own: Ctrl-C in a terminal is for this process, which then ends it in order.
  const child = spawn('nft', ['-i'], { stdio: 'pipe', detached: true });
  let isStopping = true;
  let ending = 'nft has ended';
  let said = '';
  let waiting: ((error: Error | undefined) => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const settle = (error?: Error) => {
    waiting?.(error);
    waiting = undefined;
  };

  child.stdin.on('error', () => {});
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    // Without the permission it does not get so far as to list anything.
    if (/cache initialization failed/.test(said)) settle(new Error(`nft: ${said.trim()}`));
  });
  let listed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    listed += text;
    if (!listed.includes(`table ${table}\n`)) return;
    // What it says about a command it has written before it answers the next one; a turn of the
    // loop, because the two come by different pipes.
    setImmediate(() => settle(said === '' ? undefined : new Error(`nft: ${said.trim()}`)));
  });
  const gone = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      ending = reason;
      settle(new Error(reason));
      if (!isStopping) parts.onLost(reason);
      isStopping = true;
      resolve();
    };
    child.once('error', (error) => end(`nft cannot be run: ${error.message}`));
    child.once('close', (code) => end(`nft ended (${code}): ${said.trim()}`));
  });

  const send = (commands: string): Promise<void> =>
    new Promise((resolve, reject) => {
      if (child.exitCode !== null || child.pid === undefined) return reject(new Error(ending));
      said = '';
      listed = '';
      const timer = setTimeout(
        () => settle(new Error(`nft: ${said.trim() || 'no answer in 10 s'}`)),
        answerMs,
      );
      waiting = (error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      };
      // The list is the answer that tells that all before it was done.
      child.stdin.write(`${commands}\nlist tables ${parts.family}\n`);
    });
  const run = (commands: string): Promise<void> => {
    const done = turn.then(() => send(commands));
    turn = done.catch(() => {});
    return done;
  };
  const stop = async (): Promise<void> => {
    isStopping = true;
    child.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), answerMs);
    await gone;
    clearTimeout(timer);
  };

  try {
    await Promise.race([once(child, 'spawn').catch(() => {}), gone]);
    await run(`add table ${table} { flags owner; }`);
  } catch (error) {
    await stop();
    throw error;
  }
  isStopping = false;
  return { name: table, run, stop };
};
