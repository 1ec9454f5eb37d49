import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '#test/support/wait-until.ts';
import { isAlive } from '../../programs/program-file.ts';
import { type KeeperJob, statusFileOf } from './job.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));

/**
 * Faults that are something going on need a process: one that outlives the command that set them,
 * and ends when its job's file is gone, be it by `endKeeper` or with the lab's whole folder.
 */
export const startKeeper = async (labFolder: string, id: string, job: KeeperJob): Promise<void> => {
  const jobFile = jobFileOf(labFolder, id);
  const text = JSON.stringify(job);
  if (runningKeeper(jobFile) && readOr(jobFile) === text) return;
  await endKeeper(labFolder, id);
  mkdirSync(join(labFolder, 'keepers'), { recursive: true, mode: 0o700 });
  mkdirSync(join(labFolder, 'logs'), { recursive: true, mode: 0o700 });
  writeFileSync(`${jobFile}.new`, text, { mode: 0o600 });
  renameSync(`${jobFile}.new`, jobFile);
  const logFile = join(labFolder, 'logs', `keeper-${id}.log`);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), program, jobFile],
    { detached: true, stdio: ['ignore', log, log, 'ipc'], cwd: '/' },
  );
  closeSync(log);
  await untilAtWork(child, logFile);
  if (child.connected) child.disconnect();
  child.unref();
};

/** Does nothing where none works. */
export const endKeeper = async (labFolder: string, id: string): Promise<void> => {
  const jobFile = jobFileOf(labFolder, id);
  const keeper = runningKeeper(jobFile);
  rmSync(jobFile, { force: true });
  if (keeper) {
    await waitUntil(() => !isAlive(keeper), 5_000).catch(() => process.kill(keeper.pid, 'SIGKILL'));
  }
  rmSync(statusFileOf(jobFile), { force: true });
};

const jobFileOf = (labFolder: string, id: string): string =>
  join(labFolder, 'keepers', `${id}.json`);

const runningKeeper = (jobFile: string): { pid: number; startTicks: string } | undefined => {
  const text = readOr(statusFileOf(jobFile));
  if (text === '') return undefined;
  const keeper = JSON.parse(text) as { pid: number; startTicks: string };
  return isAlive(keeper) ? keeper : undefined;
};

const untilAtWork = (child: ChildProcess, logFile: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`a fault's process ended at once: see ${logFile}`)));
  });

const readOr = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
