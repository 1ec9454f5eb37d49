import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import type { Facts, Reading } from '#collector/diagnose/fleet/reading.ts';
import { readBin } from '#collector/fleet/read-bin.ts';
import { openStore } from '#collector/store/open.ts';
import type { Verdict } from '#contract/verdict.ts';
import { byBadness, compare, worstOutcome } from './compare.ts';
import type { Expectation, ScenarioRow, Seen } from './scenario.ts';
import { confusionMatrix, scenarioTable, summaryOf } from './table.ts';

const help = `npx tsx test/lab/scenarios/replay.ts --recording DIR --json FILE [--bin SECONDS]

Drives the fleet's engine alone over what a sweep stored (npm run scenarios -- --recording DIR
--json FILE) and holds its verdicts against what was really wrong. Nothing of the lab runs.
`;

const { values } = parseArgs({
  options: {
    recording: { type: 'string' },
    json: { type: 'string' },
    bin: { type: 'string', default: '5' },
    only: { type: 'string' },
    sentences: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

type Sweep = { rows: ScenarioRow[] };

/** What every set of programs stored, oldest first, with what the engine said of it. */
const replayAll = async (folder: string, binMs: number, facts: Facts): Promise<Verdict[]> => {
  const verdicts: Verdict[] = [];
  for (const name of readdirSync(folder).sort()) {
    const store = await openStore({ engine: 'duckdb', file: join(folder, name, 'series.duckdb') });
    try {
      const readings = await readAll(store);
      const engine = createEngine({ binMs, facts });
      for (const reading of readings) {
        for (const outcome of engine.advanceTo(reading.timeMs - binMs)) {
          verdicts.push(...outcome.verdicts);
        }
        engine.observe(reading);
      }
      const lastMs = readings.at(-1)?.timeMs ?? 0;
      for (const outcome of engine.advanceTo(lastMs + binMs)) verdicts.push(...outcome.verdicts);
    } finally {
      await store.stop();
    }
  }
  return verdicts;
};

const readAll = async (store: Awaited<ReturnType<typeof openStore>>): Promise<Reading[]> => {
  const all: Reading[] = [];
  const range = { fromMs: 0, toMs: Date.now() + 86_400_000 };
  for await (const some of readBin(store, range, { deviceIds: null, edgeIds: null })) {
    all.push(...some);
  }
  return all.sort((a, b) => a.timeMs - b.timeMs);
};

const deviceNamesOf = (rows: readonly ScenarioRow[]): Map<string, string> =>
  new Map(
    rows
      .flatMap(({ pairs }) => pairs)
      .flatMap(({ device, verdict }) => (verdict === null ? [] : [[verdict.deviceId, device]])),
  );

/** A row as the engine alone would have had it. */
const judgeRow = (
  row: ScenarioRow,
  verdicts: readonly Verdict[],
  names: ReadonlyMap<string, string>,
  binMs: number,
): ScenarioRow => {
  const endMs = row.startedAt + row.durationSeconds * 1_000;
  const seenOf = ({ device, application }: Expectation): Seen[] =>
    verdicts
      .filter(
        ({ deviceId, appId, at }) =>
          names.get(deviceId) === device &&
          appId === application &&
          at - binMs > row.startedAt &&
          at <= endMs,
      )
      .map((verdict) => ({ seconds: (verdict.at - row.startedAt) / 1_000, verdict }));
  const pairs = row.pairs
    .map(({ expectation }) => compare(expectation, seenOf(expectation), () => []))
    .sort(byBadness);
  const seconds = pairs.flatMap(({ secondsToRight }) => secondsToRight ?? []);
  return {
    ...row,
    pairs,
    outcome: worstOutcome(pairs),
    secondsToFirst: seconds.length === 0 ? null : Math.min(...seconds),
    secondsToAll: null,
    bystandersBlamed: pairs.filter(({ outcome }) => outcome === 'false alarm'),
  };
};

const main = async (): Promise<void> => {
  if (values.help || values.recording === undefined || values.json === undefined) {
    process.stdout.write(help);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const sweep = JSON.parse(readFileSync(values.json, 'utf8')) as Sweep;
  const names = deviceNamesOf(sweep.rows);
  const facts: Facts = {
    devices: Object.fromEntries([...names].map(([id, name]) => [id, { name }])),
    edges: {},
    applications: {},
  };
  const binMs = Number(values.bin) * 1_000;
  const verdicts = await replayAll(values.recording, binMs, facts);
  const rows = sweep.rows
    .filter(
      ({ scenario }) => values.only === undefined || values.only.split(',').includes(scenario),
    )
    .map((row) => judgeRow(row, verdicts, names, binMs));
  process.stdout.write(`${scenarioTable(rows)}\n\n${confusionMatrix(rows)}\n`);
  if (values.sentences) {
    for (const row of rows) {
      for (const { device, application, outcome, verdict } of row.pairs) {
        if (outcome === 'right' && verdict === null) continue;
        const said = verdict === null ? 'nothing said' : `${verdict.state}: ${verdict.sentence}`;
        process.stdout.write(`${row.scenario} ${device}/${application} ${outcome}: ${said}\n`);
      }
    }
  }
  process.stdout.write(`\n${JSON.stringify(summaryOf(rows))}\n`);
};

await main();
