/**
 * What the tunnel costs beside Debian's own TLS tunnels, in one run on one machine:
 * `npm run bench:tunnel -- [--json FILE] [--rounds 3] [--megabytes 500]`
 *
 * Agent and edge are processes of their own; so are the peers and the source. CPU is user + system
 * of the two tunnel processes. Rounds are interleaved, the median counts. Every byte of every timed
 * transfer is compared; one transfer a way is hashed as well.
 */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { entryOf } from '#test/support/edge-lab.ts';
import { benchBlock, createBlockCheck } from './tunnel-block.ts';
import {
  cpuSeconds,
  type Materials,
  openDirect,
  openThroughProxy,
  startHaproxy,
  startRole,
  startStunnel,
  type Way,
} from './tunnel-peers.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '500' },
  },
});
const rounds = Number(values.rounds);
const totalBytes = Number(values.megabytes) * 1_000_000;
const block = benchBlock();

type Measured = {
  singleMBps: number;
  singleCpuPerGb: number;
  fiftyMBps: number;
  fiftyCpuPerGb: number;
  requestUs: number;
  openMs: number;
  openCpuUs: number;
};

const download = async (way: Way, byteCount: number, hash?: ReturnType<typeof createHash>) => {
  const socket = await way.open();
  const check = createBlockCheck(block);
  socket.on('data', (chunk: Buffer) => {
    check.add(chunk);
    hash?.update(chunk);
  });
  socket.write(`G${byteCount}\n`);
  await once(socket, 'end');
  socket.destroy();
  if (!check.isRight(byteCount)) throw new Error(`${way.name} changed the content`);
};

const measureTransfer = async (way: Way, streams: number) => {
  const cpu = cpuSeconds(way.pids);
  const startedMs = performance.now();
  const each = Math.floor(totalBytes / streams);
  await Promise.all(Array.from({ length: streams }, () => download(way, each)));
  const seconds = (performance.now() - startedMs) / 1_000;
  const bytes = each * streams;
  return {
    mbps: bytes / 1e6 / seconds,
    cpuPerGb: (cpuSeconds(way.pids) - cpu) / (bytes / 1e9),
  };
};

const measureRequests = async (way: Way): Promise<number> => {
  const socket = await way.open();
  const message = Buffer.alloc(1_024, 'x');
  const times: number[] = [];
  let receivedBytes = 0;
  let answered = () => {};
  socket.on('data', (chunk) => {
    receivedBytes += chunk.length;
    if (receivedBytes >= message.length) answered();
  });
  for (let i = 0; i < 2_200; i++) {
    receivedBytes = 0;
    const startedMs = performance.now();
    await new Promise<void>((resolve) => {
      answered = resolve;
      socket.write(message);
    });
    if (i >= 200) times.push(performance.now() - startedMs);
  }
  socket.destroy();
  return median(times) * 1_000;
};

const measureOpens = async (way: Way) => {
  const count = 150;
  const times: number[] = [];
  const cpu = cpuSeconds(way.pids);
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now();
    const socket = await way.open();
    socket.write('x');
    await once(socket, 'data');
    times.push(performance.now() - startedMs);
    socket.end();
    await once(socket.resume(), 'close');
  }
  return { ms: median(times), cpuUs: ((cpuSeconds(way.pids) - cpu) / count) * 1e6 };
};

const measure = async (way: Way): Promise<Measured> => {
  const single = await measureTransfer(way, 1);
  const fifty = await measureTransfer(way, 50);
  const requestUs = await measureRequests(way);
  const opens = await measureOpens(way);
  return {
    singleMBps: single.mbps,
    singleCpuPerGb: single.cpuPerGb,
    fiftyMBps: fifty.mbps,
    fiftyCpuPerGb: fifty.cpuPerGb,
    requestUs,
    openMs: opens.ms,
    openCpuUs: opens.cpuUs,
  };
};

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

const medians = (all: readonly Measured[]): Measured => {
  const pick = (key: keyof Measured) => median(all.map((one) => one[key]));
  return {
    singleMBps: pick('singleMBps'),
    singleCpuPerGb: pick('singleCpuPerGb'),
    fiftyMBps: pick('fiftyMBps'),
    fiftyCpuPerGb: pick('fiftyCpuPerGb'),
    requestUs: pick('requestUs'),
    openMs: pick('openMs'),
    openCpuUs: pick('openCpuUs'),
  };
};

