import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type JS } from '@duckdb/node-api';
import { takeLock } from '#runtime/file-lock.ts';
import { deleteInSteps } from './delete-steps.ts';
import { asStoreError, type KeptEngine, keepOpen } from './duckdb-engine.ts';
import {
  aggregateStatement,
  mergeStatement,
  type Statement,
  selectStatement,
  tagValuesStatement,
} from './duckdb-query.ts';
import { mergeStaged, prepareTables, quote, stage, stagingOf } from './duckdb-tables.ts';
import { checkNames, checkStatistics, selectLimit, sortRows, wholeMs } from './query.ts';
import { type Row, type RowsOf, type Tables, tableOf, toPoint, toRows, type Value } from './row.ts';
import { type Point, series } from './schema.ts';
import { type AggregateRow, type MergedRow, type Store, StoreUnavailable } from './store.ts';
import { createTurns } from './turns.ts';

export type DuckdbOptions = {
  file: string;
  /** What DuckDB may hold in memory; beyond it goes to disk. */
  memoryLimitMb?: number;
  tables?: Tables;
};

/** A question that takes longer is given up; a person waits for the answer. */
const queryTimeoutMs = 30_000;
/** Each occupies one of the four threads Node also reads files and resolves names with. */
const queriesAtOnce = 2;

/** The series in one DuckDB file, which is this process's alone. */
export const openDuckdb = async (options: DuckdbOptions): Promise<Store> => {
  mkdirSync(dirname(options.file), { recursive: true });
  // DuckDB keeps other processes out, but lets a second instance of this one in, to the data's ruin.
  const lock = takeLock({
    path: `${options.file}.lock`,
    what: `store file ${options.file}`,
    fix: 'give this collector another file (several collectors on one store need InfluxDB)',
  });
  try {
    const tables = options.tables ?? series;
    const engine = await keepOpen(() => openEngine(options, tables));
    return createStore(engine, tables, lock);
  } catch (error) {
    lock.release();
    throw asStoreError(error);
  }
};

const openEngine = async (options: DuckdbOptions, tables: Tables) => {
  const instance = await DuckDBInstance.create(options.file, {
    memory_limit: `${options.memoryLimitMb ?? 1_024}MB`,
  });
  try {
    chmodSync(options.file, 0o600);
    const writer = await instance.connect();
    await prepareTables(writer, tables);
    return { instance, writer };
  } catch (error) {
    instance.closeSync();
    throw error;
  }
};

const createStore = (engine: KeptEngine, tables: Tables, lock: { release(): void }): Store => {
  const writes = createWrites(engine, tables);
  const turns = createTurns(queriesAtOnce);
  let stopping: Promise<void> | undefined;

  const ask = (statement: Statement): Promise<JS[][]> =>
    turns.take(async () => {
      if (stopping !== undefined) throw new StoreUnavailable('the store is stopped');
      return engine.use(async ({ instance }) => run(await instance.connect(), statement));
    });

  const stopAll = async () => {
    await writes.settled();
    await turns.settled();
    await engine.stop();
    lock.release();
  };

  return {
    engine: 'duckdb',
    async write(points) {
      if (stopping !== undefined) throw new StoreUnavailable('the store is stopped');
      if (points.length > 0) await writes.add(toRows(points, tables));
    },
    async select(query) {
      checkNames(query);
      const found = await ask(selectStatement(query, selectLimit(query)));
      return found.map((row) => pointOf(query.measurement, row)) as never;
    },
    async aggregate(query) {
      checkNames(query);
      checkStatistics(query);
      const found = await ask(aggregateStatement(query));
      const by = (query.by ?? []) as readonly string[];
      return sortRows(found.map((row) => aggregateRowOf(row, by, query.statistics)));
    },
    async merge(query) {
      checkNames(query);
      const found = await ask(mergeStatement(query));
      const by = (query.by ?? []) as readonly string[];
      return sortRows(found.map((row) => aggregateRowOf(row, by, query.fields))) as MergedRow[];
    },
    async tagValues(query) {
      checkNames(query);
      const found = await ask(tagValuesStatement(query));
      return found.map(([value]) => String(value)).sort();
    },
    async deleteBefore(timeMs, of) {
      if (stopping !== undefined) throw new StoreUnavailable('the store is stopped');
      await writes.deleteBefore(wholeMs(timeMs), of ?? Object.keys(tables));
    },
    async ping() {
      await ask({ sql: 'select 1', values: [] });
    },
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
  };
};

const run = async (connection: DuckDBConnection, statement: Statement): Promise<JS[][]> => {
  const timer = setTimeout(() => connection.interrupt(), queryTimeoutMs);
  try {
    const reader = await connection.runAndReadAll(statement.sql, statement.values);
    return reader.getRowsJS();
  } finally {
    clearTimeout(timer);
    connection.disconnectSync();
  }
};

