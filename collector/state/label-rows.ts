import { sql } from 'drizzle-orm';
import { labelNumbers } from './schema.ts';
import type { Database } from './state.ts';

/** A measurement and one combination of its labels, as text. */
type Combination = { measurement: string; labels: string };

/** Collectors that give numbers at once queue under this key; apart from that of migrations. */
const lockKey = '33611997998444409';

/**
 * The `label_numbers` table. Numbers of a measurement begin at 0, rise by one and are never taken
 * back or given again: points that were stored by them stay what they are.
 */
export const createLabelRows = (db: Database) => ({
  /**
   * The number of each combination, new ones included, in one go for all asked. Numbers stay below
   * `below`: combinations that found none free are not in the answer.
   */
  async numbersOf(
    asked: readonly Combination[],
    below: number,
  ): Promise<(Combination & { number: number })[]> {
    const known = await find(db, asked);
    // After a start all are new to this process and known here: nobody has to queue.
    if (known.length === asked.length) return known;
    return db.transaction(async (tx) => {
      await tx.execute(sql.raw(`select pg_advisory_xact_lock(${lockKey})`));
      await give(tx, asked, below);
      return find(tx, asked);
    });
  },
});

type Executor = Pick<Database, 'execute'>;

const find = async (db: Executor, asked: readonly Combination[]) => {
  const { rows } = (await db.execute(sql`
    select measurement, labels, number from ${labelNumbers}
    where (measurement, labels) in (select measurement, labels from ${askedRows(asked)})`)) as unknown as {
    rows: (Combination & { number: number })[];
  };
  return rows;
};

/** A statement begins after the lock, so it sees what those before committed. */
const give = async (db: Executor, asked: readonly Combination[], below: number): Promise<void> => {
  await db.execute(sql`
    insert into ${labelNumbers} (measurement, labels, number)
    select measurement, labels, number from (
      select measurement, labels, row_number() over (partition by measurement order by labels) - 1
        + coalesce((select max(number) + 1 from ${labelNumbers} as given
                    where given.measurement = fresh.measurement), 0) as number
      from (
        select measurement, labels from ${askedRows(asked)}
        except select measurement, labels from ${labelNumbers}
      ) as fresh
    ) as numbered where number < ${below}`);
};

/** As one parameter, however many there are. */
const askedRows = (asked: readonly Combination[]) =>
  sql`jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (measurement text, labels text)`;
