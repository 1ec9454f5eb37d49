/**
 * Probes beside their peers, in the same run: `npm run bench -- [--only PART[,PART]] [--runs 1000]
 * [--verdicts 200] [--json FILE]`. Parts:
 *
 *   cpu    CPU time of an HTTP probe beside Debian's prometheus-blackbox-exporter; both check the body
 *   rate   HTTP probes that a core can make, each on a connection of its own
 *   phases HTTP phases on loopback beside `curl -w`
 *   scheduler how late an agent with 500 probes a minute begins them; takes two minutes
 *   page   CPU time of a page load beside Lighthouse's, which is installed from npm into a temporary
 *          folder: only when it is named
 *   wire   HTTP phases, ours and curl's, beside the packets on the wire
 *   path   all of path-rtt (beside the wire), path-many (a thousand targets), path-hops (traceroute,
 *          mtr), path-time (mtr -c3), path-branches (scamper's MDA), path-verdict (loss)
 *
 * `wire` and `path` need root, for networks of namespaces, and Debian's tshark, traceroute, mtr-tiny
 * and scamper. On a machine that does something else meanwhile, figures of time mean nothing.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { phasesBesideCurl } from './http/beside-curl.ts';
import { phasesBesideWire } from './http/beside-wire.ts';
import { costBesideExporter, rates } from './http/cost.ts';
import { startExporter } from './http/exporter.ts';
import { startServers } from './http/servers.ts';
import { costBesideLighthouse } from './page/beside-lighthouse.ts';
import { hasScamper, type PathPart, pathParts, pathRows } from './path/rows.ts';
import type { Row } from './rows.ts';
import { latenessRows } from './schedule/rows.ts';

const onLoopback = ['cpu', 'rate', 'phases', 'scheduler'] as const;
const inNamespaces = ['wire', ...pathParts] as const;
const whenNamed = ['page'] as const;
type Part = (typeof onLoopback | typeof inNamespaces | typeof whenNamed)[number];
/** A peer is started for each turn of these. */
const mostTurns = { phases: 300, wire: 100 } as const;

const readParts = (only: string | undefined): Set<Part> => {
  const all: readonly Part[] = [...onLoopback, ...inNamespaces];
  if (only === undefined) return new Set(all);
  const named = [...all, ...whenNamed];
  const wanted = only.split(',').flatMap((name) => {
    const found = name === 'path' ? pathParts : named.filter((part) => part === name);
    if (found.length === 0) throw new Error(`--only ${name}: give ${named.join(', ')} or path`);
    return found;
  });
  return new Set(wanted);
};

const loopbackRows = async (parts: Set<Part>, runs: number): Promise<Row[]> => {
  if (!onLoopback.some((part) => parts.has(part))) return [];
  const { child, servers } = await startServers();
  const exporter = parts.has('cpu') ? await startExporter(servers.caPem) : undefined;
  if (parts.has('cpu') && exporter === undefined) {
    console.log('no prometheus-blackbox-exporter found: nothing to compare with');
  }
  try {
    return [
      ...(parts.has('rate') ? await rates(servers, runs * 2) : []),
      ...(parts.has('cpu') ? await costBesideExporter(servers, exporter, runs) : []),
      ...(parts.has('scheduler') ? await latenessRows(servers) : []),
      ...(parts.has('phases')
        ? await phasesBesideCurl(servers, Math.min(mostTurns.phases, runs))
        : []),
    ];
  } finally {
    child.disconnect();
    exporter?.stop();
  }
};

const namespaceRows = async (
  parts: Set<Part>,
  counts: { runs: number; verdictRuns: number },
): Promise<Row[]> => {
  if (!inNamespaces.some((part) => parts.has(part))) return [];
  if (process.getuid?.() !== 0) {
    console.log('wire and path are left out: network namespaces need root');
    return [];
  }
  if (parts.has('path-branches') && !hasScamper()) {
    console.log('no scamper found (apt-get install scamper): branches are not compared');
  }
  const turns = Math.min(mostTurns.wire, counts.runs);
  return [
    ...(parts.has('wire') ? await phasesBesideWire(turns) : []),
    ...(await pathRows(parts as Set<PathPart>, counts.verdictRuns)),
  ];
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000' },
      verdicts: { type: 'string', default: '200' },
      only: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const parts = readParts(values.only);
  const runs = Number(values.runs);
  console.log(`load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
  const rows = [
    ...(await loopbackRows(parts, runs)),
    ...(parts.has('page') ? await costBesideLighthouse() : []),
    ...(await namespaceRows(parts, { runs, verdictRuns: Number(values.verdicts) })),
  ];
  console.table(rows);
  console.log(`load of the machine after: ${loadavg()[0]?.toFixed(2)}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
};

await main();
