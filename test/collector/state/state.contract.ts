import { randomUUID } from 'node:crypto';
import { eq, getTableColumns, is, sql } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArtefactRows, maxArtefactsPerDevice } from '#collector/control/artefact-rows.ts';
import { createLabelRows } from '#collector/state/label-rows.ts';
import { migrate, migrations } from '#collector/state/migrate.ts';
import * as accountTables from '#collector/state/run-account-tables.ts';
import * as schema from '#collector/state/schema.ts';
import { type State, StateUnavailable } from '#collector/state/state.ts';
import { asStateError, isStateUnavailable } from '#collector/state/unavailable.ts';

export type OpenedState = { state: State; stop(): Promise<void> };

const tables = Object.values({ ...schema, ...accountTables }).flatMap((value): PgTable[] =>
  is(value, PgTable) ? [value] : [],
);

/** What every state does, whatever its engine. `open` gives an empty one. */
export const stateContract = (engine: string, open: () => Promise<OpenedState>): void => {
  describe(`state on ${engine}`, () => {
    let opened: OpenedState;
    let state: State;
    beforeAll(async () => {
      opened = await open();
      state = opened.state;
    });
    afterAll(() => opened?.stop());

    it('answers a ping', async () => {
      await expect(state.ping()).resolves.toBeUndefined();
    });

    it('has by its migrations exactly the columns and keys the schema speaks of', async () => {
      expect(tables.length).toBeGreaterThan(10);
      const found = await describeTables(state);
      expect(found).toEqual(tables.map(describeSchemaTable).sort(byName));
    });

    it('migrates a second time to no effect', async () => {
      expect(await migrate(state.db)).toEqual({ applied: [] });
    });

    it('applies only the steps that are new, and all of them or none', async () => {
      const next = newestMigration + 1;
      const good = { id: next, name: 'good', statements: ['create table extra (a integer)'] };
      const bad = {
        id: next + 1,
        name: 'bad',
        statements: ['create table half (a integer)', 'create nonsense'],
      };
      await expect(migrate(state.db, [...migrations, good, bad])).rejects.toThrow();
      expect(await tableExists(state, 'extra')).toBe(false);
      expect(await migrate(state.db, [...migrations, good])).toEqual({ applied: [next] });
      expect(await tableExists(state, 'extra')).toBe(true);
      expect(await tableExists(state, 'half')).toBe(false);
    });

    it('works on with what a newer program added, and refuses what it could not understand', async () => {
      expect(await migrate(state.db)).toEqual({ applied: [] });
      const id = newestMigration + 2;
      const breaking = { id, name: 'breaking', statements: ['select 1'], neededId: id };
      const extra = { id: id - 1, name: 'good', statements: [] };
      expect(await migrate(state.db, [...migrations, extra, breaking])).toEqual({ applied: [id] });
      await expect(migrate(state.db)).rejects.toThrow('newer whyslow');
      await state.db.execute(sql`delete from whyslow_migrations where id > ${newestMigration}`);
      await state.db.execute(sql`drop table extra`);
      expect(await migrate(state.db)).toEqual({ applied: [] });
    });

    it('lets several starters migrate at once', async () => {
      const all = await Promise.all([1, 2, 3, 4].map(() => migrate(state.db)));
      expect(all).toEqual(all.map(() => ({ applied: [] })));
    });

    it('gives back numbers, text, documents and nothing as they were put in', async () => {
      const { incidents } = schema;
      const document = { text: 'Grüße, 世界 🌍 \\ " \' \n', list: [1, 2.5, null], deep: { a: {} } };
      const incident = {
        id: randomUUID(),
        deviceId: randomUUID(),
        appId: 'crm',
        segment: null,
        state: 'pending',
        firstSlowAt: 4_102_444_800_000,
        openedAt: null,
        closedAt: Date.now(),
        streak: 2_147_483_647,
        openingVerdict: null,
        latestVerdict: document,
        live: true,
        toldBy: null,
      } as const;
      await state.db.insert(incidents).values(incident);
      const found = await state.db.select().from(incidents).where(eq(incidents.id, incident.id));
      expect(found).toEqual([incident]);
    });

    it('gives back bytes as they were put in, and keeps of each device the newest', async () => {
      const rows = createArtefactRows(state.db);
      const [deviceId, otherId] = [randomUUID(), randomUUID()];
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
      const artefact = (deviceOf: string, at: number) => ({
        resultId: randomUUID(),
        kind: 'screenshot' as const,
        deviceId: deviceOf,
        appId: 'crm',
        mediaType: 'image/jpeg',
        encoding: 'identity' as const,
        bytes,
        at,
      });
      const other = artefact(otherId, 1);
      await rows.add(other);
      const all = Array.from({ length: maxArtefactsPerDevice + 2 }, (_, n) =>
        artefact(deviceId, 100 + n),
      );
      for (const one of all) await rows.add(one);
      const ids = all.map(({ resultId }) => resultId);
      const kept = await rows.kindsOf(deviceId, ids);
      expect(kept.map(({ resultId }) => resultId).sort()).toEqual(ids.slice(2).sort());
      const found = await rows.find(other.resultId, 'screenshot');
      expect(Buffer.from(found?.bytes ?? []).equals(bytes)).toBe(true);
      await rows.deleteBefore(1_000);
      expect(await rows.kindsOf(deviceId, ids)).toEqual([]);
    });

    it('gives each combination of labels one number of its own, whoever asks and how many at once', async () => {
      const asked = Array.from({ length: 60 }, (_, n) => ({
        measurement: n % 2 === 0 ? 'http' : 'leg',
        labels: `a\tb "${n}" ü`,
      }));
      const askers = Array.from({ length: 8 }, (_, n) =>
        createLabelRows(state.db).numbersOf([...asked.slice(n * 5), ...asked.slice(0, n)], 1_000),
      );
      const given = (await Promise.all(askers)).flat();
      const numbers = new Map<string, number>();
      for (const { measurement, labels, number } of given) {
        const key = `${measurement} ${labels}`;
        expect(numbers.get(key) ?? number).toBe(number);
        numbers.set(key, number);
      }
      expect(numbers.size).toBe(60);
      for (const measurement of ['http', 'leg']) {
        const own = [...numbers].filter(([key]) => key.startsWith(measurement));
        expect(own.map(([, number]) => number).sort((a, b) => a - b)).toEqual(own.map((_, n) => n));
      }
    });

    it('gives no number twice, and none where all are taken', async () => {
      const rows = createLabelRows(state.db);
      const ask = (...labels: string[]) =>
        rows.numbersOf(
          labels.map((each) => ({ measurement: 'full', labels: each })),
          3,
        );
      expect(await ask('b', 'a')).toHaveLength(2);
      const found = await ask('a', 'd', 'b', 'c');
      expect(found.map(({ number }) => number).sort()).toEqual([0, 1, 2]);
      expect(await ask('e')).toEqual([]);
      expect(await ask('a')).toEqual([{ measurement: 'full', labels: 'a', number: 0 }]);
    });

    it('keeps nothing of a transaction that fails', async () => {
      const { audit } = schema;
      const entry = { id: randomUUID(), at: 1, actor: 'a', action: 'b', subject: 'c', detail: {} };
      const failing = state.db.transaction(async (tx) => {
        await tx.insert(audit).values(entry);
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      expect(await state.db.select().from(audit).where(eq(audit.id, entry.id))).toEqual([]);
    });

    it('serves transactions that overlap', async () => {
      const { audit } = schema;
      const ids = Array.from({ length: 30 }, () => randomUUID());
      await Promise.all(
        ids.map((id) =>
          state.db.transaction(async (tx) => {
            await tx
              .insert(audit)
              .values({ id, at: 2, actor: 'a', action: 'overlap', subject: '', detail: [] });
            await tx.select().from(audit).where(eq(audit.id, id));
          }),
        ),
      );
      const found = await state.db.select().from(audit).where(eq(audit.action, 'overlap'));
      expect(found.map(({ id }) => id).sort()).toEqual(ids.sort());
    });

    it('does not mistake a wrong statement for a missing engine', async () => {
      const wrong = await state.db.execute(sql`select nonsense from nowhere`).catch((e) => e);
      expect(wrong).toBeInstanceOf(Error);
      expect(isStateUnavailable(wrong)).toBe(false);
      expect(asStateError(wrong)).toBe(wrong);
    });

    // Last: the state is stopped.
    it('is unavailable once stopped, and stopping twice is fine', async () => {
      await state.stop();
      await state.stop();
      await expect(state.ping()).rejects.toThrow(StateUnavailable);
      const late = await state.db
        .select()
        .from(schema.audit)
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      expect(isStateUnavailable(late)).toBe(true);
    });
  });
};

type Described = { name: string; columns: string[]; primaryKey: string[]; indexes: string[] };
const newestMigration = Math.max(...migrations.map(({ id }) => id));

const byName = (a: Described, b: Described): number => (a.name < b.name ? -1 : 1);

const describeSchemaTable = (table: PgTable): Described => {
  const config = getTableConfig(table);
  const columns = Object.values(getTableColumns(table));
  const single = columns.filter((column) => column.primary).map((column) => column.name);
  const several = config.primaryKeys.flatMap((key) => key.columns.map((column) => column.name));
  const unique = columns
    .filter((column) => column.isUnique)
    .map((column) => column.uniqueName ?? '');
  return {
    name: config.name,
    columns: columns
      .map((c) => `${c.name} ${c.getSQLType()}${c.notNull || c.primary ? ' not null' : ''}`)
      .sort(),
    primaryKey: [...single, ...several].sort(),
    indexes: [...config.indexes.map((index) => index.config.name ?? ''), ...unique].sort(),
  };
};

const describeTables = async (state: State): Promise<Described[]> => {
  const columns = await rowsOf(
    state,
    sql`select table_name as "table", column_name || ' ' || data_type ||
        case when is_nullable = 'NO' then ' not null' else '' end as "column"
        from information_schema.columns where table_schema = 'public'`,
  );
  const indexes = await rowsOf(
    state,
    sql`select t.relname as "table", i.relname as index, x.indisprimary as "primary",
        (select string_agg(a.attname, ',') from pg_attribute a
          where a.attrelid = t.oid and a.attnum = any(x.indkey)) as columns
        from pg_index x join pg_class t on t.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
        join pg_namespace n on n.oid = t.relnamespace where n.nspname = 'public'`,
  );
  const names = new Set(columns.map((row) => String(row['table'])));
  names.delete('whyslow_migrations');
  return [...names]
    .map((name) => {
      const own = indexes.filter((row) => row['table'] === name);
      const primary = own.find((row) => row['primary'] === true);
      return {
        name,
        columns: columns
          .filter((row) => row['table'] === name)
          .map((row) => String(row['column']))
          .sort(),
        primaryKey: String(primary?.['columns']).split(',').sort(),
        indexes: own
          .filter((row) => row !== primary)
          .map((row) => String(row['index']))
          .sort(),
      };
    })
    .sort(byName);
};

const tableExists = async (state: State, name: string): Promise<boolean> => {
  const rows = await rowsOf(
    state,
    sql`select 1 from information_schema.tables where table_name = ${name}`,
  );
  return rows.length > 0;
};

const rowsOf = async (
  state: State,
  query: ReturnType<typeof sql>,
): Promise<Record<string, unknown>[]> => {
  const answer = (await state.db.execute(query)) as unknown as { rows: Record<string, unknown>[] };
  return answer.rows;
};
