import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What is kept of a running program in `<lab folder>/programs/<program>.json`, so that faults and
 * another command find it.
 */
export type ProgramFile = {
  program: string;
  node: string;
  pid: number;
  /** Field 22 of /proc/PID/stat: a process id that was given to another process has another one. */
  startTicks: string;
  configFile: string;
  stateFolder: string;
  logFile: string;
  /** What its environment had beside the usual, such as LD_PRELOAD. */
  environment: Record<string, string>;
};

export const programsFolder = (labFolder: string): string => join(labFolder, 'programs');

const fileOf = (labFolder: string, program: string): string =>
  join(programsFolder(labFolder), `${program}.json`);

/** Renamed into place: a fault being set never reads half of it. */
export const writeProgramFile = (labFolder: string, file: ProgramFile): void => {
  const path = fileOf(labFolder, file.program);
  writeFileSync(`${path}.new`, JSON.stringify(file, null, 2), { mode: 0o600 });
  renameSync(`${path}.new`, path);
};

export const removeProgramFile = (labFolder: string, program: string): void =>
  rmSync(fileOf(labFolder, program), { force: true });

/** Every program whose process still lives. */
export const runningPrograms = (labFolder: string): ProgramFile[] => {
  const folder = programsFolder(labFolder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as ProgramFile)
    .filter(isAlive);
};

/** The process of that id is still the one that was started. */
export const isAlive = ({ pid, startTicks }: Pick<ProgramFile, 'pid' | 'startTicks'>): boolean =>
  startTicksOf(pid) === startTicks;

/** Undefined when there is no such process, or only its exit status waits to be read. */
export const startTicksOf = (pid: number): string | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in brackets and may hold spaces: count from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
};
