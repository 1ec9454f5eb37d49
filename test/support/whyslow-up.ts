import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunningFile } from '#cli/up/state-folder.ts';
import { waitUntil } from './wait-until.ts';

const run = promisify(execFile);

/** `whyslow up` as a person starts it: a process of its own, in a folder of its own. */
export const startUp = async (options: { intervalSeconds: number; port: number }) => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-up-'));
  const state = join(folder, 'state');
  const up: ChildProcess = spawn(
    process.execPath,
    [
      'bin/whyslow.mjs',
      'up',
      ...['--state', state],
      ...['--interval', String(options.intervalSeconds)],
      ...['--port', String(options.port), '--proxy-port', String(options.port + 50)],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  up.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  up.stderr?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => up.once('exit', resolve));

  const running = (): RunningFile =>
    JSON.parse(readFileSync(join(state, 'running.json'), 'utf8')) as RunningFile;
  const stop = async (): Promise<number | null> => {
    up.kill('SIGINT');
    return ended;
  };

  try {
    await waitUntil(() => {
      if (up.exitCode !== null) throw new Error(`whyslow up ended:\n${printed}`);
      return printed.includes('Triage page') && existsSync(join(state, 'running.json'));
    }, 90_000);
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${printed}\n${collectorLog(state)}`);
  }

  return {
    state,
    printed: () => printed,
    running,
    stop,
    /** The agent's and the collector's logs, for a failing test's message. */
    logs: () =>
      ['agent', 'collector', 'edge-a']
        .map((name) => tail(join(state, 'logs', `${name}.log`)))
        .join('\n'),
    remove: () => rmSync(folder, { recursive: true, force: true }),

    /** curl, through the local proxy unless told otherwise. */
    async curl(
      url: string,
      ...args: string[]
    ): Promise<{ body: string; status: string; exit: number }> {
      const { caFile, proxyPort } = running();
      const proxy =
        args.includes('--proxy') || args.includes('--noproxy') || args.includes('--socks5-hostname')
          ? []
          : ['--proxy', `http://127.0.0.1:${proxyPort}`];
      try {
        const { stdout } = await run('curl', [
          ...['--silent', '--show-error', '--max-time', '20', '--cacert', caFile],
          ...proxy,
          ...args,
          ...['--write-out', '\n%{http_code} %{http_connect}', url],
        ]);
        const end = stdout.lastIndexOf('\n');
        return { body: stdout.slice(0, end), status: stdout.slice(end + 1), exit: 0 };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { body: stderr, status: stdout.trim(), exit: code };
      }
    },

    async api<T>(path: string, init: { method?: string; body?: unknown } = {}): Promise<T> {
      const { operatorUrl, operatorToken } = running();
      const response = await fetch(operatorUrl + path, {
        method: init.method ?? 'GET',
        headers: {
          authorization: `Bearer ${operatorToken}`,
          ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },

    /** Kills one program as a crash would, and waits for its successor. */
    async crash(name: string): Promise<void> {
      const pid = running().programs[name];
      if (pid === undefined) throw new Error(`${name} does not run`);
      process.kill(pid, 'SIGKILL');
      await waitUntil(() => {
        const now = running().programs[name];
        return now !== undefined && now !== pid;
      }, 30_000);
    },
  };
};

export type Up = Awaited<ReturnType<typeof startUp>>;

const tail = (file: string): string =>
  existsSync(file) ? `${file}\n${readFileSync(file, 'utf8').slice(-3_000)}` : '';
const collectorLog = (state: string): string => tail(join(state, 'logs', 'collector.log'));

/** Process ids that still live. */
export const alive = (pids: readonly (number | undefined)[]): number[] =>
  pids.filter((pid): pid is number => {
    if (pid === undefined) return false;
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  });
