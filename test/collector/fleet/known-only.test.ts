import { expect, test } from 'vitest';
import { knownOnly } from '#collector/fleet/known-only.ts';
import { httpReading, pathReading, tunnelReading } from '../diagnose/fleet/feed.ts';

const has = { applications: new Set(['crm']), edges: new Set(['edge-1']) };

test('applications that nobody declared and edges that nobody let in are told to no engine', () => {
  const known = [httpReading(1), tunnelReading(1), pathReading(1, [['10.0.0.1', 1]])];
  expect(knownOnly(known, has)).toEqual(known);
  const invented = [
    httpReading(1, { appId: 'made-up' }),
    pathReading(1, [['10.0.0.1', 1]], { toEdgeId: 'made-up' }),
  ];
  expect(knownOnly(invented, has)).toEqual([]);
});

test('a run says what it lasted, whichever edge it names', () => {
  const said = knownOnly(
    [httpReading(1, { edgeId: 'made-up' }), tunnelReading(1, { edgeId: 'made-up' })],
    has,
  );
  expect(said).toEqual([
    httpReading(1, { edgeId: null, edge: null }),
    tunnelReading(1, { edgeId: null }),
  ]);
});
