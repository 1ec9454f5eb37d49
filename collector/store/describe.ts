import { measurements, series } from './schema.ts';

/** docs/store-schema.md, from the schema. `npx tsx collector/store/describe.ts` prints it. */
export const describeSchema = (): string =>
  `${[...head, ...measurements.flatMap(describe)].join('\n')}`;

const head = [
  '<!-- Made from collector/store/schema.ts by `npx tsx collector/store/describe.ts`; a test fails when it is stale. -->',
  '',
  '# What is stored',
  '',
  'Every measurement, tag, field and unit. Tags make the series and are few; everything unbounded is',
  'a field. A tag without a value is empty; a field that was not measured is null, never 0. Times are',
  'the device’s clock in whole milliseconds since 1970; `received_at_ms` is the collector’s.',
  'InfluxDB holds beside them the text field `nulls` (see [store.md](store.md)).',
  '',
];

const describe = (measurement: (typeof measurements)[number]): string[] => {
  const { tags, fields } = series[measurement];
  return [
    `## ${measurement}`,
    '',
    `Tags: ${tags.map((tag) => `\`${tag}\``).join(', ')}`,
    '',
    '| field | kind | unit |',
    '|---|---|---|',
    ...Object.entries(fields).map(
      ([name, kind]) => `| \`${name}\` | ${kind} | ${unitOf(name, kind)} |`,
    ),
    '',
  ];
};

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
