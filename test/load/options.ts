import { parseArgs } from 'node:util';

const defaultCollector = 'https://127.0.0.1:8443';

export const usage = `npm run simulate -- --devices N [options]

Devices in one process that speak the real contract to a collector: each enrols with a token, has its
own key and certificate, looks at its config and sends batches of results and samples over TLS.

  Which collector
    --collector URL      its device listener (default ${defaultCollector})
    --token wse1.…       enrolment token for at least N uses: POST /v1/enrollment-tokens
    --identities FILE    keep the devices' keys and certificates there, and use those of before
  How many, how much
    --devices N          default 10
    --results R          results a minute and device (default 10)
    --sample-seconds S   between two samples of a device and of its tunnel (default 60)
    --linger S           how long records gather before they are sent (default 1, as agents do)
    --config-seconds S   between two looks at the config; 0: one, at the start (default 60)
    --in-flight N        requests under way at once, of all devices (default 48)
    --minutes M          default 1
  What is wrong
    --slow RATIO         share of devices behind a slow access provider: 180 ms more a round trip
    --slow-after S       … from then on (default 0)
  Output
    --json [FILE]        the summary as JSON, to FILE or instead of the text
    --seed N             of the simulated world the records come from (default 1)

Only a collector on this machine's loopback is taken unless --collector names another. CPU of this
process is told beside what it measured: on one machine both share its processors.`;

export type Options = ReturnType<typeof readOptions>;

/** Throws with what to change. */
export const readOptions = (argv: readonly string[]) => {
  const { values } = parseArgs({
    args: jsonMayStandAlone(argv),
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      collector: { type: 'string' },
      token: { type: 'string' },
      identities: { type: 'string' },
      devices: { type: 'string', default: '10' },
      results: { type: 'string', default: '10' },
      'sample-seconds': { type: 'string', default: '60' },
      linger: { type: 'string', default: '1' },
      'config-seconds': { type: 'string', default: '60' },
      'in-flight': { type: 'string', default: '48' },
      minutes: { type: 'string', default: '1' },
      slow: { type: 'string', default: '0' },
      'slow-after': { type: 'string', default: '0' },
      json: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const number = (name: keyof typeof values, least: number, most: number): number => {
    const value = Number(values[name]);
    if (value >= least && value <= most) return value;
    throw new Error(`--${name} ${values[name]}: give a number from ${least} to ${most}`);
  };
  return {
    help: values.help,
    collectorUrl: values.collector ?? defaultCollector,
    token: values.token,
    identities: values.identities,
    devices: Math.floor(number('devices', 1, 100_000)),
    rates: {
      resultsPerMinute: number('results', 0.1, 60_000),
      sampleSeconds: number('sample-seconds', 1, 3_600),
    },
    lingerMs: 1_000 * number('linger', 0, 3_600),
    configEveryMs: 1_000 * number('config-seconds', 0, 86_400),
    inFlight: Math.floor(number('in-flight', 1, 1_000)),
    forMs: 60_000 * number('minutes', 0.01, 1_440),
    slowRatio: number('slow', 0, 1),
    slowAfterMs: 1_000 * number('slow-after', 0, 86_400),
    json: values.json,
    seed: number('seed', 0, 2 ** 31),
  };
};

/** `--json` without a file is the text's place. */
const jsonMayStandAlone = (argv: readonly string[]): string[] =>
  argv.flatMap((word, index) => {
    const next = argv[index + 1];
    return word === '--json' && (next === undefined || next.startsWith('--'))
      ? [word, '-']
      : [word];
  });
