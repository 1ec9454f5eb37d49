import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import { childEnvironment } from '#runtime/config.ts';
import { writeDurably } from '#runtime/durable-file.ts';
import type { Log } from '#runtime/log.ts';
import { linuxProxy } from './linux.ts';
import { macosProxy } from './macos.ts';
import type { Command, ProxyPlatform, WantedProxy } from './platform.ts';
import { windowsProxy } from './windows.ts';

export type SystemProxy = {
  /** Sets it, or gives back what was before; the same again does nothing. */
  want(wanted: WantedProxy | undefined): Promise<void>;
  status(): { state: 'untouched' | 'set' | 'failed'; problem: string };
  /** Gives back what was before. */
  stop(): Promise<void>;
};

export const proxyPlatforms = {
  darwin: macosProxy,
  win32: windowsProxy,
  linux: linuxProxy,
} as const satisfies Record<string, ProxyPlatform>;

/** What was before us; on disk, so that it is given back after a crash too. */
const Before = Type.Object({
  version: Type.Literal(1),
  places: Type.String(),
  answers: Type.Array(Type.Union([Type.String(), Type.Null()])),
});
type Before = Static<typeof Before>;

/** The system's proxy settings of the user this runs as, set and given back. */
export const createSystemProxy = (parts: {
  stateFolder: string;
  log: Log;
  onChange?: (reason: string) => void;
  platform?: ProxyPlatform | undefined;
  environment?: Record<string, string>;
}): SystemProxy => {
  const platform =
    parts.platform ?? proxyPlatforms[process.platform as keyof typeof proxyPlatforms];
  const log = parts.log.child({ component: 'system-proxy' });
  const path = join(parts.stateFolder, 'system-proxy.json');
  const run = createRun(parts.environment ?? {});
  let turn: Promise<void> = Promise.resolve();
  /** Null: not looked yet; a life before this one may have left something to give back. */
  let applied: string | undefined | null = null;
  let problem = '';

  const readBefore = async (): Promise<Before | undefined> => {
    try {
      const checked = check(Before, JSON.parse(await readFile(path, 'utf8')));
      return checked.ok ? checked.value : undefined;
    } catch {
      return undefined;
    }
  };
  const save = async (of: ProxyPlatform): Promise<Before> => {
    const places = of.places === undefined ? '' : ((await run(of.places)) ?? '');
    const answers: (string | null)[] = [];
    for (const read of of.reads(places)) answers.push((await run(read)) ?? null);
    const before: Before = { version: 1, places, answers };
    await writeDurably(path, JSON.stringify(before));
    return before;
  };
  const runAll = async (commands: readonly Command[]) => {
    for (const command of commands) {
      const said = await run(command);
      if (said === undefined && command.mayFail !== true) {
        throw new Error(`${command.argv.slice(0, 4).join(' ')} failed`);
      }
    }
  };
  const change = async (wanted: WantedProxy | undefined) => {
    const text = JSON.stringify(wanted);
    if (platform === undefined || (text === applied && problem === '')) return;
    const before = await readBefore();
    if (wanted === undefined && before === undefined) {
      applied = undefined;
      return;
    }
    const { places } = before ?? (await save(platform));
    if (wanted !== undefined) await runAll(platform.apply(places, wanted));
    else if (before !== undefined) {
      const answers = before.answers.map((answer) => answer ?? undefined);
      await runAll(platform.revert(places, answers));
      await rm(path, { force: true });
    }
    applied = text;
    problem = '';
    log.info({ wanted }, 'system proxy changed');
    parts.onChange?.(describe(wanted));
  };
  const inTurn = (wanted: WantedProxy | undefined): Promise<void> => {
    turn = turn
      .then(() => change(wanted))
      .catch((error: unknown) => {
        problem = (error as Error).message;
        log.error({ reason: problem }, 'system proxy not changed');
      });
    return turn;
  };

  return {
    want: inTurn,
    status: () => {
      if (problem !== '') return { state: 'failed', problem };
      return { state: typeof applied === 'string' ? 'set' : 'untouched', problem: '' };
    },
    stop: () => inTurn(undefined),
  };
};

const describe = (wanted: WantedProxy | undefined): string => {
  if (wanted === undefined) return 'the system’s proxy settings are as they were before';
  return wanted.kind === 'pac'
    ? `the system’s proxy is by ${wanted.url}`.slice(0, 300)
    : `the system’s proxy is ${wanted.http.host}:${wanted.http.port}`;
};

const runTimeoutMs = 10_000;

const createRun =
  (environment: Record<string, string>) =>
  async ({ argv: [file, ...args] }: Command): Promise<string | undefined> => {
    try {
      const env = childEnvironment(environment);
      const { stdout } = await promisify(execFile)(file, args, { timeout: runTimeoutMs, env });
      return stdout;
    } catch {
      return undefined;
    }
  };
