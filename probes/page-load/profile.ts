import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const prefix = 'browser-';

/** A folder for one browser's life; its name says whose it is. */
export const createProfile = async (workFolder: string): Promise<string> => {
  await mkdir(workFolder, { recursive: true });
  const folder = await mkdtemp(join(workFolder, `${prefix}${process.pid}-`));
  const settings = join(folder, 'profile', 'Default');
  await mkdir(settings, { recursive: true });
  await writeFile(join(settings, 'Preferences'), JSON.stringify(preferences));
  return folder;
};

/**
 * No guesses (2: never): a connection Chromium opens ahead of its request is in none of the
 * request's phases.
 */
const preferences = { net: { network_prediction_options: 2 } };

/** A killed browser's helpers may write for a moment longer. */
export const removeProfile = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });

/** Removes what programs that were killed left behind. */
export const sweepProfiles = async (workFolder: string): Promise<void> => {
  const names = await readdir(workFolder).catch(() => []);
  for (const name of names) {
    if (isStaleProfile(name, isRunning)) await removeProfile(join(workFolder, name));
  }
};

export const isStaleProfile = (name: string, isAlive: (pid: number) => boolean): boolean => {
  const owner = name.startsWith(prefix)
    ? /^(\d+)-/.exec(name.slice(prefix.length))?.[1]
    : undefined;
  return owner !== undefined && !isAlive(Number(owner));
};

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process, then: alive.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Memory of a process group that it shares with no one (Linux); undefined elsewhere. */
export const groupMemoryBytes = (groupId: number): number | undefined => {
  if (!existsSync('/proc/self/statm')) return undefined;
  let pages = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // Fields after the command, which may itself hold spaces: state, parent, group.
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      if (group !== groupId) continue;
      const [, resident = '0', shared = '0'] = readFileSync(`/proc/${name}/statm`, 'utf8').split(
        ' ',
      );
      pages += Number(resident) - Number(shared);
    } catch {
      // Ended while we looked.
    }
  }
  return pages * 4_096;
};
