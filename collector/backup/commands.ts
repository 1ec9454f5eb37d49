import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConfigError } from '#runtime/config.ts';
import { LockHeld } from '#runtime/file-lock.ts';
import type { CollectorProgramConfig } from '../config.ts';
import { NotADump, StateNotEmpty } from '../state/dump.ts';
import { openState } from '../state/open.ts';
import type { State } from '../state/state.ts';
import { tenantPlaces } from '../tenant.ts';
import { BadBackup, readBackup, writeBackup } from './backup-file.ts';
import { backUpState, restoreState } from './state-backup.ts';

export type BackupOptions = {
  config: CollectorProgramConfig;
  /** A path that is not there yet, or a stream. */
  to: string | Writable;
  passphrase?: string | undefined;
  /** How a collector that runs here is reached; absent: as the config and its first operator's token say. */
  running?: { url: string; token: string } | undefined;
};

/** `whyslow backup`: the state, also while collectors run on it. */
export const backUp = async (options: BackupOptions): Promise<void> => {
  const { config, to, passphrase } = options;
  const folder = tenantPlaces(config).stateFolder;
  const isPath = typeof to === 'string';
  if (isPath && existsSync(to)) throw new ConfigError(`${to} is there already`);
  const path = isPath ? `${to}.${randomUUID()}` : join(tmpdir(), `whyslow-${randomUUID()}`);
  try {
    await explained(async () => {
      const state = await openAsIs(config).catch((error: unknown) => {
        if (error instanceof LockHeld) return undefined;
        throw error;
      });
      if (state === undefined) return fetchBackup(runningAt(options, folder), path, passphrase);
      try {
        await backUpState({ db: state.db, stateFolder: folder, path, passphrase, now: Date.now() });
      } finally {
        await state.stop();
      }
    });
    if (isPath) await rename(path, to);
    else await pipeline(createReadStream(path), to, { end: false });
  } finally {
    await rm(path, { force: true });
  }
};

export type RestoreOptions = {
  config: CollectorProgramConfig;
  from: string | Readable;
  passphrase?: string | undefined;
  replace: boolean;
};

/** `whyslow restore`: into a state on which no collector runs. Gives the rows of each table. */
export const restore = async (
  options: RestoreOptions,
): Promise<{ counts: Record<string, number>; createdAt: number }> => {
  const { config, from, passphrase, replace } = options;
  const folder = tenantPlaces(config).stateFolder;
  const isPath = typeof from === 'string';
  const path = isPath ? from : join(tmpdir(), `whyslow-${randomUUID()}`);
  try {
    if (typeof from !== 'string') await pipeline(from, createWriteStream(path, { mode: 0o600 }));
    return await explained(async () => {
      // Before anything is opened or made.
      await readBackup(path, passphrase);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const state = await openAsIs(config, true);
      try {
        const restored = await restoreState({ db: state.db, path, passphrase, replace });
        const { operatorToken, counts, createdAt } = restored;
        const token = join(folder, 'operator-token');
        await rm(token, { force: true });
        if (operatorToken) await writeFile(token, `${operatorToken}\n`, { mode: 0o600 });
        return { counts, createdAt };
      } finally {
        await state.stop();
      }
    });
  } finally {
    if (!isPath) await rm(path, { force: true });
  }
};

/** Without bringing its schema up to date: a back-up is often what comes before that. */
const openAsIs = (config: CollectorProgramConfig, mayMake = false): Promise<State> => {
  const { state, stateFolder } = tenantPlaces(config);
  if (state.engine === 'postgres') return openState({ ...state, asIs: true });
  const folder = join(stateFolder, 'state');
  if (!mayMake && !existsSync(join(folder, 'pgdata'))) {
    throw new ConfigError(`there is no state in ${stateFolder}: which --config does it run by?`);
  }
  return openState({ engine: 'pglite', folder, asIs: true });
};

const runningAt = ({ config, running }: BackupOptions, folder: string) => {
  if (running !== undefined) return running;
  const { host, port } = config.operatorListen;
  const token = join(folder, 'operator-token');
  if (port === 0 || !existsSync(token)) {
    throw new ConfigError(
      'a collector runs on this state: name it by --collector URL and --token (an admin’s)',
    );
  }
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host;
  return { url: `http://${name}:${port}`, token: readFileSync(token, 'utf8').trim() };
};

const fetchBackup = async (
  at: { url: string; token: string },
  path: string,
  passphrase: string | undefined,
): Promise<void> => {
  const response = await fetch(new URL('/v1/backups', at.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${at.token}` },
  }).catch((error: Error) => {
    const why = (error.cause as Error | undefined)?.message ?? error.message;
    throw new ConfigError(`the collector at ${at.url} holds the state and does not answer: ${why}`);
  });
  if (!response.ok || response.body === null) {
    throw new ConfigError(`the collector at ${at.url} gave no back-up (${response.status})`);
  }
  const plain = `${path}.plain`;
  try {
    await pipeline(response.body, createWriteStream(plain, { mode: 0o600, flags: 'wx' }));
    const { header, lines } = await readBackup(plain, undefined);
    if (passphrase === undefined) await rename(plain, path);
    else {
      await writeBackup(path, { ...header, passphrase }, async (line) => {
        for await (const text of lines()) await line(text);
      });
    }
  } finally {
    await rm(plain, { force: true });
  }
};

/** What the person at the command can mend, told without a stack. */
const explained = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StateNotEmpty) {
      throw new ConfigError(`${error.message}: --replace puts the back-up in its place`);
    }
    const isForPeople =
      error instanceof BadBackup || error instanceof NotADump || error instanceof LockHeld;
    throw isForPeople ? new ConfigError(`${error.message}; nothing was changed`) : error;
  }
};
