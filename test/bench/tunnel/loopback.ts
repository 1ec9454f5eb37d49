import { existsSync } from 'node:fs';
import type { Row } from '../rows.ts';
import type { Materials } from './materials.ts';
import type { Origin } from './origin.ts';
import { startOurs } from './ours.ts';
import { haproxy } from './peers/haproxy.ts';
import { nghttpx } from './peers/nghttpx.ts';
import type { Peer } from './peers/peer.ts';
import { squid } from './peers/squid.ts';
import { ssh } from './peers/ssh.ts';
import { stunnel } from './peers/stunnel.ts';
import { cpuSeconds, type Processes } from './processes.ts';
import { alone, beside, median } from './rows.ts';
import { measureTransfer } from './transfers.ts';
import type { Way } from './way.ts';

type Measured = {
  single: { megabytesPerSecond: number; cpuSecondsPerGb: number } | null;
  fifty: { megabytesPerSecond: number; cpuSecondsPerGb: number } | null;
  requestUs: number;
  openMs: number;
  openCpuUs: number;
};

const peers: readonly Peer[] = [stunnel, haproxy, squid, nghttpx, ssh];

/** What carrying bytes, requests and connections costs, beside Debian's tunnels. */
export const measureOnLoopback = async (options: {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  rounds: number;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, materials, origin, log } = options;
  const ours = await startOurs({ processes, materials, originPort: origin.port });
  const ways: Way[] = [ours];
  for (const peer of peers) {
    const missing = peer.programs.filter((program) => !existsSync(program));
    if (missing.length > 0) {
      log(`${peer.name}: left out, ${missing.join(', ')} missing (package ${peer.package})`);
      continue;
    }
    try {
      ways.push(await peer.start({ processes, materials, originPort: origin.port }));
    } catch (error) {
      log(`${peer.name}: left out, ${(error as Error).message}`);
    }
  }
  const direct: Way = {
    name: 'direct',
    pids: [],
    farPid: 0,
    target: { host: '127.0.0.1', port: origin.port },
  };
  ways.push(direct);
  // Programs that run for weeks are not measured by their first second.
  for (const way of ways) await measureTransfer(way, origin, 1).catch(() => null);
  const results = new Map<string, Measured[]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const way of ways) {
      try {
        const measured = await measure(processes, way, origin);
        results.set(way.name, [...(results.get(way.name) ?? []), measured]);
        log(`round ${round}: ${way.name} ${describe(measured)}`);
      } catch (error) {
        if (way === ours) throw error;
        log(`round ${round}: ${way.name} failed, ${(error as Error).message.slice(0, 200)}`);
      }
    }
  }
  return rowsOf((name) => medians(results.get(name) ?? []));
};

const measure = async (processes: Processes, way: Way, origin: Origin): Promise<Measured> => {
  /** A peer that fails at one thing keeps its figures of the others; ours may not fail. */
  const orNone = <T>(work: Promise<T>): Promise<T | null> =>
    way.name === 'whyslow' ? work : work.catch(() => null);
  const single = await orNone(measureTransfer(way, origin, 1));
  const fifty = await orNone(measureTransfer(way, origin, 50));
  const client = await processes.role('client-role.ts', way);
  const ask = <T>(question: object) => orNone(client.ask<T>(question));
  const warm = await ask<{ timesUs: number[] }>({ do: 'requests', count: 3_000, pauseMs: 0 });
  await ask({ do: 'opens', count: 1_000, atOnce: 20 });
  const cpuBefore = cpuSeconds(way.pids);
  const count = 1_000;
  const opens = await ask<{ timesMs: number[] }>({ do: 'opens', count, atOnce: 20 });
  const openCpuUs = ((cpuSeconds(way.pids) - cpuBefore) / count) * 1e6;
  const one = await ask<{ timesMs: number[] }>({ do: 'opens', count: 200, atOnce: 1 });
  client.end();
  return {
    single,
    fifty,
    requestUs: median(warm?.timesUs ?? []),
    openMs: median(one?.timesMs ?? []),
    openCpuUs: opens?.timesMs.length === count ? openCpuUs : Number.NaN,
  };
};

