import { createFold } from '#collector/diagnose/fold.ts';
import { toPoints } from '#collector/store/points.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import { namesOf } from './header.ts';
import type { NumberedLines } from './numbered.ts';
import { type BadLine, readLine, refuse } from './read-line.ts';

/**
 * The verdicts of each run of a recording: one per HTTP or page-load result in the order of the
 * lines, each from its own device's evidence only. Without `onBadLine` the first bad line ends it
 * with a UsageError that names line and field.
 */
export async function* replayRuns(
  batches: AsyncIterable<NumberedLines>,
  onBadLine: (bad: BadLine) => void = refuse,
): AsyncGenerator<Verdict> {
  let fold = createFold(namesOf(undefined));
  for await (const { texts, lineOf } of batches) {
    for (const [at, text] of texts.entries()) {
      if (text === '' || text.trim() === '') continue;
      const line = lineOf(at);
      const read = readLine(text, line);
      if (!read.ok) onBadLine({ line, mistakes: read.mistakes });
      else if (read.value.kind === 'header') fold = createFold(namesOf(read.value));
      else {
        const verdict = fold.add(toPoints(read.value, timeOf(read.value)));
        if (verdict !== undefined) yield verdict;
      }
    }
  }
}

/** A recording does not know when the collector received it; the record's own time stands in. */
const timeOf = (record: TelemetryRecord): number =>
  record.kind === 'result' ? record.startedAt : record.at;
