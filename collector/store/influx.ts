import { deleteInSteps } from './delete-steps.ts';
import { aggregateGroups, isLabel, labelValues, mergeGroups } from './influx-groups.ts';
import {
  createInfluxHttp,
  type InfluxConfig,
  type InfluxHttp,
  type InfluxSeries,
} from './influx-http.ts';
import { createNumbering, type LabelNumbers, type NumberedRow } from './influx-labels.ts';
import { decodeTag, nullsField, numbersPerMs, toLine } from './influx-line.ts';
import { oldestInfluxql, quoteName, selectInfluxql, tagValuesInfluxql } from './influx-query.ts';
import { refuseOlderTags } from './influx-tags.ts';
import { allowedValues, checkNames, checkStatistics, selectLimit, wholeMs } from './query.ts';
import { tableOf, toPoint, toRows, type Value } from './row.ts';
import { type Measurement, measurements, type Point } from './schema.ts';
import { PointsRefused, type Store, StoreUnavailable } from './store.ts';
import { createTurns } from './turns.ts';

/** InfluxData's own advice for lines in one request. */
const linesPerRequest = 5_000;

/** The series in InfluxDB, which any number of collectors may share. */
export const openInfluxdb = async (
  config: InfluxConfig & { labelNumbers: LabelNumbers },
): Promise<Store> => {
  const http = createInfluxHttp(config);
  await http.ping();
  await ensureDatabase(http, config.database);
  await refuseOlderTags(http, config.database);
  return createStore(http, config.labelNumbers);
};

/** 1.x makes databases on request; 2.x has buckets, made and mapped by their operator. */
const ensureDatabase = async (http: InfluxHttp, database: string): Promise<void> => {
  const found = await http.query('SHOW DATABASES');
  const names = found.flatMap(({ values }) => values.map(([name]) => name));
  if (!names.includes(database)) await http.query(`CREATE DATABASE ${quoteName(database)}`);
};

const createStore = (http: InfluxHttp, labelNumbers: LabelNumbers): Store => {
  const numbered = createNumbering(labelNumbers);
  // Two in flight keep the server busy; more only queue inside it.
  const turns = createTurns(2);
  let stopped = false;
  const whenOpen = <T>(work: () => Promise<T>): Promise<T> =>
    stopped ? Promise.reject(new StoreUnavailable('the store is stopped')) : turns.take(work);

  return {
    engine: 'influxdb',
    write: (points) => whenOpen(async () => writeAll(http, await numbered(toRows(points)))),
    select: (query) =>
      whenOpen(async () => {
        checkNames(query);
        if (allowsNothing(query.tags)) return [];
        const [found] = await http.query(selectInfluxql(query, selectLimit(query)));
        return (found ? pointsOf(query.measurement, found) : []) as never;
      }),
    aggregate: (query) =>
      whenOpen(async () => {
        checkNames(query);
        checkStatistics(query);
        if (allowsNothing(query.tags)) return [];
        return aggregateGroups(http, query);
      }),
    merge: (query) =>
      whenOpen(async () => {
        checkNames(query);
        if (allowsNothing(query.tags)) return [];
        return mergeGroups(http, query);
      }),
    tagValues: (query) =>
      whenOpen(async () => {
        checkNames(query);
        const values = isLabel(query.measurement, query.tag)
          ? await labelValues(http, { ...query, label: query.tag })
          : await tagValues(http, query);
        return values.filter((value) => value !== '').sort();
      }),
    async deleteBefore(timeMs, of = measurements) {
      for (const name of of) await deleteBefore(http, whenOpen, name, wholeMs(timeMs));
    },
    ping: () => whenOpen(() => http.ping()),
    async stop() {
      stopped = true;
      await turns.settled();
    },
  };
};

const deleteBefore = (
  http: InfluxHttp,
  whenOpen: <T>(work: () => Promise<T>) => Promise<T>,
  measurement: Measurement,
  beforeMs: number,
): Promise<void> =>
  deleteInSteps(beforeMs, {
    oldestMs: () =>
      whenOpen(async () => {
        const [found] = await http.query(oldestInfluxql(measurement, beforeMs));
        return found?.values[0] === undefined ? null : Number(found.values[0][0]);
      }),
    deleteBefore: (timeMs) =>
      whenOpen(async () => {
        await http.query(`DELETE FROM ${quoteName(measurement)} WHERE time < ${timeMs}ms`);
      }),
  });

