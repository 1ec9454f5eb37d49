import type { TunnelSample } from '#contract/telemetry.ts';
import { type DatagramLoss, startDatagramLoss } from './datagram-loss.ts';
import type { Link } from './link.ts';
import { createRecentTimes } from './recent-times.ts';
import { createOutsideTimes, measureUnderlay } from './underlay.ts';

/** What is measured of the edge in use beside its control session. */
export type PathTimes = {
  /** Another edge is in use, or none. */
  restart(): void;
  /** Outside the tunnel more often, for as long as a burst lasts; undefined: as usual again. */
  measureEvery(ms: number | undefined): void;
  take(): Pick<
    TunnelSample,
    'controlRttMs' | 'dataRttMs' | 'queueMs' | 'handshakeMs' | 'underlayRttMs' | 'udpLossRatio'
  >;
  stop(): void;
};

/** Ninety in five minutes, a handshake each. */
const underlayIntervalMs = 3_300;
/** At once when an edge is chosen, so that the first sample has more than one to go by. */
const firstHandshakes = 3;
/** Jitter lifts one round trip or another, a queue all of them: what is compared are the lowest. */
const queueWindowMs = 5_000;

export const startPathTimes = (parts: {
  current: () => Link | undefined;
  now: () => number;
  pingIntervalMs: number;
}): PathTimes => {
  const { current } = parts;
  const dataRoundTrips = createRecentTimes(parts.now);
  const queueing = createRecentTimes(parts.now);
  const datagrams: DatagramLoss = startDatagramLoss();
  const outside = createOutsideTimes();
  let isStopped = false;

  const measureOutside = async () => {
    const link = current();
    if (!link) return;
    const ms = await measureUnderlay(link.edge.host, link.edge.port);
    if (link === current()) outside.add(ms);
  };
  const measureFirst = async () => {
    const link = current();
    for (let i = 0; i < firstHandshakes && link !== undefined && link === current(); i += 1) {
      await measureOutside();
    }
  };
  const measureData = async () => {
    const link = current();
    const ms = await link?.pool.measureRtt();
    if (ms === null || ms === undefined || link !== current()) return;
    dataRoundTrips.add(ms);
    const dataMs = dataRoundTrips.lowestMs(queueWindowMs);
    const controlMs = link?.control.roundTrips.lowestMs(queueWindowMs) ?? null;
    if (dataMs !== null && controlMs !== null) queueing.add(Math.max(0, dataMs - controlMs));
  };
  const dataTimer = setInterval(measureData, parts.pingIntervalMs);
  let outsideTimer = setInterval(measureOutside, underlayIntervalMs);

  return {
    restart() {
      dataRoundTrips.clear();
      queueing.clear();
      outside.clear();
      const link = current();
      // Of the time before it was in use.
      link?.control.roundTrips.takeMedianMs();
      datagrams.setEdge(link?.edge);
      void measureFirst();
    },
    measureEvery(ms) {
      if (isStopped) return;
      clearInterval(outsideTimer);
      outsideTimer = setInterval(measureOutside, ms ?? underlayIntervalMs);
    },
    take() {
      const link = current();
      const udpLossRatio = datagrams.takeRatio();
      return {
        controlRttMs: link?.control.roundTrips.takeMedianMs() ?? null,
        dataRttMs: link ? dataRoundTrips.takeMedianMs() : null,
        queueMs: link ? queueing.takeMedianMs() : null,
        handshakeMs: link?.control.handshakeMs() ?? null,
        underlayRttMs: link ? outside.takeMedianMs() : null,
        udpLossRatio: link ? udpLossRatio : null,
      };
    },
    stop() {
      isStopped = true;
      clearInterval(dataTimer);
      clearInterval(outsideTimer);
      datagrams.stop();
    },
  };
};
