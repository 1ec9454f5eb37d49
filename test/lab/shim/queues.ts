import { check, explain } from '#contract/check.ts';
import type { Impairment, QueueCounters, ShimQueue } from './control.ts';
import { writeImpairment } from './impair.ts';
import { ChangeSchema } from './protocol.ts';
import { impairmentOffset, readCounters, type Shared } from './shared.ts';

/** The control thread's side of the queues: by key, in words, and checked. */
export type Queues = {
  set(key: string, change: unknown): void;
  get(key: string): Impairment;
  counters(): Record<string, QueueCounters>;
};

export const createQueues = (given: readonly ShimQueue[], shared: Shared): Queues => {
  refuseDoubles(given);
  const impairments = given.map(({ impairment }) => impairment);
  const write = (index: number, impairment: Impairment) => {
    impairments[index] = impairment;
    writeImpairment(shared.impairments, impairmentOffset(index), impairment);
  };
  impairments.forEach((impairment, index) => {
    write(index, impairment);
  });
  const indexOf = new Map(given.map(({ key }, index) => [key, index]));
  const find = (key: string): number => {
    const index = indexOf.get(key);
    if (index === undefined) throw new Error(unknownKey(key, [...indexOf.keys()]));
    return index;
  };
  return {
    set(key, change) {
      const index = find(key);
      const checked = check(ChangeSchema, change);
      if (!checked.ok) throw new Error(`${key}: ${explain(checked.mistakes)}`);
      write(index, { ...(impairments[index] as Impairment), ...checked.value });
    },
    get: (key) => impairments[find(key)] as Impairment,
    counters: () =>
      Object.fromEntries(given.map(({ key }, index) => [key, readCounters(shared, index)])),
  };
};

const refuseDoubles = (queues: readonly ShimQueue[]): void => {
  const seen = new Set<string>();
  for (const { key, namespace, queueNumber } of queues) {
    for (const name of [key, `${namespace} ${queueNumber}`]) {
      if (seen.has(name)) throw new Error(`queue ${key}: ${name} is there twice`);
      seen.add(name);
    }
  }
};

/** Which keys there are, those of the same kind first: whoever mistypes one sees the right one. */
const unknownKey = (key: string, known: readonly string[]): string => {
  const kind = key.split(':')[0] ?? '';
  const alike = known.filter((other) => other.startsWith(`${kind}:`));
  return `no queue ${key}; there are ${[...(alike.length > 0 ? alike : known)].sort().join(' ')}`;
};
