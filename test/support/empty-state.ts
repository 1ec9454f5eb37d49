import { createHash, randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openState } from '#collector/state/open.ts';
import type { State } from '#collector/state/state.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/whyslow');

/**
 * Lays an empty state into a folder that has none. Making one takes two seconds of CPU, which all test
 * files together cannot spare: it is made once for each set of migrations, and copied.
 */
export const layEmptyState = async (folder: string): Promise<void> => {
  if (existsSync(join(folder, 'pgdata'))) return;
  const made = join(cache, `state-${keyOfState()}`);
  if (!existsSync(made)) await makeOnce(made);
  cpSync(join(made, 'pgdata'), join(folder, 'pgdata'), { recursive: true });
};

/** An empty state in a folder of its own. */
export const openEmptyState = async (folder: string): Promise<State> => {
  await layEmptyState(folder);
  return openState({ engine: 'pglite', folder });
};

/** Several test files may begin at once: whoever is first has made it. */
const makeOnce = async (made: string): Promise<void> => {
  const draft = `${made}-${randomUUID()}`;
  mkdirSync(dirname(made), { recursive: true });
  const state = await openState({ engine: 'pglite', folder: draft });
  await state.stop();
  try {
    renameSync(draft, made);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(made)) throw error;
  }
};

const keyOfState = (): string => {
  const hash = createHash('sha256');
  const folder = join(root, 'collector/state');
  const migrations = readdirSync(join(folder, 'migrations')).map((file) => `migrations/${file}`);
  for (const file of ['migrate.ts', ...migrations.sort()]) {
    hash.update(readFileSync(join(folder, file)));
  }
  hash.update(readFileSync(join(root, 'node_modules/@electric-sql/pglite/package.json')));
  return hash.digest('hex').slice(0, 16);
};
