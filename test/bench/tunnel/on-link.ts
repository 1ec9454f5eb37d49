import { percentile, type Row } from '../rows.ts';
import type { Link } from './link.ts';
import type { Origin } from './origin.ts';
import { type Ours, startOurs } from './ours.ts';
import { startOpenvpn } from './peers/openvpn.ts';
import { startWireguard } from './peers/wireguard.ts';
import type { Place } from './place.ts';
import type { Processes } from './processes.ts';
import { alone, beside, median } from './rows.ts';
import { measureTransfer, type Transfer } from './transfers.ts';
import type { Way } from './way.ts';

/** Beside tunnels that carry packets: over a cable between two namespaces. */
export const measureOnLink = async (options: Place): Promise<Row[]> => {
  const { processes, materials, origin, link, log } = options;
  const ours = await startOurs({
    processes,
    materials,
    originPort: origin.port,
    link: { ...link, edgeAddress: link.farAddress },
  });
  const peers: Way[] = [];
  const start = async (name: string, begin: () => Promise<Way>) => {
    try {
      peers.push(await begin());
    } catch (error) {
      log(`${name}: left out, ${(error as Error).message.slice(0, 200)}`);
    }
  };
  await start('wireguard-go', () => startWireguard(processes, materials.folder, link, origin.port));
  await start('openvpn', () => startOpenvpn(processes, materials, link, origin.port));

  const results = new Map<string, Transfer[]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const way of [ours, ...peers]) {
      const measured = await measureTransfer(way, origin, 1);
      results.set(way.name, [...(results.get(way.name) ?? []), measured]);
      const { megabytesPerSecond, cpuSecondsPerGb } = measured;
      log(
        `round ${round}: ${way.name} ${megabytesPerSecond.toFixed(0)} MB/s ${cpuSecondsPerGb.toFixed(2)} s/GB`,
      );
    }
  }
  const middle = (name: string, key: keyof Transfer) =>
    median((results.get(name) ?? []).map((one) => one[key]));
  const rows = peers.flatMap(({ name }) => [
    beside(
      `throughput over a cable / ${name}`,
      'MB/s',
      middle('whyslow', 'megabytesPerSecond'),
      middle(name, 'megabytesPerSecond'),
      '>=3',
    ),
    beside(
      `CPU over a cable / ${name}`,
      's/GB',
      middle('whyslow', 'cpuSecondsPerGb'),
      middle(name, 'cpuSecondsPerGb'),
      '<=0.3',
    ),
  ]);
  return [...rows, ...(await measureUnderBulk({ ...options, ours }))];
};

const bulkSeconds = 8;

/** A small request beside a download on a full 100 Mbit/s line, and the control session's PING. */
const measureUnderBulk = async (options: {
  processes: Processes;
  origin: Origin;
  link: Link;
  ours: Ours;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, origin, link, ours, log } = options;
  link.limit(100);
  const client = await processes.role('client-role.ts', ours, { namespace: link.near });
  const idle = await client.ask<{ timesUs: number[] }>({ do: 'requests', count: 20, pauseMs: 20 });
  const downloader = await processes.role('client-role.ts', ours, { namespace: link.near });
  const bulk = downloader.ask<{ bytes: number }>({
    do: 'bulk',
    file: origin.files.single,
    seconds: bulkSeconds,
  });
  // Its first megabyte marks it as bulk; the pool then opens another session.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const controlRtts: number[] = [];
  const sample = async () => {
    const { controlRttMs } = await ours.agent.ask<{ controlRttMs: number | null }>({});
    if (controlRttMs !== null) controlRtts.push(controlRttMs);
  };
  await sample();
  controlRtts.length = 0;
  const busy = client.ask<{ timesUs: number[] }>({ do: 'requests', count: 100, pauseMs: 50 });
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await sample();
  }
  const { timesUs } = await busy;
  const megabytesPerSecond = (await bulk).bytes / 1e6 / bulkSeconds;
  client.end();
  downloader.end();
  link.limit(null);
  const p50Ms = median(timesUs) / 1_000;
  log(
    `100 Mbit/s: request ${(median(idle.timesUs) / 1_000).toFixed(1)} ms idle, ${p50Ms.toFixed(1)} ms (p95 ${(percentile(timesUs, 0.95) / 1_000).toFixed(1)}) beside a download of ${megabytesPerSecond.toFixed(1)} MB/s, control RTT ${controlRtts.map((ms) => ms.toFixed(1)).join(' ')} ms`,
  );
  return [
    alone('small request under bulk at 100 Mbit/s, p50', 'ms', p50Ms, '<=10'),
    alone('control RTT under bulk at 100 Mbit/s, median', 'ms', median(controlRtts), '<=8'),
    alone('bulk at 100 Mbit/s meanwhile', 'MB/s', megabytesPerSecond, '>=10'),
  ];
};
