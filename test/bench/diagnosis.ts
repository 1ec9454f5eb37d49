import { appendFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type SectionName, scoreAll, sectionNames } from './diagnosis/score-all.ts';
import { wrongLines } from './diagnosis/wrong.ts';

const usage = `npm run bench:diagnosis [-- OPTIONS]

Scores the engine, and simple methods beside it, on simulated fleets whose truth is known.
  --seeds 1-4,7     worlds; default 1,2 (1 to 50 may be looked at while tuning)
  --held-out        worlds 901 to 908, two days to warm up: run once, with frozen code
  --only a,b        of ${sectionNames.join(', ')}
  --devices N       of a world; default 500
  --warm-days N     before the scored day; default 1
  --scale-devices N for the measurement of time and memory; default 100000
  --scale-shards N  its edges shared out among 1, 2 or 4 processes; default 1
  --scale-minutes N its bins: 1 or 5; default 5
  --json FILE       rows { name, unit, ours, peer, ratio, target, met }
  --markdown FILE   the tables
  --wrong FILE      one JSON line for each wrong, unknown or missed ticket, false alarm and decoy of
                    the engine, with its truth, what was said, and the seed to make it again`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2' },
    'held-out': { type: 'boolean', default: false },
    only: { type: 'string' },
    devices: { type: 'string', default: '500' },
    'warm-days': { type: 'string', default: '1' },
    'scale-devices': { type: 'string', default: '100000' },
    'scale-shards': { type: 'string', default: '1' },
    'scale-minutes': { type: 'string', default: '5' },
    json: { type: 'string' },
    markdown: { type: 'string' },
    wrong: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** `1-3,7` */
const numbersOf = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [from = Number.NaN, to = from] = part.split('-').map(Number);
    if (!Number.isInteger(from) || !Number.isInteger(to)) throw new Error(`no seeds: ${part}`);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });

const sectionsOf = (text: string | undefined): ReadonlySet<SectionName> => {
  if (text === undefined) return new Set(sectionNames);
  return new Set(
    text.split(',').map((name) => {
      const known = sectionNames.find((section) => section === name);
      if (known === undefined) throw new Error(`no section ${name}: ${sectionNames.join(', ')}`);
      return known;
    }),
  );
};

/** On a terminal one line that changes, elsewhere a line for each tenth. */
const createProgress = () => {
  const begunMs = performance.now();
  const tenths = new Map<string, number>();
  return (what: string, share: number): void => {
    const seconds = ((performance.now() - begunMs) / 1_000).toFixed(0);
    const text = `${what}: ${(100 * share).toFixed(0)} %`;
    if (process.stderr.isTTY) process.stderr.write(`\r${text}, ${seconds} s   `);
    else if (tenths.get(what) !== Math.floor(10 * share))
      process.stderr.write(`${text}, ${seconds} s\n`);
    tenths.set(what, Math.floor(10 * share));
  };
};

const main = async (): Promise<void> => {
  if (values.help) {
    console.log(usage);
    return;
  }
  const isHeldOut = values['held-out'];
  const plan = {
    seeds: isHeldOut ? numbersOf('901-908') : numbersOf(values.seeds),
    devices: isHeldOut ? 500 : Number(values.devices),
    warmDays: isHeldOut ? 2 : Number(values['warm-days']),
    only: sectionsOf(values.only),
    scale: {
      devices: Number(values['scale-devices']),
      shards: Number(values['scale-shards']),
      binMs: 60_000 * Number(values['scale-minutes']),
    },
  };
  const { rows, markdown, engineSheets } = await scoreAll(plan, createProgress());
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.log(markdown.join('\n'));
  for (const { name, unit, ours, target, met } of rows)
    console.log(
      `${name.padEnd(52)} ${String(ours).padStart(10)} ${unit.padEnd(12)}${target === '' ? '' : ` ${target} ${met === null ? '' : met ? 'met' : 'MISSED'}`}`,
    );
  console.log(
    `seeds ${plan.seeds.join(' ')}, ${plan.devices} devices, ${plan.warmDays} + 1 days; ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`,
  );
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (values.markdown !== undefined) writeFileSync(values.markdown, `${markdown.join('\n')}\n`);
  if (values.wrong !== undefined) {
    writeFileSync(values.wrong, '');
    for (const sheet of engineSheets) appendFileSync(values.wrong, wrongLines(sheet).join(''));
  }
};

await main();
