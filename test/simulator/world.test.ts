import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ReplayHeader } from '#cli/replay/header.ts';
import { check, explain } from '#contract/check.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';
import { compareWithTwin, twinOf } from './compare.ts';
import type { WorldOptions } from './options.ts';
import { faultKinds, type Label } from './truth.ts';
import { createWorld, type WorldBin } from './world.ts';

const small = { devices: 20, sampleSeconds: 300, warmDays: 0 } as const;

const firstBins = (
  count: number,
  options: Partial<WorldOptions> & { seed: number },
): WorldBin[] => {
  const bins: WorldBin[] = [];
  for (const bin of createWorld(options).bins()) {
    bins.push(bin);
    if (bins.length === count) break;
  }
  return bins;
};

const digest = (bins: readonly WorldBin[]): string => {
  const hash = createHash('sha256');
  for (const { records: made } of bins) hash.update(JSON.stringify(made));
  return hash.digest('hex');
};

const nameOf = (record: TelemetryRecord): keyof typeof records =>
  record.kind === 'result' ? record.type : record.kind;

/** A day of a small fleet with faults from the first to the last hour. */
const world = createWorld({ ...small, seed: 1, faultsPerDay: 60, decoysPerDay: 60 });
const day = [...world.bins()];
const all = day.flatMap(({ records: made }) => made);

test('every record of a simulated fleet is one of the contract', () => {
  const seen = new Set<string>();
  for (const [i, record] of all.entries()) {
    const name = nameOf(record);
    if (seen.has(name) && i % 11 !== 0) continue;
    seen.add(name);
    const checked = check(records[name], record);
    expect(checked.ok ? '' : explain(checked.mistakes)).toBe('');
  }
  expect([...seen].sort()).toEqual(
    ['device', 'edge', 'http', 'onward', 'page-load', 'path', 'tunnel'].sort(),
  );
});

test('its header opens a replay', () => {
  const checked = check(ReplayHeader, world.header);
  expect(checked.ok ? '' : explain(checked.mistakes)).toBe('');
});

test('a world is a function of its seed', () => {
  const made = digest(firstBins(12, { ...small, seed: 5 }));
  expect(digest(firstBins(12, { ...small, seed: 5 }))).toBe(made);
  expect(digest(firstBins(12, { ...small, seed: 6 }))).not.toBe(made);
});

test('asking for the truth does not change what is measured', () => {
  const asked = createWorld({ ...small, seed: 5 });
  const [device] = asked.header.devices;
  for (const { startMs } of asked.faults) {
    for (const { id } of asked.header.applications) {
      asked.truthAt(startMs).label(device?.id ?? '', id);
      asked.routeOf(device?.id ?? '', id, startMs);
    }
  }
  const bins: WorldBin[] = [];
  for (const bin of asked.bins()) {
    bins.push(bin);
    if (bins.length === 12) break;
  }
  expect(digest(bins)).toBe(digest(firstBins(12, { ...small, seed: 5 })));
});

test('the phases of a request add up to its total', () => {
  const errors = all.flatMap((record) => {
    if (record.kind !== 'result' || record.type !== 'http') return [];
    const phases = Object.values(record.body.exchanges[0]?.phases ?? {});
    const sum = phases.reduce<number>((total, ms) => total + (ms ?? 0), 0);
    return [Math.abs(sum - record.durationMs)];
  });
  expect(errors.length).toBeGreaterThan(1_000);
  expect(Math.max(...errors)).toBeLessThan(0.01);
});

test('without faults the tunnel takes as long as the way outside it', () => {
  const ratios: number[] = [];
  for (const { records: made } of firstBins(36, { ...small, seed: 7 })) {
    for (const record of made) {
      if (record.kind !== 'tunnel' || record.sameFlow !== true) continue;
      if (record.controlRttMs === null || record.underlayRttMs === null) continue;
      ratios.push(record.controlRttMs / record.underlayRttMs);
    }
  }
  ratios.sort((a, b) => a - b);
  expect(ratios[Math.floor(ratios.length / 2)]).toBeCloseTo(1, 1);
});

