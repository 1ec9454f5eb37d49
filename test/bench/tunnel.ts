/**
 * What the tunnel costs and how it holds, beside what Debian has, in one run on one machine:
 * `npm run bench:tunnel -- [--only loopback,streams,access,drain,pac,link,ip,udp,capture,failover] [--rounds 3] [--megabytes 500] [--json FILE]`
 *
 * Everything measured is a process of its own. CPU is user + system of the tunnel's processes. Rounds
 * are interleaved, the median counts, and what was transferred is hashed. `link`, `ip`, `udp`,
 * `capture` and `failover` make network namespaces and need root.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Row } from './rows.ts';
import { measureAccess } from './tunnel/access.ts';
import { measureCapture } from './tunnel/capture.ts';
import { measureDrain } from './tunnel/drain.ts';
import { measureFailover } from './tunnel/failover.ts';
import { measureIp } from './tunnel/ip.ts';
import { type Link, makeLink } from './tunnel/link.ts';
import { measureOnLoopback } from './tunnel/loopback.ts';
import { type Materials, makeMaterials } from './tunnel/materials.ts';
import { measureOnLink } from './tunnel/on-link.ts';
import { type Origin, startOrigin } from './tunnel/origin.ts';
import { measurePac } from './tunnel/pac.ts';
import { freePort } from './tunnel/peers/ports.ts';
import { createProcesses, type Processes } from './tunnel/processes.ts';
import { printRows } from './tunnel/rows.ts';
import { measureStreams } from './tunnel/streams.ts';
import { measureUdp } from './tunnel/udp.ts';

type Place = {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  rounds: number;
  log: (line: string) => void;
};

/** By name, as `--only` takes them; each with processes of its own. */
const onLoopback = {
  loopback: measureOnLoopback,
  streams: measureStreams,
  access: measureAccess,
  drain: measureDrain,
  pac: measurePac,
};
const onCable = {
  link: measureOnLink,
  ip: measureIp,
  udp: measureUdp,
  capture: measureCapture,
  failover: (place: Place & { link: Link }) =>
    measureFailover({ ...place, originPort: place.origin.port }),
};
const sections = [...Object.keys(onLoopback), ...Object.keys(onCable)];

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: sections.join(',') },
    json: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '500' },
  },
});
const only = values.only.split(',');
const unknown = only.find((name) => !sections.includes(name));
if (unknown !== undefined) {
  console.error(`--only knows ${sections.join(', ')}; not ${unknown}`);
  process.exit(2);
}
const megabytes = Number(values.megabytes);
const rounds = Number(values.rounds);
const log = (line: string) => void process.stderr.write(`${line}\n`);
const folder = mkdtempSync('/dev/shm/whyslow-bench-');
chmodSync(folder, 0o755);

const within = async (
  measure: (place: Place & { link: Link | undefined }) => Promise<Row[]>,
  link: Link | undefined,
): Promise<Row[]> => {
  const processes = createProcesses();
  try {
    const materials = await makeMaterials(folder);
    const origin = await startOrigin({
      processes,
      folder,
      port: await freePort(),
      megabytes,
      ...(link ? { namespace: link.far, listen: '0.0.0.0' } : {}),
    });
    return await measure({ processes, materials, origin, rounds, log, link });
  } finally {
    await processes.stop();
  }
};

const main = async (): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(onLoopback)) {
    if (only.includes(name)) rows.push(...(await within(measure, undefined)));
  }
  for (const [name, measure] of Object.entries(onCable)) {
    if (!only.includes(name)) continue;
    if (process.getuid?.() !== 0) {
      log(`${name}: left out, it makes network namespaces and so needs root`);
      continue;
    }
    const link = makeLink(`wsb${process.pid}`);
    try {
      rows.push(...(await within((place) => measure({ ...place, link }), link)));
    } finally {
      link.remove();
    }
  }
  return rows;
};

try {
  const rows = await main();
  printRows(rows);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
