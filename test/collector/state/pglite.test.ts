import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openState } from '#collector/state/open.ts';
import { enrollmentTokens } from '#collector/state/schema.ts';
import { startChildScript } from '#test/support/child-script.ts';
import { layEmptyState, openEmptyState } from '#test/support/empty-state.ts';
import { stateContract } from './state.contract.ts';

stateContract('PGlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-pglite-'));
  const state = await openEmptyState(folder);
  return {
    state,
    async stop() {
      await state.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describe('a PGlite folder', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'whyslow-pglite-'));
    await layEmptyState(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('keeps what was acknowledged when its process is killed, and lets the next one in', async () => {
    const script = join(import.meta.dirname, 'insert-until-killed.ts');
    let acknowledged = 0;
    for (const round of [1, 2]) {
      if (round === 2) {
        const state = await openState({ engine: 'pglite', folder });
        await state.db.delete(enrollmentTokens);
        await state.stop();
      }
      const child = startChildScript(script, [folder]);
      for (let i = 0; i < 50; i += 1) acknowledged = Number(await child.line());
      const refused = openState({ engine: 'pglite', folder });
      await expect(refused).rejects.toThrow(/is in use by process \d+: stop it first/);
      await child.kill();
      const state = await openState({ engine: 'pglite', folder });
      const found = await state.db.select({ id: enrollmentTokens.id }).from(enrollmentTokens);
      const ids = found.map(({ id }) => Number(id)).sort((a, b) => a - b);
      expect(ids.length).toBeGreaterThanOrEqual(acknowledged);
      expect(ids).toEqual(ids.map((_, i) => i + 1));
      await state.stop();
    }
  }, 120_000);

  it('is refused to a second opener in the same process', async () => {
    const state = await openState({ engine: 'pglite', folder });
    await expect(openState({ engine: 'pglite', folder })).rejects.toThrow('is in use by process');
    await state.stop();
  });
});
