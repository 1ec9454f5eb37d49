import { eq } from 'drizzle-orm';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '#collector/state/migrate.ts';
import { openState } from '#collector/state/open.ts';
import { enrollmentTokens } from '#collector/state/schema.ts';
import { type State, StateUnavailable } from '#collector/state/state.ts';
import { isStateUnavailable } from '#collector/state/unavailable.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { stateContract } from './state.contract.ts';

stateContract('PostgreSQL', async () => {
  const server = await startPostgres();
  const state = await openState({ engine: 'postgres', url: server.url });
  return {
    state,
    async stop() {
      await state.stop();
      await server.stop();
    },
  };
});

describe('state on a PostgreSQL that fails', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());

  it('is migrated by one of several collectors that start at once on an empty database', async () => {
    const opened = await Promise.all(
      [1, 2, 3, 4].map(() => openState({ engine: 'postgres', url: server.url })),
    );
    for (const state of opened) await state.ping();
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const { rows } = await client.query('select id from whyslow_migrations order by id');
    expect(rows).toEqual(migrations.map(({ id }) => ({ id })));
    await client.end();
    for (const state of opened) await state.stop();
  });

  it('says so while the server is away, and serves again when it is back, nothing lost', async () => {
    const state = await openState({ engine: 'postgres', url: server.url });
    await state.db.insert(enrollmentTokens).values(token('before'));
    await server.kill();
    await expect(state.ping()).rejects.toThrow(StateUnavailable);
    const insert = await state.db
      .insert(enrollmentTokens)
      .values(token('meanwhile'))
      .catch((error: unknown) => error);
    expect(isStateUnavailable(insert)).toBe(true);
    await expect(openState({ engine: 'postgres', url: server.url })).rejects.toThrow(
      StateUnavailable,
    );
    await server.restart();
    await waitUntil(() => isThere(state));
    const found = await state.db
      .select()
      .from(enrollmentTokens)
      .where(eq(enrollmentTokens.id, 'before'));
    expect(found).toHaveLength(1);
    await state.stop();
  });

  it('gives up on a server that does not answer', async () => {
    const state = await openState({ engine: 'postgres', url: server.url });
    await state.stop();
    server.pause();
    try {
      await expect(openState({ engine: 'postgres', url: server.url })).rejects.toThrow(
        StateUnavailable,
      );
    } finally {
      server.resume();
    }
  });

  it('tells a wrong database name from a server that is away', async () => {
    const url = server.url.replace(/postgres$/, 'not_there');
    const error = await openState({ engine: 'postgres', url }).catch((e: unknown) => e);
    expect(String(error)).toContain('not_there');
    expect(error).not.toBeInstanceOf(StateUnavailable);
  });
});

const token = (id: string) =>
  ({
    id,
    secretHash: '',
    role: 'device',
    note: '',
    usesLeft: 1,
    createdAt: 1,
    expiresAt: 2,
  }) as const;

const isThere = (state: State): Promise<boolean> =>
  state.ping().then(
    () => true,
    () => false,
  );
