import { createWorld, type World } from '#test/simulator/world.ts';
import { createLoneMethod } from './engine-method.ts';
import { fill, type PairTruth, truthOf } from './run.ts';
import { createScoresheet, type Sheet } from './scoring/scoresheet.ts';
import { createNetworks, factsOf, pairsOf } from './world-facts.ts';

/** Minutes a lone device had been measured when a fault began. */
const ages = [
  { name: 'new 10 to 20 min', from: 10, to: 20 },
  { name: 'new 20 to 40 min', from: 20, to: 40 },
  { name: 'new 40 to 60 min', from: 40, to: 60 },
  { name: 'new 60 to 120 min', from: 60, to: 120 },
] as const;
export const ageNames: readonly string[] = ages.map(({ name }) => name);

const minuteMs = 60_000;
const freshEveryMs = 120 * minuteMs;
const [dayBegins, dayEnds] = [7 * 60, 21 * 60];
const dayMinutes = 24 * 60;
/** Few, so that the hour before one is mostly well, and some days of them. */
const plan = { faultsPerDay: 18, decoysPerDay: 12, scoredDays: 3 } as const;

/**
 * Devices that have just been installed, each alone, on bins of a minute: every two hours of a working
 * day each begins with an engine that knows nothing. Of faults that began before it did nothing is
 * asked: to it they are how things are.
 */
export const scoreFirstHours = (
  { seed, devices }: { seed: number; devices: number },
  onBin: (doneShare: number) => void,
): Sheet[] => {
  const world = worldOf(seed, devices);
  const networks = createNetworks(world);
  const sheets = ages.map((age) => ({ age, sheet: createScoresheet(age.name, seed, networks) }));
  const pairs = pairsOf(world);
  const faults = new Map(world.faults.map((fault) => [fault.id, fault]));
  let bornMs = 0;
  let method = fresh(world);
  for (const bin of world.bins()) {
    networks.learn(bin.records);
    const minutes = (bin.fromMs - world.options.startMs) / minuteMs;
    const minute = minutes % dayMinutes;
    if (minute < dayBegins || minute >= dayEnds) continue;
    if (bin.fromMs - bornMs >= freshEveryMs) [bornMs, method] = [bin.fromMs, fresh(world)];
    const { fromMs, toMs, records } = bin;
    const findings = method.close({ fromMs, toMs, records });
    const truths = truthOf(bin, pairs, faults);
    for (const { age, sheet } of sheets) {
      const isOfAge = (sinceMs: number): boolean =>
        sinceMs - bornMs >= age.from * minuteMs && sinceMs - bornMs < age.to * minuteMs;
      const wanted = truths.filter((truth) => isOfAge(sinceMsOf(truth, fromMs)));
      fill({ sheet, findings, truths: wanted, world, bin, recentFaults: [] });
    }
    onBin(minutes / (dayMinutes * plan.scoredDays));
  }
  return sheets.map(({ sheet }) => sheet.finish());
};

/** Of what suffers since its fault began; of what is well, now. */
const sinceMsOf = ({ label, impacts: [first] }: PairTruth, nowMs: number): number =>
  label === 'degraded' && first !== undefined ? first.fault.startMs : nowMs;

const worldOf = (seed: number, devices: number): World =>
  createWorld({ seed, devices, binSeconds: 60, warmDays: 0, ...plan });

const fresh = (world: World) =>
  createLoneMethod('new', {
    binMs: world.options.binSeconds * 1_000,
    facts: factsOf(world),
    deviceIds: new Set(world.header.devices.map(({ id }) => id)),
  });
