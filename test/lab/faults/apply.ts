import type { Lab } from '../lab.ts';
import { applyAction, checkAction, undoAction, whatChanges } from './actions/actions.ts';
import { faultNamed } from './catalogue.ts';
import type { Fault, FaultAction } from './fault.ts';
import { changeFaults, readFaults, type SetFault } from './faults-file.ts';

/**
 * Sets faults beside those that are set; what is set already stays. Nothing is done at all when one
 * of them cannot be: an unknown name, a program that does not run, two faults that change the same.
 */
export const setFaults = (lab: Lab, wanted: readonly (string | Fault)[]): Promise<void> =>
  changeFaults(lab.folder, async (file) => {
    const isNew = ({ name }: Fault) => file.faults.every((fault) => fault.name !== name);
    const faults = [...new Set(wanted.map(toFault))].filter(isNew);
    refuseClashes([...file.faults, ...faults]);
    for (const fault of faults) {
      inFault(fault.name, () => {
        for (const action of fault.actions) checkAction(lab, action);
      });
    }
    for (const { name, actions } of faults) {
      const before = file.faults;
      // Written down before it is done: whoever clears after a crash undoes what may have been done.
      file.write([...before, { name, actions }]);
      try {
        await applyAll(lab, actions, before);
      } catch (error) {
        await undoAll(lab, { name, actions }, before);
        file.write(before);
        throw new Error(`fault ${name}: ${(error as Error).message}`);
      }
    }
  });

/** Undoes every fault that is set, the last one first; whatever process set it, and how it ended. */
export const clearFaults = (lab: Lab): Promise<void> =>
  changeFaults(lab.folder, async (file) => {
    const failures: Error[] = [];
    for (const fault of [...file.faults].reverse()) {
      const others = file.faults.filter((each) => each !== fault);
      try {
        await undoAll(lab, fault, others);
        file.write(others);
      } catch (error) {
        failures.push(error as Error);
      }
    }
    if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join('\n'));
  });

/** Names of what is set, in the order in which it was. */
export const faultsSet = (lab: Lab): string[] => readFaults(lab.folder).map(({ name }) => name);

const toFault = (wanted: string | Fault): Fault =>
  typeof wanted === 'string' ? faultNamed(wanted) : wanted;

const refuseClashes = (faults: readonly SetFault[]): void => {
  const changedBy = new Map<string, string>();
  for (const { name, actions } of faults) {
    for (const what of actions.map(whatChanges)) {
      const other = changedBy.get(what);
      if (other !== undefined) {
        throw new Error(
          `fault ${name} changes ${what}, and so does ${other}: clear that one first`,
        );
      }
      changedBy.set(what, name);
    }
  }
};

const actionsOf = (faults: readonly SetFault[]): FaultAction[] =>
  faults.flatMap(({ actions }) => actions);

const applyAll = async (
  lab: Lab,
  actions: readonly FaultAction[],
  others: readonly SetFault[],
): Promise<void> => {
  for (const [index, action] of actions.entries()) {
    await applyAction(lab, action, [...actionsOf(others), ...actions.slice(0, index)]);
  }
};

/** One that cannot be undone does not keep the rest from being undone. */
const undoAll = async (lab: Lab, fault: SetFault, others: readonly SetFault[]): Promise<void> => {
  const failures: string[] = [];
  for (const action of [...fault.actions].reverse()) {
    await undoAction(lab, action, actionsOf(others)).catch((error: Error) =>
      failures.push(error.message),
    );
  }
  if (failures.length > 0) {
    throw new Error(`fault ${fault.name} is not all undone: ${failures.join('; ')}`);
  }
};

const inFault = (name: string, work: () => void): void => {
  try {
    work();
  } catch (error) {
    throw new Error(`fault ${name}: ${(error as Error).message}`);
  }
};
