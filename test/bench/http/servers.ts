import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** URLs of the servers under test; `paused` waits in TLS, before and within the answer. */
export type Servers = {
  http: string;
  https: string;
  http2: string;
  paused: { plain: string; secure: string };
  caPem: string;
};

export const pauseMs = 20;
export const searchedText = 'the text both sides look for';
export const page = `<html>${'<p>filler</p>'.repeat(700)}${searchedText}</html>`;

const script = fileURLToPath(new URL('./serve.ts', import.meta.url));

/** In a process of their own, so that neither side pays for them. */
export const startServers = async (): Promise<{ child: ChildProcess; servers: Servers }> => {
  const child = fork(script, { execArgv: ['--import', 'tsx'] });
  const servers = await new Promise<Servers>((resolve) => {
    child.once('message', (message) => resolve(message as Servers));
  });
  return { child, servers };
};
