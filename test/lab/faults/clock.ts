import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program whose wall clock can be stepped while it runs: CLOCK_REALTIME has no namespace, so
 * libfaketime (Debian: `faketime`) stands between the program and libc. Started with this environment,
 *
 *   launchProgram(lab, program, config, clockEnvironment(lab.folder, 'agent-b2'))
 *
 * it has the right time until `stepClock` writes another offset. It reads the file once a second, so
 * a step shows within that time. `Date` follows; `performance.now()` and timers do not (monotonic).
 */
export const clockEnvironment = (labFolder: string, program: string): Record<string, string> => {
  const library = findLibrary();
  if (library === undefined) {
    throw new Error('no libfaketime on this machine: apt-get install faketime');
  }
  stepClock(labFolder, program, 0);
  return {
    LD_PRELOAD: library,
    [clockVariable]: clockFileOf(labFolder, program),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Ages of files stay what they are.
    NO_FAKE_STAT: '1',
  };
};

/** What a program's environment has when its clock can be stepped. */
export const clockVariable = 'FAKETIME_TIMESTAMP_FILE';

/** Renamed into place: the library never reads half of it. */
export const stepClock = (labFolder: string, program: string, seconds: number): void => {
  const path = clockFileOf(labFolder, program);
  writeFileSync(`${path}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  renameSync(`${path}.new`, path);
};

/** Beside the programs' folder, which is emptied when they are started anew. */
const clockFileOf = (labFolder: string, program: string): string =>
  join(labFolder, `clock-${program}`);

/** /usr/lib/x86_64-linux-gnu/faketime and its like; the variant for programs with threads. */
const findLibrary = (): string | undefined =>
  readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
    .find((path) => existsSync(path));
