import { expect, it } from 'vitest';
import { fleetShapeOf } from '#collector/control/fleet-shape.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { seriesOfFleet } from '#collector/store/cardinality.ts';
import { toLine } from '#collector/store/influx-line.ts';
import { tableOf, toRows } from '#collector/store/row.ts';
import { measurements, type Point } from '#collector/store/schema.ts';
import { seededRandom } from './make-point.ts';
import { pointsOfFleet, randomFleet } from './random-fleet.ts';

/** Of a line of line protocol, what makes its series: all up to the first space that is not escaped. */
const seriesOf = (line: string): string => /^(?:\\.|[^ \\])+/.exec(line)?.[0] ?? '';

/** As InfluxDB would count them. */
const countSeries = (points: readonly Point[]): Record<string, number> => {
  const counts = Object.fromEntries(measurements.map((name) => [name, 0]));
  for (const [name, rows] of toRows(points)) {
    const table = tableOf(name);
    const lines = [...rows.values()].map((row) => toLine(name, table, row, 0));
    counts[name] = new Set(lines.map(seriesOf)).size;
  }
  return counts;
};

/** A few seconds' worth; `WHYSLOW_FLEETS=10000` for the proof (12 s of processor time). */
const fleetCount = Number(process.env['WHYSLOW_FLEETS'] ?? 2_000);

it('the series foretold of random configurations are those that their fleets make', () => {
  const random = seededRandom(7);
  const seen = new Set<string>();
  for (let n = 0; n < fleetCount; n += 1) {
    const fleet = randomFleet(random);
    const counted = countSeries(pointsOfFleet(fleet));
    const foretold = seriesOfFleet(fleetShapeOf(fleet));
    if (JSON.stringify(foretold) !== JSON.stringify(counted)) {
      expect(foretold, JSON.stringify(fleet)).toEqual(counted);
    }
    for (const [name, count] of Object.entries(counted)) if (count > 0) seen.add(name);
  }
  expect([...seen].sort()).toEqual([...measurements].sort());
}, 300_000);

it('the random configurations are ones that `whyslow apply` takes', () => {
  const random = seededRandom(7);
  for (let n = 0; n < 500; n += 1) {
    const { organisation } = randomFleet(random);
    expect(checkOrganisation(organisation)).toMatchObject({ ok: true });
  }
});
