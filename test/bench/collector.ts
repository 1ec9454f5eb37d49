import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BenchOptions, devices, ingest, ratio, recovery } from './collector/sections.ts';
import type { Row } from './rows.ts';

/**
 * The collector under load: a real collector, its engine and a simulated fleet, a process each, and
 * what was acknowledged compared with what the store has. Simulator and engine share the machine.
 */
const usage = `npm run bench:collector -- [--only SECTION,…] [--minutes M] [--devices N] [--json FILE] [--profile FOLDER]
  sections: ingest-duckdb, ingest-influxdb, ratio, devices, recovery (default: all)
  --minutes M        of load in each section (default 1; the targets are for 30)
  --devices N        of the section devices (default 2000; the target is 20000, and enrolling takes minutes)
  --profile FOLDER   a CPU profile of each collector`;

const sections: Record<string, (options: BenchOptions) => Promise<Row[]>> = {
  'ingest-duckdb': (options) => ingest('duckdb', options),
  'ingest-influxdb': (options) => ingest('influxdb', options),
  ratio,
  devices,
  recovery,
};

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    devices: { type: 'string', default: '2000' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
});
const wanted = values.only?.split(',') ?? Object.keys(sections);
const unknown = wanted.find((name) => sections[name] === undefined);
if (values.help || unknown !== undefined) {
  console.log(unknown === undefined ? usage : `no section ${unknown}\n${usage}`);
  process.exit(values.help ? 0 : 2);
}
const options: BenchOptions = {
  minutes: Number(values.minutes),
  devices: Number(values.devices),
  nodeArguments:
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`],
};
const rows: Row[] = [];
for (const name of wanted) {
  const made = (await sections[name]?.(options)) ?? [];
  rows.push(...made);
  for (const { name: what, unit, ours, peer, ratio: share, target, met } of made) {
    const beside = peer === null ? '' : `  (peer ${peer}, ratio ${share})`;
    const judged = met === null ? '' : `  ${target}: ${met ? 'met' : 'MISSED'}`;
    console.log(`${what.padEnd(64)} ${String(ours).padStart(10)} ${unit}${beside}${judged}`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(rows.every(({ target, met }) => target !== '0' || met === true) ? 0 : 1);
