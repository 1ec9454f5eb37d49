import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where a program is; an error that says what to install where it is not. */
export const findProgram = (
  name: string,
  debianPackage: string,
  folders: string[] = [],
): string => {
  const places = [...folders, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  for (const folder of places) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  throw new Error(`${name} is not installed: apt-get install ${debianPackage}`);
};

/** A port nobody listens on now. Another may take it before we do, so starters try a few times. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** A folder for one server, readable by the user it runs as. */
export const makeFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `whyslow-${name}-`));
  chmodSync(folder, 0o755);
  return folder;
};

export type StartOptions = {
  name: string;
  command: string;
  args: string[];
  folder: string;
  uid?: number;
  gid?: number;
  env?: Record<string, string>;
  /** Throws, or answers false, until the server serves. */
  ready: () => Promise<boolean>;
};

export type ServerProcess = {
  pid: number;
  /** Ends it at once, as a crash would; the folder stays. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
};

/** The signal takes a moment to reach every thread; until then the server still answers. */
const waitUntilStopped = (pid: number): void => {
  const deadline = performance.now() + 5_000;
  const state = (thread: string) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]?.[0];
  while (performance.now() < deadline) {
    if (readdirSync(`/proc/${pid}/task`).every((thread) => state(thread) === 'T')) return;
  }
  throw new Error(`process ${pid} does not stop`);
};

/** Starts a server and waits until it serves; on failure its last words are in the error. */
export const startServerProcess = async (options: StartOptions): Promise<ServerProcess> => {
  const child = spawn(options.command, options.args, {
    cwd: options.folder,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid ?? options.uid }),
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', () => undefined);
  const killNow = () => child.kill('SIGKILL');
  const watch = child.pid === undefined ? undefined : watchOver(child.pid, options.folder);
  const words = lastWords(child);
  const stop = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const timer = setTimeout(killNow, 10_000);
    await ended;
    clearTimeout(timer);
    watch?.kill('SIGKILL');
  };
  try {
    await untilReady(child, options, words);
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    kill: () => stop('SIGKILL'),
    pause: () => {
      child.kill('SIGSTOP');
      waitUntilStopped(child.pid ?? 0);
    },
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      child.kill('SIGCONT');
      await stop('SIGTERM');
    },
  };
};

/**
 * A runner that is itself ended, SIGKILL included, leaves neither server nor folder behind: this
 * shell's standard input ends with it.
 */
const watchOver = (pid: number, folder: string): ChildProcess => {
  const script = 'cat >/dev/null; kill -9 "$1"; sleep 1; rm -rf "$2"';
  const watch = spawn('sh', ['-c', script, 'watch', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watch.unref();
  return watch;
};

const lastWords = (child: ChildProcess): (() => string) => {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-4_000);
    });
  }
  return () => text;
};

const untilReady = async (
  child: ChildProcess,
  { name, ready }: StartOptions,
  words: () => string,
): Promise<void> => {
  const giveUpAt = Date.now() + 45_000;
  while (Date.now() < giveUpAt) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`${name} ended while starting:\n${words()}`);
    }
    if (await ready().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} did not serve within 45 s:\n${words()}`);
};

/** Tries again with other ports, as a free port may be taken between finding and using it. */
export const withRetries = async <T>(start: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 3 || String(error).includes('apt-get install')) throw error;
    }
  }
};

export const removeFolder = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
