import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';

test('a state folder that was open to others is closed, and so are the series', async () => {
  const stateFolder = makeFolder('collector');
  chmodSync(stateFolder, 0o755);
  const lab = await startCollectorLab({ stateFolder });
  try {
    expect(statSync(stateFolder).mode & 0o777).toBe(0o700);
    expect(readdirSync(stateFolder)).toContain('series.duckdb');
    expect(statSync(join(stateFolder, 'series.duckdb')).mode & 0o777).toBe(0o600);
  } finally {
    await lab.stop();
    removeFolder(stateFolder);
  }
}, 120_000);
