import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitUntil } from '#test/support/wait-until.ts';
import type { Lab } from '../lab.ts';
import {
  isAlive,
  type ProgramFile,
  programsFolder,
  removeProgramFile,
  runningPrograms,
  startTicksOf,
  writeProgramFile,
} from './program-file.ts';
import type { LabProgram } from './roster.ts';

const command = fileURLToPath(new URL('../../../bin/whyslow.mjs', import.meta.url));
const subcommands = { collector: ['collector'], edge: ['edge'], agent: ['agent', 'run'] } as const;

/** An agent ships for 3 s more and an edge drains; what takes longer than this hangs. */
const stopWithinMs = 8_000;

export const logFileOf = (labFolder: string, program: LabProgram): string =>
  join(labFolder, 'logs', `${program.name}.log`);

/**
 * Starts the real program in its node's namespace, as `whyslow <kind> --config FILE`, in a session of
 * its own: Ctrl-C in a terminal is for the runner, which stops the programs in order.
 */
export const launchProgram = (
  lab: Lab,
  program: LabProgram,
  config: Record<string, unknown>,
  environment: Record<string, string> = {},
): ProgramFile => {
  const folder = programsFolder(lab.folder);
  const configFile = join(folder, `${program.name}.yaml`);
  const logFile = logFileOf(lab.folder, program);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(config, null, 2), { mode: 0o600 });

  const log = openSync(logFile, 'a', 0o600);
  const child = lab.spawn(
    program.node.name,
    process.execPath,
    [command, ...subcommands[program.kind], '--config', configFile],
    { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...environment } },
  );
  closeSync(log);
  child.on('error', () => {});
  child.unref();
  const pid = child.pid;
  const startTicks = pid === undefined ? undefined : startTicksOf(pid);
  if (pid === undefined || startTicks === undefined) {
    throw new Error(`${program.name} did not start: see ${logFile}`);
  }
  const file: ProgramFile = {
    program: program.name,
    node: program.node.name,
    pid,
    startTicks,
    configFile,
    stateFolder: String(config['stateFolder']),
    logFile,
    environment,
  };
  writeProgramFile(lab.folder, file);
  return file;
};

/** Waits until a program is of use; one that ends before is told with the end of its log. */
export const waitForProgram = async (
  file: ProgramFile,
  isUp: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<void> => {
  try {
    await waitUntil(async () => {
      if (!isAlive(file)) throw new Error('it ended');
      return isUp();
    }, timeoutMs);
  } catch (error) {
    throw new Error(`${file.program}: ${(error as Error).message}\n${tail(file.logFile)}`);
  }
};

/** Ends one program and waits for its end; a stopped (SIGSTOP) or hanging one is killed. */
export const stopProgram = async (labFolder: string, file: ProgramFile): Promise<void> => {
  signal(file, 'SIGTERM');
  signal(file, 'SIGCONT');
  const hasEnded = () => !isAlive(file);
  await waitUntil(hasEnded, stopWithinMs).catch(async () => {
    signal(file, 'SIGKILL');
    await waitUntil(hasEnded, stopWithinMs);
  });
  removeProgramFile(labFolder, file.program);
};

/** Ends everything that `launchProgram` started, in any process: agents, then edges, then the collector. */
export const stopAllPrograms = async (labFolder: string): Promise<void> => {
  const running = runningPrograms(labFolder);
  for (const kind of ['agent-', 'edge-', 'collector']) {
    const ofKind = running.filter(({ program }) => program.startsWith(kind));
    await Promise.all(ofKind.map((file) => stopProgram(labFolder, file)));
  }
};

const signal = (file: ProgramFile, name: NodeJS.Signals): void => {
  if (!isAlive(file)) return;
  try {
    process.kill(file.pid, name);
  } catch {
    // It ended in between.
  }
};

const tail = (logFile: string): string =>
  existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-2_000) : '';
