import { sleep } from '#runtime/backoff.ts';
import type { Fault } from '../faults/fault.ts';
import { byBadness, compare, outcomeOf, worstOutcome } from './compare.ts';
import { startContention } from './contention.ts';
import { expectationsOf } from './expect.ts';
import type {
  Contention,
  Expectation,
  Pair,
  PairOutcome,
  Scenario,
  ScenarioRow,
  Seen,
} from './scenario.ts';
import type { Stage } from './stage.ts';
import { createWatch } from './watch.ts';

/** A fault needs two runs, one each other second; their results are judged within two seconds more. */
const observeSeconds = { blamed: 25, innocent: 15 } as const;
/** A right verdict has to stay, and bystanders need their time to be blamed. */
const steadySeconds = 4;
const leastSeconds = 8;
const lookEveryMs = 500;
/** A shipper's back-off has grown while the collector was away: it may come late, then all at once. */
const hearOutMs = 30_000;
const hearEveryMs = 200;

/**
 * Beyond this a machine is busy with something else than the lab, whose own share is known
 * (docs/lab.md): what was measured then says little.
 */
const overloadedFrom = { busyRatio: 0.95, waitingRatio: 0.7 } as const;

/** Waits for calm, sets the faults, listens to the verdicts, clears, and compares. */
export const runScenario = async (
  stage: Stage,
  scenario: Scenario,
  options: { signal?: AbortSignal },
): Promise<ScenarioRow> => {
  const faults = scenario.faults.map((name) => faultOf(stage, name));
  const expectations = expectationsOf(
    faults.map(({ truth }) => truth),
    stage.pairs,
  );
  const before = await stage.calm(Date.now());

  const startedAt = Date.now();
  const stopContention = startContention();
  const watch = createWatch({ read: stage.read, before, setAt: startedAt });
  try {
    await stage.faults.set(scenario.faults);
    await observe({ watch, expectations, scenario, startedAt, signal: options.signal });
  } finally {
    await stage.faults.clear();
  }
  const contention = stopContention();
  const clearedAt = Date.now();
  await sleep(Math.max(0, ...faults.map(({ settleMs }) => settleMs)), options.signal);
  const offline = faults.flatMap((fault) => fault.offline ?? []);
  if (offline.length > 0) {
    await hearOut({ watch, pairs: stage.pairs, clearedAt, signal: options.signal });
    const told = await stage.readPast();
    watch.hearPast(
      told.filter(({ verdict }) => verdict.at <= clearedAt),
      offline,
    );
  }

  const pairs = expectations
    .map((expectation) => compare(expectation, watch.until(clearedAt, expectation), stage.namesOf))
    .sort(byBadness);
  return {
    scenario: scenario.name,
    what: scenario.what,
    faults: scenario.faults,
    outcome: worstOutcome(pairs),
    pairs,
    ...secondsOf(pairs),
    bystandersBlamed: pairs
      .filter(({ outcome }) => outcome === 'false alarm')
      .map(({ device, application }) => ({ device, application })),
    contention,
    overloaded: isOverloaded(contention),
    ledgers: countLedgers(stage.pairs.flatMap((pair) => watch.until(clearedAt, pair))),
    firstOutcome: null,
    startedAt,
    durationSeconds: (Date.now() - startedAt) / 1_000,
  };
};

/** What a ledger may leave unexplained of its total. */
const closedShare = 0.05;

const countLedgers = (seen: readonly Seen[]): ScenarioRow['ledgers'] => {
  const ledgers = seen.flatMap(({ verdict: { ledger } }) => ledger ?? []);
  const closed = ledgers.filter(
    ({ residualMs, totalMs }) => Math.abs(residualMs) <= closedShare * totalMs,
  );
  return { count: ledgers.length, closedCount: closed.length };
};

const faultOf = (stage: Stage, name: string): Fault => {
  const fault = stage.faults.catalogue.find((each) => each.name === name);
  if (!fault) throw new Error(`there is no fault ${name}`);
  return fault;
};

/** Until every sufferer has been named rightly for some seconds, or the time is over. */
const observe = async (parts: {
  watch: ReturnType<typeof createWatch>;
  expectations: readonly Expectation[];
  scenario: Scenario;
  startedAt: number;
  signal: AbortSignal | undefined;
}): Promise<void> => {
  const { watch, expectations, scenario, startedAt, signal } = parts;
  const blamed = expectations.filter((each) => each.kind === 'blamed');
  const seconds =
    scenario.observeSeconds ??
    (blamed.length > 0 ? observeSeconds.blamed : observeSeconds.innocent);
  let rightSince: number | undefined;
  while (!signal?.aborted) {
    await watch.look();
    const passed = (Date.now() - startedAt) / 1_000;
    const allRight =
      blamed.length > 0 &&
      blamed.every((each) => {
        const last = watch.of(each).at(-1);
        return last !== undefined && outcomeOf(each, last.verdict) === 'right';
      });
    rightSince = allRight ? (rightSince ?? passed) : undefined;
    const isSteady = rightSince !== undefined && passed - rightSince >= steadySeconds;
    if (passed >= seconds || (isSteady && passed >= leastSeconds)) return;
    await sleep(lookEveryMs, signal);
  }
};

/** Who was cut off from the collector tells what it saw once it is back: until all speak of now. */
const hearOut = async (parts: {
  watch: ReturnType<typeof createWatch>;
  pairs: readonly Pair[];
  clearedAt: number;
  signal: AbortSignal | undefined;
}): Promise<void> => {
  const deadline = performance.now() + hearOutMs;
  const isBack = (pair: Pair) => (parts.watch.of(pair).at(-1)?.verdict.at ?? 0) > parts.clearedAt;
  while (!parts.pairs.every(isBack) && performance.now() < deadline && !parts.signal?.aborted) {
    await parts.watch.look();
    await sleep(hearEveryMs, parts.signal);
  }
};

const secondsOf = (
  pairs: readonly PairOutcome[],
): Pick<ScenarioRow, 'secondsToFirst' | 'secondsToAll'> => {
  const blamed = pairs.filter(({ expectation }) => expectation.kind === 'blamed');
  const seconds = blamed.flatMap(({ secondsToRight }) => secondsToRight ?? []);
  return {
    secondsToFirst: seconds.length === 0 ? null : Math.min(...seconds),
    secondsToAll:
      seconds.length === 0 || seconds.length < blamed.length ? null : Math.max(...seconds),
  };
};

const isOverloaded = ({ busyRatio, waitingRatio }: Contention): boolean =>
  busyRatio > overloadedFrom.busyRatio || (waitingRatio ?? 0) > overloadedFrom.waitingRatio;
