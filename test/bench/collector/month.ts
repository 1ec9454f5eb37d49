import type { Point } from '#collector/store/schema.ts';
import { makePoint, seededRandom } from '#test/collector/store/make-point.ts';

/** Thirty days of one organisation, in order of time, made as they are read. */
export type Month = {
  startMs: number;
  /** An hour after the last point. */
  endMs: number;
  /** Of the measurements that have roll-ups. */
  rolledUpCount: number;
  batches(): Generator<Point[]>;
};

const dayMs = 86_400_000;
const deviceCount = 50;
export const appIds = Array.from({ length: 10 }, (_, n) => `app-${n}`);
const edgeIds = ['edge-0', 'edge-1', 'edge-2', 'edge-3'] as const;
const segments = ['device', 'client-edge', 'edge-origin', 'tls', 'server'] as const;

export const deviceIdOf = (n: number): string =>
  `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Of a round: http by device, application and way; the rest about as often as it really is. */
const perRound = { http: deviceCount * appIds.length * 2, tunnel: deviceCount * 2 };
const ofDevices = deviceCount * (2 + 1 + 1 + 1 + 1 + segments.length);
const pointsPerRound = perRound.http + ofDevices + edgeIds.length * (1 + appIds.length);

export const createMonth = (pointCount: number): Month => {
  const roundCount = Math.max(1, Math.round(pointCount / pointsPerRound));
  const startMs = 1_760_000_400_000;
  const everyMs = (30 * dayMs) / roundCount;
  return {
    startMs,
    endMs: startMs + 30 * dayMs + 3_600_000,
    rolledUpCount: roundCount * (perRound.http + perRound.tunnel + deviceCount * 2),
    *batches() {
      const random = seededRandom(1);
      for (let round = 0; round < roundCount; round += 1) {
        yield roundAt(Math.round(startMs + round * everyMs), everyMs, round, random);
      }
    },
  };
};

type Random = () => number;

const roundAt = (atMs: number, everyMs: number, round: number, random: Random): Point[] => {
  const points: Point[] = [];
  for (let n = 0; n < deviceCount; n += 1) {
    const timeMs = atMs + Math.floor((n * everyMs) / deviceCount);
    const appOfRound = appIds[(round + n) % appIds.length] ?? '';
    for (const [i, app] of appIds.entries()) {
      points.push(
        run(n, app, 'tunnel', timeMs + i, random),
        run(n, app, 'direct', timeMs + i, random),
      );
    }
    points.push(...ofDevice(n, appOfRound, timeMs, random));
  }
  for (const edge of edgeIds) points.push(...ofEdge(edge, atMs, random));
  return points;
};

const edgeOf = (n: number): string => edgeIds[n % edgeIds.length] ?? '';

const run = (n: number, app: string, via: string, timeMs: number, random: Random) => {
  const isFailed = random() < 0.01;
  const waitMs = 40 * 20 ** random();
  const tags = {
    device: deviceIdOf(n),
    app,
    probe: `${app}-home`,
    via,
    edge: via === 'tunnel' ? edgeOf(n) : '',
  };
  return makePoint(
    'http',
    timeMs,
    { ...tags, failure_type: isFailed ? 'http.error' : '' },
    {
      result_id: `${tags.device.slice(0, 23)}-${timeMs}${via.length}`,
      ok: isFailed ? 0 : 1,
      distorted: random() < 0.01 ? 1 : 0,
      run_ms: waitMs + 60,
      received_at_ms: timeMs + 1_200,
      url: 'https://application.example/home',
      status: isFailed ? 500 : 200,
      duration_ms: waitMs + 40,
      proxy_connect_ms: via === 'tunnel' ? 15 + random() * 10 : null,
      dns_ms: via === 'direct' ? random() * 9 : null,
      connect_ms: via === 'direct' ? 8 + random() * 9 : null,
      tls_ms: 15 + random() * 5,
      wait_ms: waitMs,
      receive_ms: random() * 10,
      body_bytes: 50_000,
      edge_queue_ms: via === 'tunnel' ? random() : null,
      edge_dns_ms: via === 'tunnel' ? random() * 3 : null,
      edge_connect_ms: via === 'tunnel' ? random() * 9 : null,
    },
  );
};

const ofDevice = (n: number, app: string, timeMs: number, random: Random): Point[] => {
  const device = deviceIdOf(n);
  const edge = edgeOf(n);
  const tags = { device, app, probe: `${app}-page`, via: 'tunnel', edge };
  const ran = { ok: 1, distorted: 0, received_at_ms: timeMs + 2_000 };
  const score = Math.round(random() * 100);
  return [
    ...[0, 1].map((half) =>
      makePoint(
        'tunnel',
        timeMs + half,
        { device, edge },
        {
          up: 1,
          control_rtt_ms: 10 + random() * 20,
          data_rtt_ms: 12 + random() * 30,
          queue_ms: random() * 5,
          underlay_rtt_ms: 9 + random() * 20,
          up_bytes: 10_000,
          down_bytes: 90_000,
        },
      ),
    ),
    makePoint(
      'device',
      timeMs,
      { device },
      {
        cpu_ratio: random(),
        memory_used_ratio: random(),
        loop_delay_ms: random(),
        agent_cpu_ratio: random() / 50,
      },
    ),
    makePoint(
      'path',
      timeMs,
      { ...tags, probe: `${app}-path` },
      {
        ...ran,
        reached: 1,
        hop_count: 9,
        rtt_median_ms: 20 + random() * 30,
        loss_ratio: random() < 0.1 ? 0.1 : 0,
      },
    ),
    makePoint('page_load', timeMs, tags, {
      ...ran,
      ttfb_ms: 200 + random() * 200,
      fcp_ms: 700 + random() * 500,
      lcp_ms: 900 * 4 ** random(),
      load_ms: 1_500 + random() * 2_000,
      total_blocking_ms: random() * 90,
      cls: random() / 5,
    }),
    makePoint(
      'verdict',
      timeMs,
      { device, app },
      {
        state: score < 34 ? 'slow' : 'ok',
        segment: score < 34 ? 'server' : null,
        added_ms: score < 34 ? random() * 900 : 0,
        total_ms: 300,
        confidence: random(),
        score,
        sentence: 'app is slow on this device: the server takes 300 ms longer than usual',
      },
    ),
    ...segments.map((segment) =>
      makePoint(
        'leg',
        timeMs,
        { device, app, segment },
        { ms: random() * 200, baseline_ms: 90, added_ms: 0 },
      ),
    ),
  ];
};

const ofEdge = (edge: string, timeMs: number, random: Random): Point[] => [
  makePoint(
    'edge',
    timeMs,
    { edge },
    {
      cpu_ratio: random(),
      memory_bytes: 90_000_000,
      session_count: 25,
      stream_count: 90,
      device_count: 12,
      flow_count: 500,
      queue_ms: random(),
      dns_ms: random() * 3,
      connect_ms: random() * 20,
      loop_delay_ms: random(),
    },
  ),
  ...appIds.map((app) =>
    makePoint(
      'onward',
      timeMs,
      { edge, app },
      {
        connect_ms: 5 + random() * 9,
        dns_ms: random(),
        rtt_median_ms: 9,
        loss_ratio: 0,
      },
    ),
  ),
];
