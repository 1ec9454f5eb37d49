import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toPoints, verdictPoints } from '#collector/store/points.ts';
import { rollupSeries } from '#collector/store/rollup-schema.ts';
import { toRows } from '#collector/store/row.ts';
import { measurements, type Point, series } from '#collector/store/schema.ts';
import { check } from '#contract/check.ts';
import { records } from '#contract/telemetry.ts';
import { Verdict } from '#contract/verdict.ts';
import { sampleRecords } from './sample-records.ts';
import { sampleVerdicts } from './sample-verdicts.ts';

/** Written anew by WHYSLOW_WRITE_GOLDEN=1; what changed is then for a person to read in the diff. */
const goldenFile = join(import.meta.dirname, 'points.golden.json');

const receivedAtMs = 1_700_000_005_000;

const pointsByName = (): Record<string, Point[]> =>
  Object.fromEntries([
    ...Object.entries(sampleRecords).map(([name, record]) => [
      name,
      toPoints(record, receivedAtMs),
    ]),
    ...Object.entries(sampleVerdicts).map(([name, verdict]) => [
      `verdict: ${name}`,
      verdictPoints(verdict),
    ]),
  ]);

describe('what is stored', () => {
  it('of every kind of record is as committed', () => {
    const points = pointsByName();
    if (process.env['WHYSLOW_WRITE_GOLDEN'] === '1') {
      writeFileSync(goldenFile, `${JSON.stringify(points, null, 2)}\n`);
    }
    expect(points).toEqual(JSON.parse(readFileSync(goldenFile, 'utf8')));
  });

  it.each(Object.keys(sampleRecords))(
    'of a %s comes from a record that may cross the wire',
    (name) => {
      const record = sampleRecords[name];
      const key = record?.kind === 'result' ? record.type : record?.kind;
      expect(check(records[key as keyof typeof records], record)).toMatchObject({ ok: true });
    },
  );

  it.each(Object.keys(sampleVerdicts))('of a verdict (%s) comes from one that is one', (name) => {
    expect(check(Verdict, sampleVerdicts[name])).toMatchObject({ ok: true });
  });

  it('has exactly the schema’s tags and fields, of the schema’s kinds', () => {
    for (const point of Object.values(pointsByName()).flat()) {
      const { tags, fields } = series[point.measurement];
      expect(Object.keys(point.tags).sort()).toEqual([...tags].sort());
      expect(Object.keys(point.fields).sort()).toEqual(Object.keys(fields).sort());
      expect(() => toRows([point])).not.toThrow();
    }
  });

  it('shows every measurement at least once here', () => {
    const seen = new Set(
      Object.values(pointsByName()).flatMap((points) => points.map((p) => p.measurement)),
    );
    // Roll-ups are made of points, not of records.
    const ofRecords = measurements.filter((name) => !Object.hasOwn(rollupSeries, name));
    expect([...seen].sort()).toEqual(ofRecords.sort());
  });

  it('is the same for the same record, however often it is sent', () => {
    for (const record of Object.values(sampleRecords)) {
      const [first, second] = [toPoints(record, 1), toPoints(structuredClone(record), 1)];
      expect(first).toEqual(second);
    }
  });

  it('has whole milliseconds, the record’s own clock, and the collector’s beside it', () => {
    const [point] = toPoints(sampleRecords['dns'] as never, receivedAtMs);
    expect(point).toMatchObject({
      timeMs: 1_700_000_000_001,
      fields: { received_at_ms: receivedAtMs },
    });
  });
});
