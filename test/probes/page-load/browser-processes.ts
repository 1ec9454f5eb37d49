import { readdirSync, readFileSync } from 'node:fs';

export type BrowserProcess = { pid: number; group: number; type: string };

/** Processes (zombies apart) of the browser whose profile lies in the folder, by process group. */
export const browserProcesses = (profileFolder: string): BrowserProcess[] => {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readProcess);
  const groups = new Set(
    all
      .filter(({ command }) => command.includes(`--user-data-dir=${profileFolder}/browser-`))
      .map(({ group }) => group),
  );
  // Helpers do not all name the profile; those whose leader was killed are found by the chain of
  // their own command lines below.
  return all
    .filter(({ group, command }) => groups.has(group) || command.includes(profileFolder))
    .filter(({ command }) => command.includes('chrom'))
    .map(({ pid, group, type }) => ({ pid, group, type }));
};

export const killRenderers = (profileFolder: string): void => {
  for (const { pid, type } of browserProcesses(profileFolder)) {
    if (type === 'renderer') process.kill(pid, 'SIGKILL');
  }
};

const readProcess = (name: string): (BrowserProcess & { command: string })[] => {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const [state = '', , group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return [];
    const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
    const type = /--type=([a-z-]+)/.exec(command)?.[1] ?? 'browser';
    return [{ pid: Number(name), group: Number(group), type, command }];
  } catch {
    return [];
  }
};