const tagValues = async (
  http: InfluxHttp,
  query: Parameters<typeof tagValuesInfluxql>[0],
): Promise<string[]> => {
  const found = await http.query(tagValuesInfluxql(query));
  return found.map(({ tags }) => decodeTag(tags?.[query.tag] ?? ''));
};

/** InfluxQL has no "in ()": a filter that allows no value is answered here. */
const allowsNothing = (tags: Parameters<typeof allowedValues>[0]): boolean =>
  allowedValues(tags).some(([, allowed]) => allowed.length === 0);

/** Every line is offered, even where others are refused; that is told at the end. */
const writeAll = async (http: InfluxHttp, rows: readonly NumberedRow[]): Promise<void> => {
  const lines = rows.flatMap(({ name, table, row, number }) =>
    number === undefined ? [] : [toLine(name, table, row, number)],
  );
  const refusals = createRefusals();
  if (lines.length < rows.length) refusals.add(noNumberFree(rows), rows.length - lines.length);
  for (let from = 0; from < lines.length; from += linesPerRequest) {
    await offer(http, lines.slice(from, from + linesPerRequest), refusals);
  }
  refusals.tell();
};

/** Without a number of their own they would overwrite others. */
const noNumberFree = (rows: readonly NumberedRow[]): PointsRefused => {
  const names = new Set(rows.filter(({ number }) => number === undefined).map(({ name }) => name));
  return new PointsRefused(
    `the ${numbersPerMs} combinations of labels that ${[...names].join(', ')} can have are used up: ` +
      'write to a new database with a new state, and look which label takes ever new values',
    null,
  );
};

/**
 * InfluxDB says that a "partial write" kept the good lines. 1.6 does not always: over its limit of
 * tag values it drops good ones of the same request, other than those it names. So a request that
 * was refused in part is offered again in halves; lines are idempotent, and what is left are the
 * lines that are refused by themselves.
 */
const offer = async (
  http: InfluxHttp,
  lines: readonly string[],
  refusals: ReturnType<typeof createRefusals>,
): Promise<void> => {
  try {
    await http.write(lines);
  } catch (error) {
    if (!(error instanceof PointsRefused)) throw error;
    const all = lines.length === 1 || (error.refusedCount ?? 0) >= lines.length;
    if (all || !refusals.mayOfferAgain()) {
      refusals.add(error, all ? lines.length : (error.refusedCount ?? lines.length));
      return;
    }
    const half = Math.ceil(lines.length / 2);
    await offer(http, lines.slice(0, half), refusals);
    await offer(http, lines.slice(half), refusals);
  }
};

/** Halvings for one call: more than a few lines go wrong only where nearly all do. */
const halvingLimit = 100;

const createRefusals = () => {
  let halvings = 0;
  let first: PointsRefused | undefined;
  let count = 0;
  return {
    mayOfferAgain(): boolean {
      halvings += 1;
      return halvings <= halvingLimit;
    },
    add(error: PointsRefused, refusedCount: number): void {
      first ??= error;
      count += refusedCount;
    },
    tell(): void {
      if (first) throw new PointsRefused(first.message, count, { cause: first });
    },
  };
};

const pointsOf = (measurement: string, found: InfluxSeries): Point[] => {
  const table = tableOf(measurement);
  const at = new Map(found.columns.map((name, i) => [name, i]));
  return found.values.map((row) => {
    const read = (name: string): Value => (row[at.get(name) ?? -1] ?? null) as Value;
    const nulls = new Set(String(read(nullsField) ?? '').split(','));
    return toPoint(measurement, table, {
      timeMs: Number(read('time')),
      tags: table.tags.map((tag) => decodeTag(String(read(tag) ?? ''))),
      values: Object.keys(table.fields).map((name) => (nulls.has(name) ? null : read(name))),
    });
  });
};
