import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cgroupFolders,
  cgroupPrefix,
  checkLabName,
  labFolder,
  labsFolder,
  namespacePrefix,
} from './names.ts';
import { buildersOf, endProcesses, helpersOf, processesIn } from './processes.ts';
import { run } from './run.ts';

/**
 * Everything with the lab's name, whatever state it is in: it goes by what is found. What a killed
 * raise was just starting bears its own name only a moment later, so it is looked for once more.
 */
export const removeLab = async (
  lab: string,
  options: { keepFolder?: boolean } = {},
): Promise<void> => {
  checkLabName(lab);
  for (let round = 1; round <= mostRounds; round += 1) {
    await removeFound(lab, options);
    await sleep(startingMs);
    if (buildersOf(lab).length === 0 && helpersOf(lab).length === 0) return;
  }
};

const mostRounds = 10;
/** From fork to exec, with room. */
const startingMs = 30;

const removeFound = async (
  lab: string,
  { keepFolder = false }: { keepFolder?: boolean },
): Promise<void> => {
  await endProcesses(buildersOf(lab));
  const namespaces = namesIn('/var/run/netns', namespacePrefix(lab));
  // Sockets of the shim keep a namespace alive after its name is gone, so processes come first.
  await endProcesses([...new Set([...processesIn(namespaces), ...helpersOf(lab)])]);
  if (namespaces.length > 0) {
    const lines = namespaces.map((name) => `netns delete ${name}`);
    await run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`);
  }
  for (const name of namesIn('/etc/netns', namespacePrefix(lab))) {
    rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  }
  for (const folder of cgroupFolders) {
    for (const name of namesIn(folder, cgroupPrefix(lab))) await removeCgroup(`${folder}/${name}`);
  }
  for (const name of namesIn(labFolder(lab), '')) {
    if (!(keepFolder && name === 'lock')) {
      rmSync(`${labFolder(lab)}/${name}`, { recursive: true, force: true });
    }
  }
  if (!keepFolder) rmSync(labFolder(lab), { recursive: true, force: true });
  removeIfEmpty('/etc/netns');
  removeIfEmpty(labsFolder);
};

/** Labs of which anything is left on this machine. */
export const labsFound = (): string[] => {
  const named = [...namesIn('/var/run/netns', 'wl-'), ...namesIn('/etc/netns', 'wl-')].map(
    (name) => name.split('-')[1] ?? '',
  );
  return [...new Set([...named, ...namesIn(labsFolder, '')])].filter((name) =>
    /^[a-z][a-z0-9]{0,11}$/.test(name),
  );
};

const namesIn = (folder: string, prefix: string): string[] => {
  try {
    return readdirSync(folder).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
};

/** The kernel lets go of a cgroup a moment after its last process. */
const removeCgroup = async (path: string): Promise<void> => {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      await sleep(20);
    }
  }
  rmdirSync(path);
};

const removeIfEmpty = (folder: string): void => {
  try {
    rmdirSync(folder);
  } catch {
    // Others' things are in it, or it is not there.
  }
};
