import {
  BIGINT,
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  VARCHAR,
} from '@duckdb/node-api';
import type { Row, Table, Tables, Value } from './row.ts';
import type { FieldKind } from './schema.ts';

const sqlTypes = {
  float: { sql: 'DOUBLE', vector: DOUBLE },
  integer: { sql: 'BIGINT', vector: BIGINT },
  flag: { sql: 'BIGINT', vector: BIGINT },
  string: { sql: 'VARCHAR', vector: VARCHAR },
} as const satisfies Record<FieldKind, { sql: string; vector: DuckDBType }>;

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Brings the file to the schema, forward only: makes tables, adds columns, never drops any. */
export const prepareTables = async (
  connection: DuckDBConnection,
  tables: Tables,
): Promise<void> => {
  for (const [name, table] of Object.entries(tables)) {
    const found = await columnsOf(connection, name);
    if (found.size === 0) await connection.run(createTable(name, table));
    else await addColumns(connection, name, table, found);
    await connection.run(createStaging(name, table));
  }
};

/** No primary key: its index halved the speed of writing at 1.5 M rows (docs/decisions/010). */
const createTable = (name: string, table: Table): string =>
  `create table ${quote(name)} (${columns(table)
    .map(({ sql }) => sql)
    .join(', ')})`;

/** Temporary, so it costs no log; columns in the schema's order, whatever the table's is. */
const createStaging = (name: string, table: Table): string =>
  `create temp table ${quote(stagingOf(name))} (${columns(table)
    .map(({ sql }) => sql)
    .join(', ')})`;

export const stagingOf = (name: string): string => `staging_${name}`;

const columns = (table: Table): { name: string; sql: string }[] => [
  { name: 'time_ms', sql: 'time_ms BIGINT NOT NULL' },
  ...table.tags.map((tag) => ({ name: tag, sql: `${quote(tag)} VARCHAR NOT NULL` })),
  ...Object.entries(table.fields).map(([field, kind]) => ({
    name: field,
    sql: `${quote(field)} ${sqlTypes[kind].sql}`,
  })),
];

const columnsOf = async (
  connection: DuckDBConnection,
  name: string,
): Promise<Map<string, string>> => {
  const found = await connection.runAndReadAll(
    `select column_name, data_type from duckdb_columns()
     where database_name = current_database() and schema_name = 'main' and table_name = $1`,
    [name],
  );
  return new Map(found.getRowsJS() as [string, string][]);
};

const addColumns = async (
  connection: DuckDBConnection,
  name: string,
  table: Table,
  found: ReadonlyMap<string, string>,
): Promise<void> => {
  for (const tag of table.tags) {
    if (found.has(tag)) continue;
    // NOT NULL cannot be added to a filled table; the default gives old rows the "none" of a tag.
    await connection.run(`alter table ${quote(name)} add column ${quote(tag)} VARCHAR default ''`);
  }
  for (const [field, kind] of Object.entries(table.fields)) {
    const type = found.get(field);
    const wanted = sqlTypes[kind].sql;
    if (type === undefined) {
      await connection.run(`alter table ${quote(name)} add column ${quote(field)} ${wanted}`);
    } else if (type !== wanted) {
      throw new Error(
        `stored field ${name}.${field} is ${type} and the schema wants ${wanted}: a field's kind ` +
          'never changes; give the new one a new name',
      );
    }
  }
};

/** Rows into the staging table. A vector holds 2048 values. */
export const stage = async (
  connection: DuckDBConnection,
  name: string,
  table: Table,
  rows: readonly Row[],
): Promise<void> => {
  const kinds = Object.values(table.fields);
  const types = [BIGINT, ...table.tags.map(() => VARCHAR), ...kinds.map((k) => sqlTypes[k].vector)];
  const appender = await connection.createAppender(stagingOf(name), 'main', 'temp');
  try {
    for (let from = 0; from < rows.length; from += 2_048) {
      appender.appendDataChunk(chunkOf(rows.slice(from, from + 2_048), table, kinds, types));
    }
  } finally {
    appender.closeSync();
  }
};

const chunkOf = (
  rows: readonly Row[],
  table: Table,
  kinds: readonly FieldKind[],
  types: readonly DuckDBType[],
): DuckDBDataChunk => {
  const chunk = DuckDBDataChunk.create(types, rows.length);
  chunk.setColumnValues(
    0,
    rows.map((row) => BigInt(row.timeMs)),
  );
  table.tags.forEach((_, i) => {
    chunk.setColumnValues(
      1 + i,
      rows.map((row) => row.tags[i] ?? ''),
    );
  });
  kinds.forEach((kind, i) => {
    const whole = kind === 'integer' || kind === 'flag';
    chunk.setColumnValues(
      1 + table.tags.length + i,
      rows.map((row) => (whole ? toBigInt(row.values[i]) : (row.values[i] ?? null))),
    );
  });
  return chunk;
};

const toBigInt = (value: Value | undefined): bigint | null =>
  typeof value === 'number' ? BigInt(value) : null;

/** Takes over what is staged, in place of rows of the same tags and time. Within a transaction. */
export const mergeStaged = async (
  connection: DuckDBConnection,
  name: string,
  table: Table,
  rows: readonly Row[],
): Promise<void> => {
  const [into, from] = [quote(name), `temp.main.${quote(stagingOf(name))}`];
  const times = rows.map((row) => row.timeMs);
  const minMs = times.reduce((a, b) => Math.min(a, b));
  const maxMs = times.reduce((a, b) => Math.max(a, b));
  const same = ['time_ms', ...table.tags].map((key) => `old.${quote(key)} = new.${quote(key)}`);
  // The bounds as plain numbers let it pass over whole row groups by their stored minimum and maximum.
  await connection.run(
    `delete from ${into} as old using ${from} as new
     where ${same.join(' and ')} and old.time_ms between ${minMs} and ${maxMs}`,
  );
  await connection.run(`insert into ${into} by name select * from ${from}`);
};
