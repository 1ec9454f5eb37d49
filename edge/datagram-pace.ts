import type { Pace } from './limits.ts';

/** How many of these datagrams go on; the others are dropped, as a full router would. */
export type MayPass = (datagrams: readonly Buffer[]) => number;

/** Keeps one direction of a flow to its device's packets and bytes a second. */
export const createMayPass = (limits: {
  datagrams: (count: number) => number;
  /** Undefined: bytes are not limited. */
  pace: Pace | undefined;
}): MayPass => {
  let isTooMuch = false;
  return (datagrams) => {
    if (isTooMuch) return 0;
    if (limits.pace?.spend(bytesOf(datagrams)) === false) {
      isTooMuch = true;
      limits.pace.whenFree(() => {
        isTooMuch = false;
      });
    }
    return limits.datagrams(datagrams.length);
  };
};

export const bytesOf = (datagrams: readonly Buffer[]): number => {
  let bytes = 0;
  for (const { length } of datagrams) bytes += length;
  return bytes;
};
