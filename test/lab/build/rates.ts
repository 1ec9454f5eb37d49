import { interfaceName } from '../topology/addresses.ts';
import type { Topology } from '../topology/topology.ts';
import { namespaceName } from './names.ts';
import { inParallel, run } from './run.ts';

/** How long a packet may wait in an access link's own queue before it is dropped. */
export const usualQueueMs = 50;

/** Token buckets at the sending ends of links that have a rate. */
export const makeRates = async (lab: string, topology: Topology): Promise<void> => {
  const ends = topology.links.flatMap(({ a, b, rateMbits }) =>
    rateMbits === undefined
      ? []
      : [
          { node: a, towards: b, kbits: rateMbits.fromA * 1_000 },
          { node: b, towards: a, kbits: rateMbits.fromB * 1_000 },
        ],
  );
  await inParallel(ends, ({ node, towards, kbits }) =>
    run('tc', ['-n', namespaceName(lab, node), ...rateArguments(towards, kbits, usualQueueMs)]),
  );
};

/** Arguments of `tc` that set the rate towards a neighbour. */
export const rateArguments = (towards: string, kbits: number, queueMs: number): string[] => {
  // Two full packets, and what a kernel with 250 ticks a second sends in one of them.
  const burstBytes = Math.max(3_200, Math.ceil((kbits * 1_000) / 8 / 250));
  return [
    ...['qdisc', 'replace', 'dev', interfaceName(towards), 'root', 'tbf'],
    ...['rate', `${kbits}kbit`, 'burst', `${burstBytes}b`, 'latency', `${queueMs}ms`],
  ];
};
