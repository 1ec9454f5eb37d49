import { type SQL, sql } from 'drizzle-orm';
import { migrate, migrations } from './migrate.ts';
import type { Database } from './state.ts';

/** One row, written as JSON by the engine itself: both read each other's, and no number is rounded here. */
export type DumpedRow = { table: string; json: string };

/** A state that has something in it is only overwritten on request. */
export class StateNotEmpty extends Error {
  override name = 'StateNotEmpty';
}

export class NotADump extends Error {
  override name = 'NotADump';
}

const migrationTable = 'whyslow_migrations';
/** Tables with bytes: pictures and engines, up to 8 MB a row. */
const [manyRows, fewRows] = [500, 4];
/** Rows for one insert, by their text. */
const maxInsertCharacters = 4_000_000;

type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

/** By the migrations, which alone make them: none can be forgotten. */
const tables: ReadonlySet<string> = new Set([
  migrationTable,
  ...migrations.flatMap(({ statements }) =>
    statements.flatMap((text) => /^create table (?:if not exists )?(\w+)/.exec(text)?.[1] ?? []),
  ),
]);

/**
 * Every table as it is at one moment, while others write on. The migrations come first: they say what
 * the rest is made for.
 */
export const dumpState = (
  db: Database,
  write: (row: DumpedRow) => Promise<void>,
): Promise<Record<string, number>> =>
  db.transaction(
    async (tx) => {
      const there = await tablesThere(tx);
      if (!there.has(migrationTable)) throw new NotADump('there is no whyslow state to back up');
      refuseUnknown(await appliedIds(tx));
      const counts: Record<string, number> = {};
      for (const name of new Set([migrationTable, ...[...there.keys()].sort()])) {
        const rowsAtOnce = there.get(name) === true ? fewRows : manyRows;
        counts[name] = await dumpTable(tx, { name, rowsAtOnce }, write);
      }
      return counts;
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );

const dumpTable = async (
  tx: Transaction,
  { name, rowsAtOnce }: { name: string; rowsAtOnce: number },
  write: (row: DumpedRow) => Promise<void>,
): Promise<number> => {
  await tx.execute(
    sql`declare dump no scroll cursor for
        select row_to_json(t)::text as json from ${sql.identifier(name)} t`,
  );
  let count = 0;
  for (;;) {
    const rows = await rowsOf<{ json: string }>(tx, sql.raw(`fetch ${rowsAtOnce} from dump`));
    for (const { json } of rows) await write({ table: name, json });
    count += rows.length;
    if (rows.length < rowsAtOnce) break;
  }
  await tx.execute(sql.raw('close dump'));
  return count;
};

/**
 * Makes the state what was dumped, or leaves it as it was: one transaction. The tables are made as they
 * were then, filled, and brought to this program's version by the migrations since.
 */
export const loadState = (
  db: Database,
  rows: AsyncIterable<DumpedRow>,
  options: { replace: boolean },
): Promise<Record<string, number>> =>
  db.transaction(async (tx) => {
    const there = await tablesThere(tx);
    if (!options.replace) await refuseUnlessEmpty(tx, there);
    for (const name of there.keys()) await tx.execute(sql`drop table ${sql.identifier(name)}`);
    const counts: Record<string, number> = {};
    const dumped: number[] = [];
    let isMade = false;
    const insert = createInsert(tx);
    for await (const { table, json } of rows) {
      counts[table] = (counts[table] ?? 0) + 1;
      if (table === migrationTable) {
        dumped.push((JSON.parse(json) as { id: number }).id);
        continue;
      }
      if (!isMade) await makeTables(tx, dumped);
      isMade = true;
      await insert.add(table, json);
    }
    if (!isMade) await makeTables(tx, dumped);
    await insert.flush();
    await migrate(tx);
    return counts;
  });

const makeTables = async (tx: Transaction, dumped: readonly number[]): Promise<void> => {
  if (dumped.length === 0) throw new NotADump('the back-up names no migrations');
  refuseUnknown(dumped);
  await migrate(
    tx,
    migrations.filter(({ id }) => dumped.includes(id)),
  );
};

const refuseUnknown = (ids: readonly number[]): void => {
  const known = new Set(migrations.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  throw new NotADump(
    `it is of a newer whyslow (migration ${unknown.join(', ')} is not known to this one): use that version`,
  );
};

const createInsert = (tx: Transaction) => {
  let table = '';
  let waiting: string[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const name = sql.identifier(table);
    const all = `[${waiting.join(',')}]`;
    [waiting, size] = [[], 0];
    await tx.execute(
      sql`insert into ${name} select * from json_populate_recordset(null::${name}, ${all}::text::json)`,
    );
  };
  return {
    flush,
    async add(name: string, json: string): Promise<void> {
      if (name !== table || size + json.length > maxInsertCharacters) await flush();
      table = name;
      waiting.push(json);
      size += json.length;
    },
  };
};

const refuseUnlessEmpty = async (
  tx: Transaction,
  there: ReadonlyMap<string, boolean>,
): Promise<void> => {
  for (const name of there.keys()) {
    if (name === migrationTable) continue;
    const [row] = await rowsOf(tx, sql`select 1 from ${sql.identifier(name)} limit 1`);
    if (row !== undefined) throw new StateNotEmpty(`there is a state already (rows in ${name})`);
  }
};

/** Ours, of those in this connection's schema, and whether bytes are in them; others may be beside them. */
const tablesThere = async (tx: Transaction): Promise<Map<string, boolean>> => {
  const found = await rowsOf<{ name: string; bytes: boolean }>(
    tx,
    sql`select table_name as name, bool_or(data_type = 'bytea') as bytes
        from information_schema.columns where table_schema = current_schema() group by table_name`,
  );
  return new Map(
    found.filter(({ name }) => tables.has(name)).map(({ name, bytes }) => [name, bytes]),
  );
};

const appliedIds = async (tx: Transaction): Promise<number[]> => {
  const rows = await rowsOf<{ id: number }>(tx, sql.raw(`select id from ${migrationTable}`));
  return rows.map(({ id }) => id);
};

const rowsOf = async <T = Record<string, unknown>>(tx: Transaction, query: SQL): Promise<T[]> =>
  ((await tx.execute(query)) as unknown as { rows: T[] }).rows;
