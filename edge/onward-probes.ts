import { randomUUID } from 'node:crypto';
import type { PathProbe } from '#contract/plan.ts';
import type { OnwardTarget } from '#contract/policy.ts';
import type { OnwardSample } from '#contract/telemetry.ts';
import type { Prober } from '#probes/probe.ts';
import type { Log } from '#runtime/log.ts';
import type { Access } from './access.ts';
import { dial } from './dial.ts';
import { median } from './median.ts';
import type { Resolve, Resolved } from './resolve.ts';

/** How much of it: of a burst each sample is a part. */
export type OnwardWish = { connectCount: number; trace: boolean };

const everything: OnwardWish = { connectCount: 5, trace: true };
const packetCount = 5;
/** Of a burst's, more would have routers fall silent. */
const fewPackets = 3;
const pathTimeoutMs = 10_000;

/**
 * Leg 2: the edge's own measurement of the applications its devices use, one per application and
 * interval whatever the number of devices. Runs of one target never overlap.
 */
export const createOnwardProbes = (parts: {
  edgeId: string;
  access: () => Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  pathProber: Prober<'path'>;
  workFolder: string;
  emit: (sample: OnwardSample) => void;
  now: () => number;
  log: Log;
}) => {
  const running = new Map<string, { key: string; timer: NodeJS.Timeout; abort: AbortController }>();

  const begin = (target: OnwardTarget) => {
    const abort = new AbortController();
    let underway = false;
    const run = async () => {
      if (underway) return;
      underway = true;
      try {
        const sample = await measureOnward(parts, target, abort.signal);
        if (!abort.signal.aborted) parts.emit(sample);
      } catch (error) {
        parts.log.error({ component: 'onward', appId: target.appId, err: error }, 'run failed');
      } finally {
        underway = false;
      }
    };
    const timer = setInterval(run, target.intervalMs);
    // Targets begin one after the other, so that a new config is no burst.
    setTimeout(() => !abort.signal.aborted && run(), Math.min(1_000, running.size * 50));
    running.set(target.appId, { key: JSON.stringify(target), timer, abort });
  };
  const end = (appId: string) => {
    const entry = running.get(appId);
    clearInterval(entry?.timer);
    entry?.abort.abort();
    running.delete(appId);
  };

  return {
    /** Starts, keeps and ends targets so that they are the given ones. */
    update(targets: readonly OnwardTarget[]): void {
      const wanted = new Map(targets.map((target) => [target.appId, target]));
      for (const [appId, { key }] of [...running]) {
        if (JSON.stringify(wanted.get(appId)) !== key) end(appId);
      }
      for (const [appId, target] of wanted) if (!running.has(appId)) begin(target);
    },
    stop(): void {
      for (const appId of [...running.keys()]) end(appId);
    },
  };
};

export type OnwardMeasuring = Omit<Parameters<typeof createOnwardProbes>[0], 'emit'>;

export const measureOnward = async (
  parts: OnwardMeasuring,
  target: OnwardTarget,
  signal: AbortSignal,
  wish: OnwardWish = everything,
): Promise<OnwardSample> => {
  const at = parts.now();
  const application = parts.access()?.privateApplication(target);
  const resolved: Resolved = application?.address
    ? { ok: true, addresses: [application.address], dnsMs: null }
    : await parts.resolve(target.host);
  const nothing = {
    kind: 'onward' as const,
    id: randomUUID(),
    edgeId: parts.edgeId,
    appId: target.appId,
    at,
    dnsMs: resolved.dnsMs,
    connectMs: null,
    connectLossRatio: null,
    path: null,
  };
  if (!resolved.ok)
    return { ...nothing, pathMissing: cut(`name not resolved: ${resolved.message}`) };
  const special = application ? undefined : resolved.addresses.find(parts.isSpecial);
  if (special !== undefined) {
    const reason = `${special} is not public: declare the application as private to measure it`;
    return { ...nothing, pathMissing: reason };
  }
  // One after the other: side by side they would measure each other.
  const connects = await measureConnects(resolved.addresses, target.port, signal, wish);
  const address = connects.address ?? resolved.addresses[0] ?? target.host;
  const packets = wish === everything ? packetCount : fewPackets;
  const { path, pathMissing } = wish.trace
    ? await tracePath(parts, target, address, signal, packets)
    : { path: null, pathMissing: 'not traced with this sample of a burst' };
  return {
    ...nothing,
    connectMs: connects.medianMs,
    connectLossRatio: connects.lossRatio,
    path,
    pathMissing,
  };
};

const measureConnects = async (
  addresses: string[],
  port: number,
  signal: AbortSignal,
  { connectCount }: OnwardWish,
) => {
  const times: number[] = [];
  let address: string | undefined;
  for (let i = 0; i < connectCount && !signal.aborted; i++) {
    try {
      const candidates = address === undefined ? addresses : [address];
      const dialled = await dial({ addresses: candidates, port, signal, read: 'stream' });
      // The first answer names the address; the others measure the same one.
      address = dialled.address;
      times.push(dialled.connectMs);
      dialled.socket.on('error', () => {}).destroy();
    } catch {
      // A connect without an answer is the measurement: it counts as lost below.
    }
  }
  return { address, medianMs: median(times), lossRatio: 1 - times.length / connectCount };
};

const tracePath = async (
  parts: OnwardMeasuring,
  target: OnwardTarget,
  address: string,
  signal: AbortSignal,
  packets: number,
): Promise<Pick<OnwardSample, 'path' | 'pathMissing'>> => {
  const probe: PathProbe = {
    id: 'onward',
    appId: target.appId,
    via: 'direct',
    intervalMs: target.intervalMs,
    timeoutMs: pathTimeoutMs,
    type: 'path',
    host: address,
    protocol: 'tcp',
    port: target.port,
    packetCount: packets,
    maxHops: 30,
  };
  const outcome = await parts.pathProber.run(probe, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(pathTimeoutMs)]),
    proxy: undefined,
    extraCa: [],
    workFolder: parts.workFolder,
    browserPath: undefined,
  });
  // Without permission to trace there may still be an answer of the target: it is kept.
  const isMissing =
    outcome.failure?.type === 'path.not_permitted' || outcome.failure?.source === 'none';
  if (!isMissing) return { path: { ...outcome.body, target: target.host }, pathMissing: '' };
  const { message, action } = outcome.failure ?? { message: '', action: '' };
  return { path: null, pathMissing: cut(`${message} ${action}`) };
};

const cut = (text: string): string => text.slice(0, 300);
