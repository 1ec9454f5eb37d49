import type { Reading } from '#collector/diagnose/fleet/reading.ts';
import { readingOfPoint } from '#collector/diagnose/fleet/reading-of-point.ts';
import { pages, usualPageRows } from '../store/pages.ts';
import type { TagOf } from '../store/schema.ts';
import type { Store, TagFilter } from '../store/store.ts';
import type { Members } from './shards.ts';

const ofDevices = ['http', 'page_load', 'path', 'tunnel', 'device'] as const;
const ofEdges = ['edge', 'onward'] as const;
type Read = (typeof ofDevices)[number] | (typeof ofEdges)[number];

/** Devices named in one question. */
const devicesAtOnce = 400;

type Range = { fromMs: number; toMs: number };

/**
 * Everything a stretch of time holds for an engine, a bounded portion at a time: where one question
 * would give more rows than that, the time is halved.
 */
export async function* readBin(
  store: Store,
  range: Range,
  members: Members,
  maxRows = usualPageRows,
): AsyncGenerator<Reading[]> {
  for (const tags of filters('device', members.deviceIds)) {
    for (const measurement of ofDevices) {
      yield* portions(store, { measurement, tags, maxRows }, range);
    }
  }
  for (const tags of filters('edge', members.edgeIds)) {
    for (const measurement of ofEdges) {
      yield* portions(store, { measurement, tags, maxRows }, range);
    }
  }
}

const filters = (tag: 'device' | 'edge', ids: readonly string[] | null) => {
  if (ids === null) return [{}];
  const chunks: Partial<Record<typeof tag, readonly string[]>>[] = [];
  for (let from = 0; from < ids.length; from += devicesAtOnce) {
    chunks.push({ [tag]: ids.slice(from, from + devicesAtOnce) });
  }
  return chunks;
};

type Question = {
  measurement: Read;
  tags: Partial<Record<TagOf<Read>, readonly string[]>>;
  maxRows: number;
};

async function* portions(store: Store, asked: Question, range: Range): AsyncGenerator<Reading[]> {
  const { measurement, maxRows } = asked;
  const tags = asked.tags as TagFilter<Read>;
  for await (const points of pages<Read>(store, { measurement, tags, ...range }, maxRows)) {
    yield points.flatMap((point) => readingOfPoint(point) ?? []);
  }
}

/** A field that every row has (onward rows have none: they come with their edge's). */
const always = {
  http: 'received_at_ms',
  page_load: 'received_at_ms',
  path: 'received_at_ms',
  tunnel: 'up',
  device: 'loop_delay_ms',
  edge: 'loop_delay_ms',
} as const;

/** The bins of a longer stretch in which anything was measured: the others need no reading. */
export const filledBins = async (
  store: Store,
  range: Range,
  binMs: number,
): Promise<ReadonlySet<number>> => {
  const counted = await Promise.all(
    Object.entries(always).map(([measurement, field]) =>
      store.aggregate({
        measurement: measurement as 'http',
        field: field as 'received_at_ms',
        statistics: ['count'],
        everyMs: binMs,
        ...range,
      }),
    ),
  );
  return new Set(counted.flat().map(({ timeMs }) => Math.floor((timeMs ?? 0) / binMs)));
};