const pointOf = (measurement: string, row: JS[]): Point => {
  const table = tableOf(measurement);
  const [timeMs, ...rest] = row.map(plain);
  const tags = rest.slice(0, table.tags.length).map(String);
  return toPoint(measurement, table, {
    timeMs: Number(timeMs),
    tags,
    values: rest.slice(table.tags.length),
  });
};

/** 64-bit integers come as bigint; what we store in them is safe in a number. */
const plain = (value: JS | undefined): Value =>
  typeof value === 'bigint' ? Number(value) : ((value ?? null) as Value);

const aggregateRowOf = (
  row: JS[],
  by: readonly string[],
  statistics: readonly string[],
): AggregateRow => {
  const values = row.map(plain);
  const timeMs = values[by.length] ?? null;
  return {
    tags: Object.fromEntries(by.map((tag, i) => [tag, String(values[i] ?? '')])),
    timeMs: timeMs === null ? null : Number(timeMs),
    values: Object.fromEntries(statistics.map((name, i) => [name, values[by.length + 1 + i]])),
  };
};

/** Points of one transaction: enough that its cost is spread, few enough that nobody waits long. */
const transactionRows = 20_000;

/**
 * One writer: while a transaction is under way further writes gather, and share the next one's
 * commit (and its fsync, after which they would survive a crash).
 */
const createWrites = (engine: KeptEngine, tables: Tables) => {
  type Waiting = { rows: RowsOf; done: () => void; failed: (error: unknown) => void };
  const waiting: Waiting[] = [];
  const turns = createTurns(1);

  const takeSome = (): Waiting[] => {
    let rowCount = 0;
    const end = waiting.findIndex(({ rows }) => {
      rowCount += sizeOf(rows);
      return rowCount > transactionRows;
    });
    return waiting.splice(0, end === -1 ? waiting.length : Math.max(1, end));
  };

  const writeSome = async (): Promise<void> => {
    const some = takeSome();
    if (some.length === 0) return;
    try {
      const rowsOf = union(some.map(({ rows }) => rows));
      await engine.use(({ writer }) => commit(writer, tables, rowsOf));
      for (const { done } of some) done();
    } catch (error) {
      for (const { failed } of some) failed(error);
    }
  };

  return {
    add: (rows: RowsOf): Promise<void> =>
      new Promise((done, failed) => {
        waiting.push({ rows, done, failed });
        void turns.take(writeSome);
      }),
    async deleteBefore(beforeMs: number, names: readonly string[]): Promise<void> {
      const inTurn = (sql: string) =>
        turns.take(() => engine.use(async ({ writer }) => writer.runAndReadAll(sql)));
      for (const name of names) {
        const older = (ms: number) => `from ${quote(name)} where time_ms < ${ms}`;
        await deleteInSteps(beforeMs, {
          async oldestMs() {
            const [row] = (await inTurn(`select min(time_ms) ${older(beforeMs)}`)).getRowsJS();
            const oldest = row?.[0] ?? null;
            return oldest === null ? null : Number(oldest);
          },
          async deleteBefore(timeMs) {
            await inTurn(`delete ${older(timeMs)}`);
          },
        });
      }
      // Gives the space back to the file.
      await inTurn('checkpoint');
    },
    settled: () => turns.settled(),
  };
};

const sizeOf = (rows: RowsOf): number => [...rows.values()].reduce((sum, of) => sum + of.size, 0);

/** Later writes win. */
const union = (all: readonly RowsOf[]): RowsOf => {
  if (all.length === 1 && all[0]) return all[0];
  const joined: RowsOf = new Map();
  for (const rows of all) {
    for (const [name, of] of rows) {
      const known = joined.get(name) ?? new Map<string, Row>();
      for (const [key, row] of of) known.set(key, row);
      joined.set(name, known);
    }
  }
  return joined;
};

const commit = async (
  connection: DuckDBConnection,
  tables: Tables,
  rowsOf: RowsOf,
): Promise<void> => {
  const batches = [...rowsOf].map(([name, rows]) => ({
    name,
    table: tableOf(name, tables),
    rows: [...rows.values()],
  }));
  try {
    for (const { name, table, rows } of batches) await stage(connection, name, table, rows);
    await connection.run('begin');
    for (const { name, table, rows } of batches) await mergeStaged(connection, name, table, rows);
    await connection.run('commit');
  } catch (error) {
    await connection.run('rollback').catch(() => undefined);
    throw error;
  } finally {
    for (const { name } of batches) {
      await connection.run(`truncate temp.main.${quote(stagingOf(name))}`).catch(() => undefined);
    }
  }
};
