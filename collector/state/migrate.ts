import { sql } from 'drizzle-orm';
import { first } from './migrations/0001-first.ts';
import { reflector } from './migrations/0002-reflector.ts';
import { artefacts } from './migrations/0003-artefacts.ts';
import { runRequests } from './migrations/0004-run-requests.ts';
import { edgePosition } from './migrations/0005-edge-position.ts';
import { deviceFacts } from './migrations/0006-device-facts.ts';
import { posturePace } from './migrations/0007-posture-pace.ts';
import { fleet } from './migrations/0008-fleet.ts';
import { labelNumbers } from './migrations/0009-label-numbers.ts';
import { rollups } from './migrations/0010-rollups.ts';
import { runAccounts } from './migrations/0011-run-accounts.ts';
import { openIncidents } from './migrations/0012-open-incidents.ts';
import type { Migration } from './migrations/migration.ts';
import type { Database } from './state.ts';

/** In order; ids rise. */
export const migrations: readonly Migration[] = [
  first,
  reflector,
  artefacts,
  runRequests,
  edgePosition,
  deviceFacts,
  posturePace,
  fleet,
  labelNumbers,
  rollups,
  runAccounts,
  openIncidents,
];

/** `whyslow` in ASCII: the key under which collectors that start at once queue for each other. */
const lockKey = '33611997998444407';

/**
 * Brings the schema to this program's version, or to nothing at all: one transaction, DDL
 * included. Safe to run twice and from several collectors at once.
 */
export const migrate = (
  db: Database,
  steps: readonly Migration[] = migrations,
): Promise<{ applied: number[] }> =>
  db.transaction(async (tx) => {
    // Before the table exists there is nothing else to lock: "if not exists" alone still collides.
    await tx.execute(sql.raw(`select pg_advisory_xact_lock(${lockKey})`));
    await tx.execute(
      sql.raw(`create table if not exists whyslow_migrations (
        id integer primary key, name text not null, applied_at bigint not null)`),
    );
    await tx.execute(
      sql.raw(`alter table whyslow_migrations
        add column if not exists needed_id integer not null default 0`),
    );
    const applied = await appliedSteps(tx);
    refuseNewer(applied, steps);
    const done = applied.map(({ id }) => id);
    const missing = steps.filter(({ id }) => !done.includes(id));
    for (const step of missing) await apply(tx, step);
    return { applied: missing.map(({ id }) => id) };
  });

type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

type Applied = { id: number; needed_id: number };

const appliedSteps = async (tx: Transaction): Promise<Applied[]> => {
  const result = (await tx.execute(
    sql.raw('select id, needed_id from whyslow_migrations order by id'),
  )) as unknown as { rows: Applied[] };
  return result.rows;
};

/** What a newer program added is let be: collectors are replaced one at a time, and one may start again. */
const refuseNewer = (applied: readonly Applied[], steps: readonly Migration[]): void => {
  const newest = Math.max(0, ...steps.map(({ id }) => id));
  const needed = Math.max(0, ...applied.map((step) => step.needed_id));
  if (needed <= newest) return;
  throw new Error(
    `the state was written by a newer whyslow (it needs migration ${needed}; this one knows up ` +
      `to ${newest}): start that version, or restore the backup made before the upgrade`,
  );
};

const apply = async (tx: Transaction, step: Migration): Promise<void> => {
  for (const statement of step.statements) await tx.execute(sql.raw(statement));
  await tx.execute(
    sql`insert into whyslow_migrations (id, name, applied_at, needed_id)
        values (${step.id}, ${step.name}, ${Date.now()}, ${step.neededId ?? 0})`,
  );
};
