import { type BinOutcome, createEngine, type Engine } from '#collector/diagnose/fleet/engine.ts';
import type { Reading } from '#collector/diagnose/fleet/reading.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { createBinGuess } from './bin-length.ts';
import { factsOf, type ReplayHeader } from './header.ts';
import { graceOf } from './lateness.ts';
import type { NumberedLines } from './numbered.ts';
import { type BadLine, readLine, refuse } from './read-line.ts';
import { createStreamTime } from './stream-time.ts';

export type FleetReplay = {
  /** Length of a bin; undefined: the header's, else by how often probes run. */
  binMs?: number;
  onBadLine?: (bad: BadLine) => void;
};

/** What was read, for the end's summary. */
export type ReplayCounts = { readings: number; late: number; graceMs: number };

/** A reading this far ahead of all others is no silence but a clock that is wrong. */
const farthestAheadMs = 31 * 24 * 3_600_000;

/**
 * Judges a recording bin by bin with the collector's own engine. Memory does not grow with the
 * recording's length: what is kept is the engine's state.
 */
export async function* replayFleet(
  batches: AsyncIterable<NumberedLines>,
  { binMs, onBadLine = refuse }: FleetReplay,
): AsyncGenerator<BinOutcome, ReplayCounts> {
  let header: ReplayHeader | undefined;
  let streamMs = Number.POSITIVE_INFINITY;
  const time = createStreamTime();
  const feed = createFeed(() => header, binMs);
  for await (const { texts, lineOf } of batches) {
    for (const [at, text] of texts.entries()) {
      if (text === '' || text.trim() === '') continue;
      const line = lineOf(at);
      const read = readLine(text, line);
      if (!read.ok) {
        onBadLine({ line, mistakes: read.mistakes });
        continue;
      }
      if (read.value.kind === 'header') {
        header = read.value;
        continue;
      }
      const reading = readingOf(read.value);
      if (reading === undefined) continue;
      if (reading.timeMs - streamMs > farthestAheadMs) {
        onBadLine({ line, mistakes: [farAhead(read.value, reading.timeMs - streamMs)] });
        continue;
      }
      streamMs = time.after(
        'deviceId' in reading ? reading.deviceId : reading.edgeId,
        reading.timeMs,
      );
      yield* feed.add(reading, streamMs);
    }
  }
  yield* feed.end();
  return feed.counts();
}

const farAhead = (record: TelemetryRecord, gapMs: number) => ({
  pointer: record.kind === 'result' ? '/startedAt' : '/at',
  message: `${Math.round(gapMs / 86_400_000)} days after what came before it: records come in the order of their time`,
});

/** Gives readings to the engine, and closes its bins as the recording's own time goes on. */
const createFeed = (header: () => ReplayHeader | undefined, fixedBinMs: number | undefined) => {
  const guess = createBinGuess();
  const counts = { readings: 0, late: 0, graceMs: 0 };
  let held: { reading: Reading; streamMs: number }[] = [];
  let engine: Engine | undefined;
  let binMs = 0;
  let newestMs = 0;
  /** End of the oldest bin that is open, and of the newest that was closed. */
  let closesMs = Number.POSITIVE_INFINITY;
  let closedMs = Number.NEGATIVE_INFINITY;

  function* put(to: Engine, reading: Reading, streamMs: number): Generator<BinOutcome> {
    if (reading.timeMs < closedMs) counts.late += 1;
    else closesMs = Math.min(closesMs, Math.floor(reading.timeMs / binMs + 1) * binMs);
    newestMs = Math.max(newestMs, reading.timeMs);
    to.observe(reading);
    const untilMs = streamMs - counts.graceMs;
    if (untilMs < closesMs) return;
    closedMs = Math.floor(untilMs / binMs) * binMs;
    closesMs = closedMs + binMs;
    yield* to.advanceTo(closedMs);
  }
  function* begin(length: number): Generator<BinOutcome> {
    binMs = length;
    counts.graceMs = graceOf(binMs);
    engine = createEngine({ binMs, facts: factsOf(header()) });
    const first = held;
    held = [];
    for (const { reading, streamMs } of first) yield* put(engine, reading, streamMs);
  }

  return {
    *add(reading: Reading, streamMs: number): Generator<BinOutcome> {
      counts.readings += 1;
      if (engine !== undefined) {
        yield* put(engine, reading, streamMs);
        return;
      }
      held.push({ reading, streamMs });
      const length = fixedBinMs ?? seconds(header()?.binSeconds) ?? guess.look(reading);
      if (length !== undefined) yield* begin(length);
    },
    *end(): Generator<BinOutcome> {
      if (engine === undefined && held.length > 0) yield* begin(guess.end());
      yield* engine?.advanceTo(Math.floor(newestMs / binMs + 1) * binMs) ?? [];
    },
    counts: (): ReplayCounts => counts,
  };
};

const seconds = (count: number | undefined): number | undefined =>
  count === undefined ? undefined : count * 1_000;
