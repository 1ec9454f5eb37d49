import { fileURLToPath } from 'node:url';
import type { Outcome } from '#probes/probe.ts';
import { raiseChain } from '#test/probes/path/chain-lab.ts';
import { pathProbe } from '#test/probes/path/path-probe.ts';

/**
 * Compares what path says with the packets on the wire (tshark, kernel time stamps), in a chain of
 * four routers made for it: `sudo node --import tsx test/bench/path-accuracy.ts`.
 */
const chain = await raiseChain(4);
const runner = fileURLToPath(new URL('../probes/path/run-paths.ts', import.meta.url));

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

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

try {
  const capture = chain.lab.spawn('h', 'tshark', [
    ...['-l', '-n', '-i', 'to-r1', '-f', 'icmp'],
    ...['-T', 'fields', '-e', 'frame.time_epoch', '-e', 'icmp.type', '-e', 'ip.ttl'],
    ...['-e', 'icmp.ident', '-e', 'icmp.seq'],
  ]);
  let captured = '';
  capture.stdout?.on('data', (chunk: Buffer) => {
    captured += chunk.toString();
  });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const differencesMs: number[] = [];
  const durationsMs: number[] = [];
  for (let run = 0; run < 10; run += 1) {
    captured = '';
    const stdout = await chain.run(
      'h',
      process.execPath,
      '--import',
      'tsx',
      runner,
      JSON.stringify({ probes: [pathProbe(chain.target4)], rounds: 1 }),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [outcome] = (JSON.parse(stdout) as { outcomes: Outcome<'path'>[][] }).outcomes.flat();
    const wire = wireRoundTrips(captured);
    durationsMs.push(outcome?.durationMs ?? Number.NaN);
    for (const hop of outcome?.body.hops ?? []) {
      const onWire = (wire.get(hop.ttl) ?? []).sort((a, b) => a - b);
      if (onWire.length !== hop.receivedCount) continue;
      differencesMs.push(
        (hop.rttMedianMs ?? Number.NaN) - (onWire[Math.floor(onWire.length / 2)] ?? 0),
      );
      differencesMs.push((hop.rttMinMs ?? Number.NaN) - (onWire[0] ?? 0));
    }
  }
  capture.kill();
  differencesMs.sort((a, b) => a - b);
  durationsMs.sort((a, b) => a - b);
  console.log({
    figures: differencesMs.length,
    differenceP50Ms: percentile(differencesMs, 0.5),
    differenceP95Ms: percentile(differencesMs, 0.95),
    differenceMaxMs: differencesMs.at(-1),
    durationP50Ms: percentile(durationsMs, 0.5),
  });
  const startedMs = performance.now();
  await chain.run('h', 'mtr', '-n', '-c5', '--report', chain.target4);
  console.log({ mtrFiveRoundsMs: performance.now() - startedMs });
} finally {
  await chain.lab.down();
}
