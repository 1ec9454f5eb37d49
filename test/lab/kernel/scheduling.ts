import { prctl, schedSetscheduler, withMemory } from './libc.ts';

const optionTimerSlack = 29; // PR_SET_TIMERSLACK
const policyFifo = 1;
const resetOnFork = 0x4000_0000; // threads this one starts are ordinary ones

/** This thread's timers end when they are due, not up to 50 µs later. */
export const setTimerSlack = (nanoseconds: number): void => {
  prctl(optionTimerSlack, nanoseconds, 0, 0, 0);
};

/** This thread runs before all ordinary ones. False where the machine does not permit it. */
export const setSchedulingFifo = (priority: number): boolean => {
  try {
    withMemory(4, (parameter) => {
      parameter.view.setInt32(0, priority, true);
      schedSetscheduler(0, policyFifo | resetOnFork, parameter.address);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return false;
    throw error;
  }
};
