import type { QueueCounters } from './control.ts';
import { impairmentLength } from './impair.ts';

const countersLength = 3;

/** What the control thread and the timing thread share, without a lock and without a message. */
export type Shared = {
  /** [0]: 1 asks the timing thread to end. */
  stop: Int32Array<SharedArrayBuffer>;
  impairments: Float64Array<SharedArrayBuffer>;
  /** Per queue: packets, dropped, gone. Only the timing thread writes. */
  counters: Float64Array<SharedArrayBuffer>;
};

export const createShared = (queueCount: number): Shared => {
  const numbers = (length: number) =>
    new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
  return {
    stop: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    impairments: numbers(queueCount * impairmentLength),
    counters: numbers(queueCount * countersLength),
  };
};

export const impairmentOffset = (queue: number): number => queue * impairmentLength;
export const packetsAt = (queue: number): number => queue * countersLength;
export const droppedAt = (queue: number): number => queue * countersLength + 1;
export const goneAt = (queue: number): number => queue * countersLength + 2;

export const readCounters = ({ counters }: Shared, queue: number): QueueCounters => {
  const gone = counters[goneAt(queue)] as number;
  const dropped = counters[droppedAt(queue)] as number;
  const packets = counters[packetsAt(queue)] as number;
  // Read while the other thread counts: a packet may be gone that was not yet seen to come.
  return { packets, dropped, waiting: Math.max(0, packets - dropped - gone) };
};
