import { describe, expect, test } from 'vitest';
import { readingOfPoint } from '#collector/diagnose/fleet/reading-of-point.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import { toPoints } from '#collector/store/points.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { createWorld } from '#test/simulator/world.ts';

const recordsOfBins = (count: number): TelemetryRecord[] => {
  const world = createWorld({ seed: 7, devices: 12, warmDays: 0, scoredDays: 1 });
  const records: TelemetryRecord[] = [];
  for (const bin of world.bins()) {
    records.push(...bin.records);
    if (bin.fromMs >= world.options.startMs + (count - 1) * 300_000) break;
  }
  return records;
};

describe('readings', () => {
  test('a record and what is stored of it give the same reading', () => {
    const records = recordsOfBins(3);
    const kinds = new Set<string>();
    for (const record of records) {
      const reading = readingOf(record);
      if (reading === undefined) continue;
      kinds.add(reading.kind);
      const stored = toPoints(record, 0)
        .map(readingOfPoint)
        .filter((one) => one !== undefined);
      expect(stored).toEqual([reading]);
    }
    expect([...kinds].sort()).toEqual([
      'device',
      'edge',
      'http',
      'onward',
      'page',
      'path',
      'tunnel',
    ]);
  });

  test('a trace to an edge says which one; any other goes to the application', () => {
    const traces = recordsOfBins(1).flatMap((record) => {
      const reading = readingOf(record);
      return reading?.kind === 'path' ? [reading] : [];
    });
    const toEdges = traces.filter(({ appId }) => appId === 'whyslow-edge');
    expect(toEdges.length).toBeGreaterThan(2);
    expect(toEdges.every(({ probeId, toEdgeId }) => probeId === `edge-path-${toEdgeId}`)).toBe(
      true,
    );
    const straight = traces.filter(({ appId }) => appId !== 'whyslow-edge');
    expect(straight.every(({ toEdgeId }) => toEdgeId === null)).toBe(true);
  });

  test('an edge that is refused has reached the application’s machine; one without an answer has not', () => {
    const [http] = recordsOfBins(1).filter(
      (record) => record.kind === 'result' && record.type === 'http',
    );
    const typeFor = (message: string): unknown[] => {
      const failure = { type: 'edge.dial_failed', source: 'edge', phase: 'connect', message };
      const failed = { ...http, availability: 0, failure } as TelemetryRecord;
      return [readingOf(failed), ...toPoints(failed, 0).map(readingOfPoint)].map(
        (reading) => reading?.kind === 'http' && reading.failureType,
      );
    };
    expect(typeFor('connection_refused')).toEqual(['tcp.refused', 'tcp.refused']);
    expect(typeFor('connection_timeout')).toEqual(['edge.dial_failed', 'edge.dial_failed']);
  });

  test('runs that were asked for are marked', () => {
    const record = recordsOfBins(1).find(({ kind }) => kind === 'result') as TelemetryRecord;
    const asked = { ...record, requestId: '00000000-0000-4000-8000-00000000000a' };
    expect(readingOf(record)).toMatchObject({ requested: false });
    expect(readingOf(asked as TelemetryRecord)).toMatchObject({ requested: true });
  });
});
