import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#runtime/backoff.ts';
import { LockHeld, takeLock } from '#runtime/file-lock.ts';
import type { Fault } from './fault.ts';

/** What undoing needs: the actions as they were, should the catalogue have changed since. */
export type SetFault = Pick<Fault, 'name' | 'actions'>;

/** `faults.json` in the lab's folder, as the one process sees it that may change it now. */
export type FaultsFile = {
  readonly faults: readonly SetFault[];
  write(faults: readonly SetFault[]): void;
};

/** Setting or clearing takes a second or two; a killed process's lock does not hold. */
const waitForOthersMs = 30_000;

/** One process at a time sets or clears. */
export const changeFaults = async (
  folder: string,
  work: (file: FaultsFile) => Promise<void>,
): Promise<void> => {
  const lock = await waitForLock(folder);
  let faults = readFaults(folder);
  try {
    await work({
      get faults() {
        return faults;
      },
      write(next) {
        faults = [...next];
        const path = pathOf(folder);
        writeFileSync(`${path}.new`, JSON.stringify(faults, null, 2), { mode: 0o600 });
        renameSync(`${path}.new`, path);
      },
    });
  } finally {
    lock.release();
  }
};

export const readFaults = (folder: string): SetFault[] => {
  try {
    return JSON.parse(readFileSync(pathOf(folder), 'utf8')) as SetFault[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

const pathOf = (folder: string): string => join(folder, 'faults.json');

const waitForLock = async (folder: string) => {
  const untilMs = performance.now() + waitForOthersMs;
  for (;;) {
    try {
      return takeLock({
        path: join(folder, 'faults.lock'),
        what: `setting faults in ${folder}`,
        fix: 'wait for it',
      });
    } catch (error) {
      if (!(error instanceof LockHeld) || performance.now() > untilMs) throw error;
      await sleep(100);
    }
  }
};
