import { createHttpProber } from '#probes/http/http.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { type Row, rounded } from '../rows.ts';
import type { Exporter } from './exporter.ts';
import { page, type Servers, searchedText } from './servers.ts';

const schemes = ['http', 'https', 'http2'] as const;
type Scheme = (typeof schemes)[number];

/** Of blackbox_exporter's CPU time. */
const targetRatio = { http: 0.5, https: 1.3, http2: 1.3 } as const satisfies Record<Scheme, number>;
/** Probes a second of one core's time, each on a connection of its own. */
const targetRate = { http: 2_500, https: 400, http2: 400 } as const satisfies Record<
  Scheme,
  number
>;
/** A program that runs for days has compiled its code, which takes V8 some 2,000 runs; Go's is. */
const warmUpRuns = { ours: 3_000, peer: 500 } as const;
/** Agents have as many timed probes in flight. */
const lanes = 4;

export const rates = async (servers: Servers, runs: number): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const scheme of schemes) {
    const rate = 1_000_000 / (await cpuUsOfOurs(servers[scheme], servers.caPem, runs, lanes));
    rows.push({
      name: `${scheme} probes on fresh connections, ${lanes} at a time`,
      unit: '/s a core',
      ours: Math.round(rate),
      peer: null,
      ratio: null,
      target: `≥ ${targetRate[scheme]}`,
      met: rate >= targetRate[scheme],
    });
  }
  return rows;
};

export const costBesideExporter = async (
  servers: Servers,
  exporter: Exporter | undefined,
  runs: number,
): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const scheme of schemes) {
    const ours = await cpuUsOfOurs(servers[scheme], servers.caPem, runs, 1);
    const peer = exporter ? await cpuUsOfPeer(exporter, servers[scheme], runs) : null;
    const ratio = peer === null ? null : ours / peer;
    rows.push({
      name: `${scheme} probe, CPU time beside blackbox_exporter`,
      unit: 'µs/probe',
      ours: Math.round(ours),
      peer: peer === null ? null : Math.round(peer),
      ratio: ratio === null ? null : rounded(ratio),
      target: `ratio ≤ ${targetRatio[scheme]}`,
      met: ratio === null ? null : ratio <= targetRatio[scheme],
    });
  }
  return rows;
};

const cpuUsOfOurs = async (
  url: string,
  caPem: string,
  runs: number,
  atOnce: number,
): Promise<number> => {
  const prober = createHttpProber();
  const context = probeContext({ extraCa: [caPem] });
  const probe = httpProbe(url, { expectBody: searchedText });
  const once = async () => {
    const { availability, body } = await prober.run(probe, context);
    if (availability !== 1 || body.exchanges[0]?.bodyBytes !== page.length) {
      throw new Error(`our probe of ${url} failed`);
    }
  };
  const many = async (count: number) => {
    let left = count;
    const lane = async () => {
      while (left-- > 0) await once();
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
  };
  await many(warmUpRuns.ours);
  const before = process.cpuUsage();
  await many(runs);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / runs;
};

const cpuUsOfPeer = async (exporter: Exporter, url: string, runs: number): Promise<number> => {
  for (let i = 0; i < warmUpRuns.peer; i += 1) await exporter.probe(url);
  const before = exporter.cpuUs();
  for (let i = 0; i < runs; i += 1) await exporter.probe(url);
  return (exporter.cpuUs() - before) / runs;
};
