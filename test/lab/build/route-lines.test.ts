import { describe, expect, it } from 'vitest';
import type { Route } from '../topology/routes.ts';
import { differenceLines } from './route-lines.ts';

describe('lines that change a routing table', () => {
  const route = (prefix: string, ...vias: string[]): Route => ({
    ...{ family: 4, prefix, source: null },
    nextHops: vias.map((via) => ({ via, device: `to-${via}` })),
  });

  it('are of differences only', () => {
    const before = [
      route('10.0.0.1/32', 'a'),
      route('10.0.0.2/32', 'a', 'b'),
      route('10.0.0.3/32', 'a'),
    ];
    const after = [
      route('10.0.0.1/32', 'a'),
      route('10.0.0.2/32', 'b'),
      route('10.0.0.4/32', 'a', 'b'),
    ];
    expect(differenceLines(before, after)).toEqual([
      'route del 10.0.0.3/32',
      'route replace 10.0.0.2/32 via b dev to-b',
      'route replace 10.0.0.4/32 nexthop via a dev to-a nexthop via b dev to-b',
    ]);
    expect(differenceLines(after, after)).toEqual([]);
  });
});
