import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import type { Facts } from '../reading.ts';
import { type BadPair, findBadPairs } from './bad-pairs.ts';
import type { BinScene } from './bin-scene.ts';
import { createFailureRows, type SavedRow } from './failures.ts';
import { createIncidentBook, type Tracked } from './incident-book.ts';
import { describeIncident } from './incident-words.ts';
import { namesOf } from './names.ts';
import { servicesOf } from './services-of-bin.ts';
import { writeVerdict } from './write-verdict.ts';

export type Verdicts = {
  /** The bin's verdicts, by device and application, and incidents that opened, go on or ended. */
  judge(
    view: BinView,
    accepted: readonly Accepted[],
  ): { verdicts: Verdict[]; incidents: SharedIncident[] };
  /** Plain data; given back to `createVerdicts` it goes on as if nothing had been. */
  save(): unknown;
};

type Saved = { version: typeof savedVersion; rows: SavedRow[]; incidents: Tracked[] };

/** What an engine of before saved has another form: then rows and incidents begin anew. */
const savedVersion = 3;

/** Turns what inference accepted into what people are told. */
export const createVerdicts = (
  config: { binMs: number; facts: () => Facts },
  saved?: unknown,
): Verdicts => {
  const kept = saved as Saved | undefined;
  const before = kept?.version === savedVersion ? kept : undefined;
  const rows = createFailureRows(before?.rows);
  const book = createIncidentBook(before?.incidents);

  return {
    judge(view, accepted) {
      const names = namesOf(config.facts(), view);
      const failures = rows.look(view, names);
      const findings = findBadPairs(view, accepted, failures, book.told());
      const blames = new Set([...accepted, ...findings.reach.keys()]);
      const { byBlame, ended } = book.update(view, [...blames], findings.reach);
      const scene = { view, names, failures, services: servicesOf(view), findings, byBlame };
      const verdicts = findings.pairs.flatMap((pair) => writeAbout(pair, scene)).sort(byPair);
      const going = [...byBlame].filter(([, one]) => one.felt);
      const sure = meanConfidence(verdicts);
      for (const [, one] of going) one.confidence = sure.get(one.id) ?? one.confidence;
      const incidents = [...going.map(([, one]) => one), ...ended];
      return {
        verdicts,
        incidents: incidents
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .map((one) => describeIncident(one, scene)),
      };
    },
    save: (): Saved => ({ version: savedVersion, rows: rows.save(), incidents: book.save() }),
  };
};

const byPair = (a: Verdict, b: Verdict): number =>
  compare(a.deviceId, b.deviceId) || compare(a.appId, b.appId);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const writeAbout = (pair: BadPair, scene: BinScene): Verdict[] => {
  const device = scene.view.device(pair.deviceIndex);
  const app = device.applications.find(({ appId }) => appId === pair.appId);
  return app === undefined ? [] : [writeVerdict({ ...pair, device, app }, scene)];
};

/** Of every incident: how sure the verdicts are that name it first. */
const meanConfidence = (verdicts: readonly Verdict[]): Map<string, number> => {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const { causes, confidence } of verdicts) {
    const id = causes?.[0]?.incidentId;
    if (id === undefined) continue;
    const known = sums.get(id) ?? { sum: 0, count: 0 };
    sums.set(id, { sum: known.sum + confidence, count: known.count + 1 });
  }
  return new Map(
    [...sums].map(([id, { sum, count }]) => [id, Math.round((sum / count) * 1_000) / 1_000]),
  );
};
