import type { Impairment } from '../../shim/control.ts';
import type { Direction } from '../../topology/topology.ts';
import type { Fault, FaultAction } from '../fault.ts';

/**
 * What the catalogues are written with. They are about the topology two-sites and its applications:
 * `crm` on s1 and `docs` on s2, both through the tunnel to e1, over t1 and t2 or t2b to d; `wiki` on
 * w1, through e1 and back over ix to cgw, by address and so without a look-up. A millisecond of
 * round trip between device and edge counts about four times in an answer, one between edge and
 * origin about three times; a pair is said to suffer from 40 ms on.
 */
export const devices = ['a1', 'a2', 'b1', 'b2'] as const;
export const siteA = ['a1', 'a2'] as const;
export const siteB = ['b1', 'b2'] as const;
export const applications = ['crm', 'docs', 'wiki'] as const;
/** Applications beyond the transit. */
export const hosted = ['crm', 'docs'] as const;

/** Both directions of a link: `ia1-ia2`. */
export const directionsOf = (link: string): readonly [Direction, Direction] => {
  const [a, b] = link.split('-');
  return [`${a}>${b}`, `${b}>${a}`];
};

export const impair = (direction: Direction, add: Partial<Impairment>): FaultAction => ({
  do: 'shim',
  key: `link:${direction}`,
  add,
});

export const impairBoth = (link: string, add: Partial<Impairment>): FaultAction[] =>
  directionsOf(link).map((direction) => impair(direction, add));

/** The network is itself again as soon as the packets under way have arrived. */
export const soonMs = 500;
/** Retransmissions, queues and closed sessions need longer. */
export const laterMs = 3_000;

export const nobody = { blame: 'nobody' } as const satisfies Fault['truth'];
