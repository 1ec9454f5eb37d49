import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { runFleet, type Summary } from '#test/load/fleet.ts';
import { makeKits } from '#test/load/forms.ts';
import { enrollDevices } from '#test/load/identities.ts';
import { type Options, readOptions, usage } from '#test/load/options.ts';
import type { Tally } from '#test/load/tally.ts';

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(usage);
  const say = (text: string) => console.error(text);
  const devices = await enrollDevices({
    collectorUrl: options.collectorUrl,
    token: () => tokenOf(options),
    count: options.devices,
    file: options.identities,
    onProgress: (count) => say(`${count} of ${options.devices} devices enrolled`),
  });
  const kits = makeKits(options.seed);
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort());
  process.once('SIGTERM', () => stopping.abort());
  say(`${devices.length} devices enrolled; sending for ${options.forMs / 60_000} minutes`);
  const summary = await runFleet({
    ...options,
    devices,
    kits,
    run: randomBytes(4).toString('hex'),
    signal: stopping.signal,
    onProgress: createProgress(say),
  });
  tell(summary, options);
  // Connections that hang must not keep us.
  process.exit(summary.owedResults === 0 ? 0 : 1);
};

const tokenOf = ({ token }: Options): string => {
  if (token !== undefined) return token;
  throw new Error(
    '--token is missing: make one by POST /v1/enrollment-tokens (or `whyslow token`)',
  );
};

const createProgress = (say: (text: string) => void) => {
  let before = { at: Date.now(), results: 0 };
  return ({ counts, latencyMs }: Tally) => {
    const now = { at: Date.now(), results: counts.acknowledgedResults };
    const rate = (1_000 * (now.results - before.results)) / (now.at - before.at);
    before = now;
    say(
      `${now.results} results acknowledged, ${Math.round(rate)}/s, p95 ${latencyMs().p95} ms, ` +
        `${counts.unavailable} times 503, ${counts.brokenConnections} connections broken`,
    );
  };
};

const tell = (summary: Summary, { json }: Options): void => {
  const text = `${JSON.stringify(summary)}\n`;
  if (json === '-') return void process.stdout.write(text);
  if (json !== undefined) writeFileSync(json, text);
  const { acknowledgedOf: _each, acknowledgeMs, ...rest } = summary;
  for (const [name, value] of Object.entries(rest)) {
    console.log(
      `${name.padEnd(26)} ${typeof value === 'number' ? Number(value.toFixed(1)) : value}`,
    );
  }
  const { p50, p95, p99 } = acknowledgeMs;
  console.log(`${'acknowledged within'.padEnd(26)} p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`);
};

try {
  await main();
} catch (error) {
  console.error(`simulate: ${(error as Error).message}`);
  process.exitCode = 2;
}
