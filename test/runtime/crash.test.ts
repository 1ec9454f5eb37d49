import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const program = fileURLToPath(new URL('../support/append-and-ship.ts', import.meta.url));

test('keeps every promised record across kill -9, and the collector stores none twice', async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const folder = await makeTemporaryFolder();
  const token = collector.createToken();
  const identity = await loadOrEnroll({
    folder,
    collectorUrl: collector.url,
    token,
    role: 'device',
    name: 'to-be-killed',
    platform: 'linux',
    programVersion: '0.1.0',
    log: silentLog(),
  });
  await identity.stop();

  const start = (...mode: string[]) =>
    spawn(process.execPath, ['--import', 'tsx', program, folder, collector.url, ...mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const promised: string[] = [];
  const runUntilKilled = async (recordCount: number, extraMs: number) => {
    const child = start();
    let text = '';
    let count = 0;
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        count += chunk.split('\n').length - 1;
        if (count >= recordCount) resolve();
      });
    });
    await new Promise((resolve) => setTimeout(resolve, extraMs));
    child.kill('SIGKILL');
    await once(child, 'close');
    // The last line may have been cut off by the kill.
    promised.push(...text.split('\n').slice(0, -1));
  };
  // The moments differ: while appending, while a batch is under way, while it is being released.
  for (const extraMs of [0, 7, 31, 64, 113]) await runUntilKilled(300, extraMs);

  const drain = start('drain');
  const [code] = (await once(drain, 'close')) as [number];
  expect(code).toBe(0);

  const stored = collector.stored().map(({ id }) => id);
  const storedIds = new Set(stored);
  expect(promised.length).toBeGreaterThanOrEqual(1_500);
  const missing = promised.filter((id) => !storedIds.has(id));
  expect(missing).toEqual([]);
  expect(stored.length).toBe(storedIds.size);
}, 120_000);
