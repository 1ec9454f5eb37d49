import { diagnose } from '#collector/diagnose/diagnose.ts';
import { createFold } from '#collector/diagnose/fold.ts';
import { type EvidencePoints, evidenceWindow, inputAt } from '#collector/diagnose/input.ts';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import type { Segment } from '#contract/verdict.ts';
import { type Row, rounded } from '#test/bench/rows.ts';
import { calm, deviceId, startMs, type World } from '#test/collector/diagnose/recording.ts';
import { many, names, recordsOf, tell } from '#test/collector/diagnose/story.ts';

/**
 * The first answer, seconds after a run: how fast verdicts are made from a full window (two hours of
 * one-minute probing of four applications), and how often one device's own past is enough to name
 * the segment in stories with one fault at a time. There is no peer to run beside it.
 */
export const measureRunJudge = (): Row[] => [...speed(), ...accuracy()];

const row = (name: string, unit: string, ours: number, least: number | null): Row => ({
  name,
  unit,
  ours: rounded(ours),
  peer: null,
  ratio: null,
  target: least === null ? '' : `≥ ${least}`,
  met: least === null ? null : ours >= least,
});

const others = { mail: { serverMs: 5 }, wiki: { serverMs: 15 }, crm: { serverMs: 40 } };

const fullWindow = (): EvidencePoints => {
  const records = recordsOf({ others, via: ['tunnel', 'direct'], minutes: many(120) });
  const points = records.flatMap((record) => toPoints(record, startMs));
  const of = (name: string) => points.filter((point) => point.measurement === name);
  return Object.fromEntries(
    Object.keys(evidenceWindow).map((name) => [name, of(name) as Point[]]),
  ) as unknown as EvidencePoints;
};

const perSecond = (work: () => void, forMs: number): number => {
  for (let i = 0; i < 20; i += 1) work();
  const begun = performance.now();
  let count = 0;
  while (performance.now() - begun < forMs) {
    work();
    count += 1;
  }
  return (count * 1_000) / (performance.now() - begun);
};

const speed = (): Row[] => {
  const points = fullWindow();
  const subject = { deviceId, appId: 'payroll', deviceName: 'LAPTOP-7', appName: 'Payroll' };
  const live = perSecond(() => {
    const input = inputAt(points, subject);
    if (input !== undefined) diagnose(input);
  }, 3_000);
  const records = recordsOf({ others, minutes: many(120) });
  const replays = perSecond(() => {
    const fold = createFold(names);
    for (const record of records) fold.add(toPoints(record, startMs));
  }, 3_000);
  return [
    row('run judge: verdicts from a full two-hour window', 'verdicts/s', live, 100),
    row('run judge: records replayed', 'records/s', replays * records.length, null),
  ];
};

const faults: { segment: Segment; of: (ms: number) => Partial<World> }[] = [
  { segment: 'device', of: (ms) => ({ lagMs: calm.lagMs + ms / 3 }) },
  { segment: 'gateway', of: (ms) => ({ gatewayMs: calm.gatewayMs + ms / 3 }) },
  { segment: 'client-edge', of: (ms) => ({ pathMs: calm.pathMs + ms / 3 }) },
  { segment: 'tunnel-queue', of: (ms) => ({ queueMs: calm.queueMs + ms / 3 }) },
  { segment: 'in-edge', of: (ms) => ({ edgeQueueMs: calm.edgeQueueMs + ms }) },
  { segment: 'edge-origin', of: (ms) => ({ onwardMs: calm.onwardMs + ms / 3 }) },
  { segment: 'dns', of: (ms) => ({ dnsMs: calm.dnsMs + ms }) },
  { segment: 'tls', of: (ms) => ({ tlsMs: calm.tlsMs + ms }) },
  { segment: 'server', of: (ms) => ({ serverMs: calm.serverMs + ms }) },
  { segment: 'transfer', of: (ms) => ({ transferMs: calm.transferMs + ms }) },
];
const sizesMs = [60, 120, 240, 480, 960];
const seeds = Array.from({ length: 20 }, (_, index) => 1_000 + index);

const accuracy = (): Row[] => {
  let right = 0;
  let told = 0;
  for (const { segment, of } of faults)
    for (const ms of sizesMs)
      for (const seed of seeds) {
        const minutes = [...many(10), ...many(2, { world: of(ms) })];
        const verdict = tell({ seed, minutes }).at(-1);
        told += 1;
        if (verdict?.state === 'slow' && verdict.segment === segment) right += 1;
      }
  const quiet = seeds.flatMap((seed) => tell({ seed, minutes: many(60) }));
  const alarms = quiet.filter((verdict) => verdict.state === 'slow').length;
  return [
    row('run judge: right segment two runs after the start', '%', (100 * right) / told, 98),
    row(`run judge: slow verdicts in ${quiet.length} calm ones`, 'count', alarms, null),
  ];
};
