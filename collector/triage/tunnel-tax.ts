import type { Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import { groupBy } from '../diagnose/group.ts';
import type { TunnelTax } from './views.ts';
import type { Window } from './window.ts';

/** Runs read for one answer, the newest: at one pair a minute two days of them. */
const mostRuns = 6_000;

/** What the tunnel costs this device and application, from the pairs of the window; null without any. */
export const readTunnelTax = async (
  store: Store,
  { fromMs, toMs }: Window,
  tags: { device: string; app: string },
): Promise<TunnelTax | null> => {
  const runs = await store.select({
    measurement: 'http',
    fromMs,
    toMs,
    tags,
    order: 'newest-first',
    limit: mostRuns,
  });
  return tunnelTaxOf(runs);
};

/** Below six pairs no two of them hold the median between them with 95 % (1 − 2·0.5⁶ = 0.969). */
const fewestPairs = 6;

/**
 * The median of the pairs' differences, tunnel less direct, with the interval between two of the
 * differences that holds the true median with at least 95 %. It assumes nothing about how times are
 * spread, only that pairs do not depend on one another: they are an interval apart.
 */
export const tunnelTaxOf = (runs: readonly Point<'http'>[]): TunnelTax | null => {
  const pairs = pairsOf(runs);
  if (pairs.length === 0) return null;
  const differences = pairs
    .flatMap(({ tunnel, direct }) => differenceMs(tunnel, direct) ?? [])
    .sort((a, b) => a - b);
  const interval = medianInterval(differences);
  const figures = {
    pairCount: differences.length,
    medianMs: interval?.medianMs ?? null,
    lowMs: interval?.lowMs ?? null,
    highMs: interval?.highMs ?? null,
    onlyTunnelFailedCount: pairs.filter((pair) => failed(pair.tunnel) && ok(pair.direct)).length,
    onlyDirectFailedCount: pairs.filter((pair) => failed(pair.direct) && ok(pair.tunnel)).length,
    inspection: inspectionOf(pairs),
  };
  return { ...figures, sentence: describeTax(figures) };
};

type Pair = { tunnel: Point<'http'>; direct: Point<'http'> };

const pairsOf = (runs: readonly Point<'http'>[]): Pair[] => {
  const paired = runs.filter(
    // Pairs somebody asked for are not an interval apart.
    ({ fields }) =>
      fields.pair_id !== null &&
      fields.distorted !== 1 &&
      fields.request_id === null &&
      fields.burst_id === null,
  );
  return [...groupBy(paired, ({ fields }) => fields.pair_id ?? '').values()].flatMap((group) => {
    const tunnel = group.find(({ tags }) => tags.via === 'tunnel');
    const direct = group.find(({ tags }) => tags.via === 'direct');
    return tunnel && direct ? [{ tunnel, direct }] : [];
  });
};

const ok = (run: Point<'http'>): boolean => run.fields.ok === 1;

/** A run that says nothing about the application failed neither way. */
const failed = ({ fields }: Point<'http'>): boolean =>
  fields.ok === 0 && fields.failure_source !== 'none' && fields.failure_source !== 'agent';

const differenceMs = (tunnel: Point<'http'>, direct: Point<'http'>): number | undefined => {
  const [one, other] = [tunnel.fields.duration_ms, direct.fields.duration_ms];
  return ok(tunnel) && ok(direct) && one !== null && other !== null ? one - other : undefined;
};

/**
 * Order statistics: of n sorted values the k-th least and the k-th greatest enclose the median unless
 * fewer than k values lie on one side of it, which has the probability 2·P(Binomial(n, ½) < k).
 */
export const medianInterval = (
  sorted: readonly number[],
): { medianMs: number; lowMs: number; highMs: number } | null => {
  const n = sorted.length;
  if (n < fewestPairs) return null;
  const k = narrowestRank(n);
  const at = (i: number) => sorted[i] ?? 0;
  const medianMs = (at(Math.floor((n - 1) / 2)) + at(Math.ceil((n - 1) / 2))) / 2;
  return { medianMs, lowMs: at(k - 1), highMs: at(n - k) };
};

/** The largest k with 2·P(Binomial(n, ½) < k) ≤ 5 %; logarithms, as ½ⁿ is too small for a number. */
const narrowestRank = (n: number): number => {
  let logTerm = -n * Math.LN2;
  let below = 0;
  for (let k = 1; ; k++) {
    below += Math.exp(logTerm);
    if (2 * below > 0.05) return Math.max(1, k - 1);
    logTerm += Math.log((n - k + 1) / k);
  }
};

/** What the newest pair that shows certificates both ways says of inspection. */
const inspectionOf = (pairs: readonly Pair[]): TunnelTax['inspection'] => {
  const newest = pairs.find(
    ({ tunnel, direct }) => tunnel.fields.inspected !== null && direct.fields.inspected !== null,
  );
  if (newest === undefined) return 'unknown';
  const { tunnel, direct } = newest;
  const isSame = tunnel.fields.certificate_issuer === direct.fields.certificate_issuer;
  // A private application's own CA looks the same both ways: only a difference, or a name, is proof.
  const isBoth = isVendor(tunnel) && isVendor(direct);
  if (isSame) return isBoth ? 'both' : 'none';
  if (tunnel.fields.inspected === 1) return direct.fields.inspected === 1 ? 'both' : 'tunnel';
  return direct.fields.inspected === 1 ? 'direct' : 'none';
};

const isVendor = ({ fields }: Point<'http'>): boolean =>
  fields.inspection?.startsWith('vendor-name') ?? false;

const describeTax = (tax: Omit<TunnelTax, 'sentence'>): string =>
  [describeDifference(tax), describeFailures(tax), inspectionWords[tax.inspection]]
    .filter((part) => part !== '')
    .join(' ');

const describeDifference = ({
  pairCount,
  medianMs,
  lowMs,
  highMs,
}: Omit<TunnelTax, 'sentence'>): string => {
  if (medianMs === null || lowMs === null || highMs === null) {
    return `Too few pairs to say what the tunnel costs: ${pairCount} of the ${fewestPairs} it takes.`;
  }
  const basis = `(95 % sure: ${show(lowMs)} to ${show(highMs)} ms; ${pairCount} pairs)`;
  if (lowMs <= 0 && highMs >= 0) {
    return `A request takes as long through the tunnel as direct, as far as can be told ${basis}.`;
  }
  const words = medianMs > 0 ? 'longer' : 'less';
  return `A request takes ${show(Math.abs(medianMs))} ms ${words} through the tunnel than direct ${basis}.`;
};

const show = (ms: number): string => (Math.abs(ms) < 10 ? ms.toFixed(1) : ms.toFixed(0));

const describeFailures = (tax: Omit<TunnelTax, 'sentence'>): string => {
  const { onlyTunnelFailedCount, onlyDirectFailedCount } = tax;
  const parts = [
    onlyTunnelFailedCount > 0 ? `${onlyTunnelFailedCount} failed only through the tunnel` : '',
    onlyDirectFailedCount > 0 ? `${onlyDirectFailedCount} failed only direct` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : `Of the pairs ${parts.join(', ')}.`;
};

const inspectionWords = {
  tunnel: 'TLS is inspected through the tunnel, not direct.',
  direct: 'TLS is inspected direct, not through the tunnel.',
  both: 'TLS is inspected both ways.',
  none: '',
  unknown: '',
} as const satisfies Record<TunnelTax['inspection'], string>;
