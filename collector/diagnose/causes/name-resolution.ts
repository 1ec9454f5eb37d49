import type { Evidence } from '#contract/verdict.ts';
import { median } from '../statistics.ts';
import { sayCount, sayMs } from '../wording.ts';
import { type Cause, edgeName, type Scene } from './cause.ts';

/** The look-up of the application's name: at the edge through the tunnel, else on the device. */
export const nameResolution: Cause = {
  group: 'name resolution',
  noun: 'name resolution',
  says: (ms, scene) =>
    scene.run.via === 'tunnel'
      ? `looking its name up at ${edgeName(scene)} takes ${sayMs(ms)}`
      : `looking its name up takes ${sayMs(ms)}`,
  action: (scene) =>
    scene.run.via === 'tunnel'
      ? 'Check the resolver the edge uses, then the name servers of the application’s domain.'
      : 'Check the DNS server the device uses; try another one to compare.',
  fails: 'its name cannot be looked up',
  looks: (scene) => [...looksAtLookup(scene), ...looksAtProbes(scene)],
};

const looksAtLookup = (scene: Scene): Evidence[] => {
  const { run } = scene;
  if (run.lookup !== 'cold' || run.reference.lookupMs.cold !== null) return [];
  return [
    {
      finding: 'context',
      segment: 'dns',
      text: `The name was looked up afresh (${sayMs(run.parts.dns ?? 0)}); earlier runs had it cached, so the two are not compared.`,
      value: run.parts.dns,
      baseline: null,
      unit: 'ms',
    },
  ];
};

const looksAtProbes = (scene: Scene): Evidence[] => {
  const answered = scene.input.dns
    .filter((point) => point.fields.ok === 1 && point.fields.distorted !== 1)
    .map((point) => point.fields.duration_ms)
    .filter((ms) => ms !== null);
  const newest = answered.at(-1);
  if (newest === undefined) return [];
  return [
    {
      finding: 'context',
      segment: 'dns',
      text: `The device’s own DNS probe took ${sayMs(newest)}; the median of ${sayCount(answered.length, 'probe')} is ${sayMs(median(answered) ?? 0)}.`,
      value: newest,
      baseline: median(answered),
      unit: 'ms',
    },
  ];
};
