/**
 * How long it takes from a fault to its right verdict at 60-second probing, with bursts on suspicion
 * and without, every program a process of its own:
 *
 *   npx tsx test/bench/burst.ts [--interval 60] [--faults 8] [--sides with,without] [--json FILE]
 *
 * 25 minutes, at once for both sides; loopback only. Faults alternate between a server that is 400 ms
 * slower and one that resets, and begin at moments spread evenly between two runs of the probe. A
 * verdict is right when it says slow or failing as it is, names the server, and of a slow one the
 * milliseconds to within 100. Whatever else is said of a fault before, or of the applications that have
 * none, counts as wrong.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type FaultTimes, measureSide } from './burst/side.ts';
import { percentile, type Row, rounded } from './rows.ts';

const { values } = parseArgs({
  options: {
    interval: { type: 'string', default: '60' },
    faults: { type: 'string', default: '8' },
    sides: { type: 'string', default: 'with,without' },
    json: { type: 'string' },
  },
});
const intervalSeconds = Number(values.interval);
const faultCount = Number(values.faults);
/** What a user waits for: the issue's target. */
const targetSeconds = 60;

const measure = async (name: 'with' | 'without', port: number): Promise<FaultTimes[] | null> => {
  if (!values.sides.split(',').includes(name)) return null;
  const say = (text: string) => process.stdout.write(`${name} bursts: ${text}\n`);
  return measureSide({ intervalSeconds, faultCount, bursts: name === 'with', port, say });
};

const secondsOf = (
  faults: readonly FaultTimes[] | null,
  of: (fault: FaultTimes) => number,
  share: number,
): number | null => (faults === null ? null : rounded(percentile(faults.map(of), share) / 1_000));

const loadsAtStart = loadavg();
const [withBursts, without] = await Promise.all([
  measure('with', 18_920),
  measure('without', 19_120),
]);

const rowOf = (
  name: string,
  of: (fault: FaultTimes) => number,
  share: number,
  target?: number,
): Row => {
  const ours = secondsOf(withBursts, of, share) ?? Number.NaN;
  const peer = secondsOf(without, of, share);
  return {
    name: `burst: ${name}, ${share === 0.5 ? 'median' : `p${share * 100}`}`,
    unit: 's',
    ours,
    peer,
    ratio: peer === null ? null : rounded(ours / peer),
    target: target === undefined ? '' : `≤ ${target} s`,
    met: target === undefined ? null : ours <= target,
  };
};
const wrongOf = (faults: readonly FaultTimes[] | null): number | null =>
  faults?.reduce((sum, { wrong }) => sum + wrong.length, 0) ?? null;

const rows: Row[] = [
  rowOf('fault to right verdict', ({ totalMs }) => totalMs, 0.5),
  rowOf('fault to right verdict', ({ totalMs }) => totalMs, 0.95, targetSeconds),
  rowOf('fault to first odd run', ({ seenMs }) => seenMs, 0.95),
  rowOf('first odd run to right verdict', ({ totalMs, seenMs }) => totalMs - seenMs, 0.5),
  rowOf('first odd run to right verdict', ({ totalMs, seenMs }) => totalMs - seenMs, 0.95),
  {
    name: 'burst: wrong verdicts',
    unit: 'verdicts',
    ours: wrongOf(withBursts) ?? Number.NaN,
    peer: wrongOf(without),
    ratio: null,
    target: '0',
    met: wrongOf(withBursts) === 0,
  },
];
for (const { name, unit, ours, peer, target, met } of rows) {
  const beside = peer === null ? '' : `, without ${peer}`;
  const judged = met === null ? '' : ` (${target}: ${met ? 'met' : 'MISSED'})`;
  console.log(`${name.padEnd(48)} ${ours} ${unit}${beside}${judged}`);
}
const loads = (all: readonly number[]) => all.map((load) => load.toFixed(1)).join(' ');
console.log(
  `${faultCount} faults a side, a run every ${intervalSeconds} s; ${cpus().length} × ${cpus()[0]?.model}, ` +
    `Node ${process.version}, load ${loads(loadsAtStart)} at the start, ${loads(loadavg())} at the end`,
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