test('each kind of fault finds a place, and somebody who suffers from it', () => {
  for (const kind of faultKinds) {
    const one = createWorld({ ...small, devices: 50, seed: 2, faultsPerDay: 3, onlyKinds: [kind] });
    const [fault] = one.faults;
    expect(fault?.kind).toBe(kind);
    const truth = one.truthAt(fault?.startMs ?? 0);
    const suffering = one.header.devices.flatMap(({ id: deviceId }) =>
      one.header.applications.flatMap(({ id }) => truth.addedMs(deviceId, id)),
    );
    expect(suffering.length, kind).toBeGreaterThan(0);
    expect(suffering.every(({ ms, segments }) => ms > 0 && segments.length > 0)).toBe(true);
  }
});

const meanTotalMs = (bins: readonly WorldBin[]): number => {
  const totals = bins
    .flatMap(({ records: made }) => made)
    .flatMap((record) =>
      record.kind === 'result' && record.type === 'http' ? [record.durationMs] : [],
    );
  return totals.reduce((sum, ms) => sum + ms, 0) / totals.length;
};

const twinBins = [...twinOf({ ...small, seed: 1 }).bins()];

test('what the truth expects of a fault is what runs take longer', () => {
  const compared = compareWithTwin(
    { faults: world.faults, bins: () => day },
    { faults: [], bins: () => twinBins },
  ).filter(({ runCount }) => runCount > 50);
  expect(compared.length).toBeGreaterThan(5);
  for (const { kind, runCount, expectedMs, observedMs } of compared) {
    // Two runs differ by some 200 ms without a fault: four standard errors, and 5 %.
    const atMost = 0.05 * expectedMs + (4 * 200) / Math.sqrt(runCount);
    expect(Math.abs(observedMs - expectedMs), kind).toBeLessThan(atMost);
  }
});

test('decoys cost nobody anything', () => {
  // Until noon: decoys begin at seven.
  const bins = firstBins(144, { ...small, seed: 1, faultsPerDay: 0, decoysPerDay: 400 });
  expect(meanTotalMs(bins) / meanTotalMs(twinBins.slice(0, 144))).toBeCloseTo(1, 1);
});

test('a harmless change of way is so for all who take it, over either core', () => {
  const made = createWorld({ ...small, seed: 10, warmDays: 2, decoysPerDay: 400 });
  const { topology, population, decoys, options } = made;
  const addedMs = decoys.flatMap(({ disguise, startMs }) => {
    if (disguise.on !== 'detour') return [];
    const { ispIndex, placeId, from, via, extraMs } = disguise;
    const days = (startMs - options.startMs) / 86_400_000;
    const taking = population.devices.filter(
      ({ site, leg }) =>
        site.ispIndex === ispIndex && leg.destination.id === placeId && leg.via === from,
    );
    return taking.flatMap(({ site, leg }) =>
      [0, 1].map((core) => {
        const [before = 0, after = 0] = [from, via].map((over) => {
          const { links } = topology.firstLeg(site.line, ispIndex, core, leg.destination, over);
          return links.reduce((sum, link) => sum + link.baseMs + days * link.driftMsPerDay, 0);
        });
        return after + (extraMs[core] ?? 0) - before;
      }),
    );
  });
  expect(addedMs.length).toBeGreaterThanOrEqual(4);
  expect(Math.max(...addedMs.map(Math.abs))).toBeLessThan(4.01);
});

test('labels follow the milliseconds', () => {
  const sums: Record<Label, number[]> = { degraded: [], healthy: [], between: [] };
  for (const { truth } of day.filter((_, i) => i % 4 === 0)) {
    for (const { id: deviceId } of world.header.devices) {
      for (const { id: appId } of world.header.applications) {
        const added = truth.addedMs(deviceId, appId).reduce((total, { ms }) => total + ms, 0);
        sums[truth.label(deviceId, appId)].push(added);
      }
    }
  }
  expect(sums.between.length).toBeGreaterThan(0);
  expect(Math.min(...sums.degraded)).toBeGreaterThanOrEqual(40);
  expect(Math.max(...sums.healthy)).toBeLessThan(8);
});
