import type { Decoy, Fault, Impact, Label, TrueRoute } from '#test/simulator/truth.ts';
import type { World, WorldBin } from '#test/simulator/world.ts';
import type { Finding, Method } from './finding.ts';
import { fallenFor } from './scoring/decoys.ts';
import { createScoresheet, type Scoresheet, type Sheet } from './scoring/scoresheet.ts';
import { createNetworks, type Pair, pairsOf } from './world-facts.ts';

/** Faults that ended this long ago may still be a real reason: windows of losses, lagging medians. */
const recentBins = 4;

type Run = {
  world: World;
  methods: readonly Method[];
  /** Only these are scored; absent: everyone. */
  deviceIds?: ReadonlySet<string> | undefined;
  onBin?: ((doneShare: number) => void) | undefined;
};

/** Drives every method over one world, bin by bin, and scores what each says against the truth. */
export const scoreWorld = ({ world, methods, deviceIds, onBin }: Run): Sheet[] => {
  const { seed, startMs, warmDays, scoredDays, binSeconds } = world.options;
  const networks = createNetworks(world);
  const sheets = methods.map(({ name }) => createScoresheet(name, seed, networks));
  const pairs = pairsOf(world).filter(({ deviceId }) => deviceIds?.has(deviceId) ?? true);
  const faults = new Map(world.faults.map((fault) => [fault.id, fault]));
  const recent: (readonly Fault[])[] = [];
  for (const bin of world.bins()) {
    networks.learn(bin.records);
    recent.push(bin.truth.activeFaults);
    if (recent.length > recentBins) recent.shift();
    const isScored = bin.fromMs >= world.scoredFromMs;
    const truths = isScored ? truthOf(bin, pairs, faults) : [];
    const observed = { fromMs: bin.fromMs, toMs: bin.toMs, records: bin.records };
    for (const [index, method] of methods.entries()) {
      const begunMs = performance.now();
      const findings = method.close(observed);
      const sheet = sheets[index];
      if (!isScored || sheet === undefined) continue;
      sheet.addTime(performance.now() - begunMs);
      fill({ sheet, findings, truths, world, bin, recentFaults: [...new Set(recent.flat())] });
    }
    const days = (bin.toMs - startMs) / 86_400_000;
    if ((bin.toMs / 1_000) % (12 * binSeconds) === 0) onBin?.(days / (warmDays + scoredDays));
  }
  return sheets.map((sheet) => sheet.finish());
};

export type PairTruth = Pair & {
  label: Label;
  impacts: readonly { impact: Impact; fault: Fault }[];
};

export const truthOf = (
  { truth }: WorldBin,
  pairs: readonly Pair[],
  faults: ReadonlyMap<string, Fault>,
): PairTruth[] =>
  pairs
    .filter(({ deviceId }) => truth.isPresent(deviceId))
    .map(({ deviceId, appId }) => ({
      deviceId,
      appId,
      label: truth.label(deviceId, appId),
      impacts: truth.addedMs(deviceId, appId).flatMap((impact) => {
        const fault = faults.get(impact.faultId);
        return fault === undefined ? [] : [{ impact, fault }];
      }),
    }));

type Filling = {
  sheet: Scoresheet;
  findings: readonly Finding[];
  truths: readonly PairTruth[];
  world: World;
  bin: WorldBin;
  recentFaults: readonly Fault[];
};

export const fill = (filling: Filling): void => {
  const { sheet, findings, truths, world, bin } = filling;
  const binMs = bin.toMs - bin.fromMs;
  const said = new Map(findings.map((finding) => [keyOf(finding), finding]));
  const healthy = new Set(truths.filter(({ label }) => label === 'healthy').map(keyOf));
  sheet.addHealthy((healthy.size * binMs) / 3_600_000);
  for (const finding of findings)
    sheet.alarms.add(finding, bin.fromMs / binMs, bin.fromMs, healthy.has(keyOf(finding)));
  for (const { deviceId, appId, label, impacts } of truths) {
    const fault = impacts[0]?.fault;
    if (label !== 'degraded' || fault === undefined) continue;
    const route = world.routeOf(deviceId, appId, bin.fromMs);
    const { fromMs } = bin;
    const ticket = { seed: world.options.seed, fault, deviceId, appId, fromMs, impacts, route };
    sheet.addTicket(ticket, said.get(keyOf(ticket)), binMs);
  }
  tellDecoys(filling);
};

const tellDecoys = ({ sheet, findings, world, bin, recentFaults }: Filling): void => {
  const { activeDecoys } = bin.truth;
  sheet.addDecoys(activeDecoys);
  if (activeDecoys.length === 0) return;
  for (const finding of findings) {
    const [cause] = finding.causes;
    if (finding.state !== 'named' || cause === undefined) continue;
    const { deviceId, appId } = finding;
    const route: TrueRoute = world.routeOf(deviceId, appId, bin.fromMs);
    const fallen: Decoy[] = fallenFor(cause, activeDecoys, recentFaults, route);
    for (const decoy of fallen) sheet.fall(decoy, finding, bin.fromMs);
  }
};

const keyOf = ({ deviceId, appId }: Pair): string => `${deviceId} ${appId}`;
