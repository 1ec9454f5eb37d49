import { fileURLToPath } from 'node:url';
import type { Outcome } from '#probes/probe.ts';
import type { ChainLab } from '#test/probes/path/chain-lab.ts';
import { pathProbe } from '#test/probes/path/path-probe.ts';
import { percentile, type Row, rounded } from '../rows.ts';

/** Round trips by TTL, from pairs of request and answer with the same id and sequence number. */
const wireRoundTrips = (output: string): Map<number, number[]> => {
  const requests = new Map<string, { ttl: number; at: number }>();
  const roundTrips = new Map<number, number[]>();
  for (const line of output.trim().split('\n')) {
    // An error quotes the request: its own type comes first, the quoted one second.
    const [time = '', types = '', ttls = '', ids = '', sequences = ''] = line.split('\t');
    const [type] = types.split(',');
    const key = `${ids.split(',').at(-1)} ${sequences.split(',').at(-1)}`;
    const at = Number(time) * 1_000;
    if (type === '8') {
      requests.set(key, { ttl: Number(ttls.split(',')[0]), at });
    } else {
      const request = requests.get(key);
      if (request === undefined) continue;
      const known = roundTrips.get(request.ttl) ?? [];
      roundTrips.set(request.ttl, [...known, at - request.at]);
    }
  }
  return roundTrips;
};

const runs = 20;

/** Minimum and median of each hop beside the packets on the wire (tshark, kernel timestamps). */
export const compareWithWire = async (chain: ChainLab): Promise<Row[]> => {
  const capture = chain.lab.spawn('h', 'tshark', [
    ...['-l', '-n', '-i', 'to-r1', '-f', 'icmp'],
    ...['-T', 'fields', '-e', 'frame.time_epoch', '-e', 'icmp.type', '-e', 'ip.ttl'],
    ...['-e', 'icmp.ident', '-e', 'icmp.seq'],
  ]);
  let captured = '';
  capture.stdout?.on('data', (chunk: Buffer) => {
    captured += chunk.toString();
  });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const differencesMs: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    captured = '';
    const outcome = await runOnce(chain);
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (outcome) differencesMs.push(...differences(outcome, wireRoundTrips(captured)));
  }
  capture.kill();
  const p95 = percentile(differencesMs, 0.95);
  return [
    {
      name: `path RTT beside the wire, ${differencesMs.length} figures, p95 (p50 ${rounded(percentile(differencesMs, 0.5))})`,
      unit: 'ms',
      ours: rounded(p95),
      peer: null,
      ratio: null,
      target: '≤ 0.1',
      met: p95 <= 0.1,
    },
  ];
};

const runner = fileURLToPath(new URL('../../probes/path/run-paths.ts', import.meta.url));

const runOnce = async (chain: ChainLab): Promise<Outcome<'path'> | undefined> => {
  const order = JSON.stringify({ probes: [pathProbe(chain.target4)] });
  const text = await chain.run('h', process.execPath, '--import', 'tsx', runner, order);
  return (JSON.parse(text) as { outcomes: Outcome<'path'>[][] }).outcomes.flat()[0];
};

const differences = ({ body }: Outcome<'path'>, wire: Map<number, number[]>): number[] =>
  body.hops.flatMap(({ ttl, receivedCount, rttMinMs, rttMedianMs }) => {
    const onWire = [...(wire.get(ttl) ?? [])].sort((a, b) => a - b);
    if (onWire.length !== receivedCount || rttMinMs === null || rttMedianMs === null) return [];
    const middle = onWire[Math.floor(onWire.length / 2)] ?? Number.NaN;
    return [Math.abs(rttMedianMs - middle), Math.abs(rttMinMs - (onWire[0] ?? Number.NaN))];
  });
