import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createHttpProber } from '#probes/http/http.ts';
import { setSchedulingFifo } from '#test/lab/kernel/scheduling.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { allowedMs, percentile, type Row, rounded } from '../rows.ts';
import { curlArguments, ownPhases, type Phases, phaseNames, readPhases } from './curl.ts';
import type { Servers } from './servers.ts';

const warmUpTurns = 30;

/**
 * Phases on loopback beside `curl -w`, by turns: how far apart the two of a turn are. From here on this
 * thread, curl and the servers run before all others, where the machine permits it.
 */
export const phasesBesideCurl = async (servers: Servers, turns: number): Promise<Row[]> => {
  const curl = process.getuid?.() === 0 && setSchedulingFifo(1) ? ['chrt', '-f', '1'] : [];
  const against = { servers, turns, curl: [...curl, 'curl'] };
  return [
    ...(await compare('http', servers.paused.plain, against)),
    ...(await compare('https', servers.paused.secure, against)),
  ];
};

type Against = { servers: Servers; turns: number; curl: readonly string[] };

const compare = async (
  scheme: 'http' | 'https',
  url: string,
  { servers, turns, curl: [command = '', ...words] }: Against,
): Promise<Row[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, servers.caPem);
  const prober = createHttpProber();
  const context = probeContext({ extraCa: [servers.caPem] });
  const seen: { ours: Phases; curl: Phases }[] = [];
  for (let turn = -warmUpTurns; turn < turns; turn += 1) {
    const { body } = await prober.run(httpProbe(url, { httpVersion: '1.1' }), context);
    const { stdout } = await promisify(execFile)(command, [...words, ...curlArguments(url, ca)]);
    const pair = { ours: ownPhases(body.exchanges[0]?.phases), curl: readPhases(stdout) };
    if (turn >= 0) seen.push(pair);
  }
  rmSync(folder, { recursive: true, force: true });
  // No name is looked up on loopback.
  const isMeasured = (name: string) => name !== 'dnsMs' && (name !== 'tlsMs' || scheme === 'https');
  return phaseNames.filter(isMeasured).map((name): Row => {
    const apart = seen.map(({ ours, curl }) => ours[name] - curl[name]);
    const usual = percentile(
      seen.map(({ curl }) => curl[name]),
      0.5,
    );
    const p95 = percentile(apart.map(Math.abs), 0.95);
    return {
      name: `${scheme} ${name.replace('Ms', '')}, apart from curl p95 (median ${rounded(percentile(apart, 0.5))} of ${usual.toFixed(1)})`,
      unit: 'ms',
      ours: rounded(p95),
      peer: null,
      ratio: null,
      target: `≤ ${allowedMs(usual).toFixed(2)}`,
      met: p95 <= allowedMs(usual),
    };
  });
};
