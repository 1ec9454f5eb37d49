import { tableOf } from './row.ts';
import { measurements } from './schema.ts';

/** docs/store-schema.md, from the schema. `npx tsx collector/store/describe.ts` prints it. */
export const describeSchema = (): string =>
  `${[...head, ...measurements.flatMap(describe)].join('\n')}`;

const head = [
  '<!-- Made from collector/store/schema.ts by `npx tsx collector/store/describe.ts`; a test fails when it is stale. -->',
  '',
  '# What is stored',
  '',
  'Every measurement, tag, label, field and unit. A point is told apart by its tags, its labels and',
  'its time; everything unbounded is a field. Tags make the series of InfluxDB; labels are stored',
  'there as text fields (see [store.md](store.md)), and DuckDB knows no difference. A tag or label',
  'without a value is empty; a field that was not measured is null, never 0. Times are the device’s',
  'clock in whole milliseconds since 1970; `received_at_ms` is the collector’s. InfluxDB holds beside',
  'them the text field `nulls`.',
  '',
  '## Series',
  '',
  'InfluxDB has a series of a measurement for each combination of its tags: of most, one a device; of',
  'what an edge measures, edges × applications; of a roll-up of runs, the probes of the plan (one for',
  'each way) × (edges + 1, for none). A node holds 200,000 well.',
  '',
  '`whyslow plan cardinality --config examples/twenty-applications.yaml --devices 10000 --edges 10`',
  'counts 131,861: 10,000 devices with 20 applications, each measured over HTTP on both ways, as a page,',
  'by path, DNS, TCP and TLS. It compiles what devices and edges would get, and counts what they would',
  'store once everything has happened (each run on each edge and on none). An application all of whose',
  'hosts are an earlier one’s too has no points in `edge_app`, and is counted there all the same.',
  '`WHYSLOW_FLEETS=10000 npx vitest run --project fast test/collector/store/cardinality` compares the',
  'count with the lines that 10,000 random fleets write.',
  '',
];

const describe = (measurement: (typeof measurements)[number]): string[] => {
  const { tags, labels = [], fields } = tableOf(measurement);
  const isLabel = (tag: string) => labels.includes(tag);
  return [
    `## ${measurement}`,
    '',
    `Tags: ${listed(tags.filter((tag) => !isLabel(tag)))}${labels.length === 0 ? '' : `; labels: ${listed(labels)}`}`,
    '',
    '| field | kind | unit |',
    '|---|---|---|',
    ...Object.entries(fields)
      .filter(([name]) => !isBucket(name))
      .map(([name, kind]) => `| \`${name}\` | ${kind} | ${unitOf(name, kind)} |`),
    ...bucketLine(Object.keys(fields).filter(isBucket)),
    '',
  ];
};

const listed = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

const isBucket = (name: string): boolean => /^le_\d+_ms_count$/.test(name);

/** The latency buckets of a roll-up, in one line. */
const bucketLine = (names: readonly string[]): string[] =>
  names.length === 0
    ? []
    : [
        `| \`le_N_ms_count\`, N one of ${names.map((name) => name.split('_')[1]).join(', ')} | integer | count |`,
      ];

/** A name ends in its unit. */
const unitOf = (name: string, kind: string): string => {
  if (kind === 'string') return 'text';
  if (kind === 'flag') return '0 or 1';
  const unit = Object.entries(units).find(
    ([ending]) => name === ending || name.endsWith(`_${ending}`),
  );
  if (!unit) throw new Error(`the unit of ${name} is unknown: end its name in it, or add it here`);
  return unit[1];
};

const units: Record<string, string> = {
  at_ms: 'milliseconds since 1970',
  ms: 'milliseconds',
  seconds: 'seconds',
  bytes: 'bytes',
  ratio: 'ratio',
  count: 'count',
  mbps: 'megabit per second',
  dbm: 'decibel-milliwatts',
  days_left: 'days',
  status: 'HTTP status code',
  cls: 'layout shift score',
  port: 'port number',
  load1: 'runnable processes, mean over a minute',
  confidence: 'ratio',
  score: '0 to 100',
  rating: 'E-model rating R, 0 to 100',
  mos: 'mean opinion score, 1 to 4.5',
};

if (import.meta.filename === process.argv[1]) process.stdout.write(describeSchema());