const makeMaterials = async (sourcePort: number, folder: string): Promise<Materials> => {
  const authority = await createTestAuthority();
  const notAfter = Date.now() + 86_400_000;
  const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
  return {
    folder,
    sourcePort,
    caCertificatePem: authority.certificatePem,
    edge: await issueWithKey(authority, {
      commonName: 'bench',
      notAfter,
      dnsNames: [edgeServerName('bench')],
      usages: ['server', 'client'],
    }),
    device: await issueWithKey(authority, {
      commonName: deviceId,
      notAfter,
      uris: [identityUri('device', deviceId)],
      usages: ['client'],
    }),
  };
};

const startOurs = async (children: ChildProcess[], materials: Materials): Promise<Way> => {
  const { caCertificatePem } = materials;
  const edge = await startRole(children, 'edge', { ...materials.edge, caCertificatePem });
  const agent = await startRole(children, 'agent', {
    entry: entryOf('bench', edge.port),
    identity: { ...materials.device, caCertificatePem },
  });
  return {
    name: 'whyslow',
    pids: [edge.pid, agent.pid],
    open: () => openThroughProxy(agent.port, materials.sourcePort),
  };
};

type Row = {
  name: string;
  unit: string;
  ours: number;
  peer: number;
  ratio: number;
  target: string;
  met: boolean;
};

/** Targets are ratios to the peer, from the design's anchors; each says which way is good. */
const compare = (ours: Measured, peer: Measured, peerName: string, direct: Measured): Row[] => {
  const row = (name: string, unit: string, a: number, b: number, target: string): Row => {
    const ratio = a / b;
    const limit = Number(target.slice(2));
    const met = target.startsWith('<=') ? ratio <= limit : ratio >= limit;
    return { name: `${name} / ${peerName}`, unit, ours: a, peer: b, ratio, target, met };
  };
  const isStunnel = peerName === 'stunnel4';
  return [
    row(
      'CPU, one stream',
      's/GB',
      ours.singleCpuPerGb,
      peer.singleCpuPerGb,
      isStunnel ? '<=1.5' : '<=1.75',
    ),
    row(
      'CPU, 50 streams',
      's/GB',
      ours.fiftyCpuPerGb,
      peer.fiftyCpuPerGb,
      isStunnel ? '<=1.3' : '<=1.6',
    ),
    row('throughput, one stream', 'MB/s', ours.singleMBps, peer.singleMBps, '>=0.75'),
    row('throughput, 50 streams', 'MB/s', ours.fiftyMBps, peer.fiftyMBps, '>=0.75'),
    row(
      'latency added to 1 KiB request, p50',
      'µs',
      ours.requestUs - direct.requestUs,
      peer.requestUs - direct.requestUs,
      '<=1.5',
    ),
    row('new connection with its first byte, p50', 'ms', ours.openMs, peer.openMs, '<=1'),
    row('CPU per new connection', 'µs', ours.openCpuUs, peer.openCpuUs, '<=0.5'),
  ];
};

const main = async (): Promise<void> => {
  const children: ChildProcess[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  try {
    const source = await startRole(children, 'source', {});
    const materials = await makeMaterials(source.port, folder);
    const ours = await startOurs(children, materials);
    const peers = [
      await startStunnel(children, materials),
      await startHaproxy(children, materials),
    ].filter((way) => way !== undefined);
    const direct: Way = { name: 'direct', pids: [], open: () => openDirect(source.port) };
    const ways = [ours, ...peers, direct];

    const hashes = new Set<string>();
    for (const way of ways) {
      const hash = createHash('sha256');
      await download(way, 20_000_000, hash);
      hashes.add(hash.digest('hex'));
    }
    if (hashes.size !== 1) throw new Error('the ways do not bring the same content');

    const results = new Map<string, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) {
        results.set(way.name, [...(results.get(way.name) ?? []), await measure(way)]);
      }
    }
    const result = (name: string) => medians(results.get(name) ?? []);
    const rows = peers.flatMap(({ name }) =>
      compare(result('whyslow'), result(name), name, result('direct')),
    );
    print(rows);
    if (peers.length === 0) console.log('No peer: install stunnel4 or haproxy to compare.');
    console.log(`content sha256 of every way: ${[...hashes][0]}`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
};

const print = (rows: readonly Row[]): void => {
  console.log('| measure / peer | ours | peer | unit | ratio | target | met |');
  console.log('|---|---|---|---|---|---|---|');
  for (const { name, ours, peer, unit, ratio, target, met } of rows) {
    const cells = [
      name,
      digits(ours),
      digits(peer),
      unit,
      ratio.toFixed(2),
      target,
      met ? 'yes' : 'no',
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
};

const digits = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

await main();
process.exit(0);
