import type { InfluxHttp } from './influx-http.ts';
import { tableOf } from './row.ts';
import { measurements } from './schema.ts';

/**
 * A version before the labels wrote them as tags. Points of both kinds side by side would be counted
 * twice where they were sent again, and the old ones' series stay: such a database is not written to.
 */
export const refuseOlderTags = async (http: InfluxHttp, database: string): Promise<void> => {
  const found = await http.query('SHOW TAG KEYS');
  for (const { name, values } of found) {
    const measurement = measurements.find((known) => known === name);
    if (measurement === undefined) continue;
    const { labels } = tableOf(measurement);
    const older = values.map(([key]) => String(key)).filter((key) => labels?.includes(key));
    if (older.length === 0) continue;
    throw new Error(
      `InfluxDB database ${database} was written by an older whyslow (its ${name} has the tags ` +
        `${older.join(', ')}): give this collector a new database (store.database); the old one ` +
        'can still be read by what wrote it',
    );
  }
};