const describe = ({ single, fifty, requestUs, openMs, openCpuUs }: Measured): string =>
  [single, fifty]
    .map((one) =>
      one === null
        ? 'failed'
        : `${one.megabytesPerSecond.toFixed(0)} MB/s ${one.cpuSecondsPerGb.toFixed(2)} s/GB`,
    )
    .concat(
      `${requestUs.toFixed(0)} µs`,
      `open ${openMs.toFixed(2)} ms ${openCpuUs.toFixed(0)} µs CPU`,
    )
    .join(', ');

type Medians = Record<
  'cpu1' | 'cpu50' | 'rate1' | 'rate50' | 'requestUs' | 'openMs' | 'openCpuUs',
  number
>;

const medians = (all: readonly Measured[]): Medians | undefined => {
  if (all.length === 0) return undefined;
  const pick = (read: (one: Measured) => number | undefined): number =>
    median(all.flatMap((one) => read(one) ?? []).filter((one) => !Number.isNaN(one)));
  return {
    cpu1: pick(({ single }) => single?.cpuSecondsPerGb),
    cpu50: pick(({ fifty }) => fifty?.cpuSecondsPerGb),
    rate1: pick(({ single }) => single?.megabytesPerSecond),
    rate50: pick(({ fifty }) => fifty?.megabytesPerSecond),
    requestUs: pick(({ requestUs }) => requestUs),
    openMs: pick(({ openMs }) => openMs),
    openCpuUs: pick(({ openCpuUs }) => openCpuUs),
  };
};

/** Measure, peer, and what the design holds us to (docs/tunnel.md). */
const targets: readonly [keyof Medians, string, string, Peer, string][] = [
  ['cpu1', 'CPU, one stream', 's/GB', stunnel, '<=1.5'],
  ['cpu50', 'CPU, 50 streams', 's/GB', stunnel, '<=1.3'],
  ['cpu1', 'CPU, one stream', 's/GB', haproxy, '<=1.75'],
  ['cpu50', 'CPU, 50 streams', 's/GB', haproxy, '<=1.6'],
  ['cpu50', 'CPU, 50 streams', 's/GB', squid, '<=1.15'],
  ['cpu1', 'CPU, one stream', 's/GB', nghttpx, '<=1.0'],
  ['rate1', 'throughput, one stream', 'MB/s', stunnel, '>=0.75'],
  ['rate50', 'throughput, 50 streams', 'MB/s', stunnel, '>=0.75'],
  ['openCpuUs', 'CPU per new connection', 'µs', stunnel, '<=0.1'],
  ['openCpuUs', 'CPU per new connection', 'µs', ssh, '<=1.3'],
];

const rowsOf = (result: (name: string) => Medians | undefined): Row[] => {
  const ours = result('whyslow');
  const direct = result('direct');
  if (ours === undefined || direct === undefined) return [];
  const rows = targets.flatMap(([key, name, unit, peer, target]) => {
    const other = result(peer.name);
    return other === undefined || Number.isNaN(other[key])
      ? []
      : [beside(`${name} / ${peer.name}`, unit, ours[key], other[key], target)];
  });
  const added = (all: Medians) => all.requestUs - direct.requestUs;
  const others = [stunnel, haproxy].flatMap((peer) => {
    const other = result(peer.name);
    return other === undefined
      ? []
      : [
          {
            ...beside(
              `added to a warm request, p50 / ${peer.name}`,
              'µs',
              added(ours),
              added(other),
              '<=80',
            ),
            met: null,
          },
        ];
  });
  return [...rows, alone('added to a warm request, p50', 'µs', added(ours), '<=80'), ...others];
};
