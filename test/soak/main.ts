/**
 * What a tunnel goes through in a working day, in minutes: `npm run soak -- [--minutes 10]`.
 *
 * One agent and two edges, each a process, over a cable between two namespaces (so it needs root).
 * Rounds of use – downloads with their hash checked, connections opened and closed, all of 9,000
 * streams at once – and of trouble: the device sleeps, its address changes, an edge is drained and
 * comes back, an edge is killed. After every round agent and edges are asked, garbage collected, what
 * they still hold.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { makeLink } from '#test/bench/tunnel/link.ts';
import { makeMaterials } from '#test/bench/tunnel/materials.ts';
import { startOrigin } from '#test/bench/tunnel/origin.ts';
import { createProcesses } from '#test/bench/tunnel/processes.ts';
import { describeReport, judge } from './judge.ts';
import { startSoak } from './rounds.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    streams: { type: 'string', default: '9000' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run soak -- [--minutes 10] [--streams 9000] [--json FILE]

A tunnel's working day in minutes: downloads, 9,000 streams, sleep, a change of address, edges
drained and killed. Ends with 1 when a byte is wrong, a drain breaks a stream, or memory or
descriptors grow. Needs root (network namespaces), nginx and iproute2.`);
  process.exit(0);
}
const minutes = Number(values.minutes);
const streams = Number(values.streams);
if (!(minutes > 0 && minutes <= 1_440) || !(streams >= 0 && streams <= 9_000)) {
  console.error('--minutes takes 0 to 1440, --streams 0 to 9000');
  process.exit(2);
}
if (process.getuid?.() !== 0) {
  console.error('npm run soak makes network namespaces and so needs root');
  process.exit(2);
}

const processes = createProcesses();
const folder = mkdtempSync('/dev/shm/whyslow-soak-');
const link = makeLink(`wss${process.pid}`);
const end = async () => {
  await processes.stop();
  link.remove();
  rmSync(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void end().then(() => process.exit(1)));
}
let failed = true;
try {
  const materials = await makeMaterials(folder);
  const origin = await startOrigin({
    processes,
    folder,
    port: 8_080,
    megabytes: 100,
    listen: '0.0.0.0',
    namespace: link.far,
  });
  const soak = await startSoak({ processes, materials, origin, link, streams });
  const deadlineMs = performance.now() + minutes * 60_000;
  do {
    const said = await soak.round();
    console.log(said);
  } while (performance.now() < deadlineMs || soak.report().rounds.length < 4);
  const report = soak.report();
  const findings = judge(report);
  console.log(describeReport(report, findings));
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ ...report, findings }, null, 2)}\n`);
  }
  failed = findings.length > 0;
} finally {
  await end();
}
process.exit(failed ? 1 : 0);
