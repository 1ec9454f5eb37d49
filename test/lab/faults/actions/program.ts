import type { Lab } from '../../lab.ts';
import { type ProgramFile, runningPrograms } from '../../programs/program-file.ts';
import { clockVariable, stepClock } from '../clock.ts';
import type { ProgramAction } from '../fault.ts';
import { endKeeper, startKeeper } from '../keeper/keeper.ts';
import { processTree, signalAll } from '../keeper/process-tree.ts';
import { nearestName } from '../nearest-name.ts';
import { canLimitCpu, limitCpu, unlimitCpu } from './cpu-quota.ts';
import type { Doer } from './doer.ts';

/** Things done to one of our programs from outside; it cannot tell them from the real ones. */
export const programDoer: Doer<'program'> = {
  changes: ({ program, effect }) =>
    effect === 'clock-step' ? `the clock of ${program}` : `how ${program} runs`,
  check(lab, action) {
    const { program, environment } = running(lab, action.program);
    if (action.effect === 'clock-step' && environment[clockVariable] === undefined) {
      throw new Error(
        `the clock of ${program} cannot be stepped: start it with clockEnvironment() of test/lab/faults/clock.ts`,
      );
    }
  },
  apply: async (lab, action) => doIt(lab, action, running(lab, action.program)),
  async undo(lab, { program, effect }) {
    if (effect === 'clock-step') return stepClock(lab.folder, program, 0);
    await endKeeper(lab.folder, program);
    await unlimitCpu(lab.name, program);
    const found = runningPrograms(lab.folder).find((each) => each.program === program);
    if (found) signalAll(processTree(found.pid), 'SIGCONT');
  },
};

const doIt = async (
  lab: Lab,
  action: ProgramAction,
  { program, pid, startTicks }: ProgramFile,
): Promise<void> => {
  const keep = (stoppedMs: number, runningMs: number) =>
    startKeeper(lab.folder, program, { kind: 'duty-cycle', pid, startTicks, stoppedMs, runningMs });
  switch (action.effect) {
    case 'duty-cycle':
      return keep(action.stoppedMs, action.runningMs);
    case 'stop':
      return startKeeper(lab.folder, program, { kind: 'stop', pid, startTicks });
    case 'cpu-quota':
      if (canLimitCpu()) return limitCpu(lab.name, program, processTree(pid), action.ratio);
      // The same share in the same period, given in one piece.
      return keep(100 * (1 - action.ratio), 100 * action.ratio);
    case 'clock-step':
      return stepClock(lab.folder, program, action.seconds);
  }
};

const running = (lab: Lab, program: string): ProgramFile => {
  const all = runningPrograms(lab.folder);
  const found = all.find((each) => each.program === program);
  if (found) return found;
  const names = all.map((each) => each.program);
  const hint =
    names.length === 0 ? '; none of whyslow’s programs does' : nearestName(program, names);
  throw new Error(`the program "${program}" does not run in the lab "${lab.name}"${hint}`);
};
