import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askStatus, serveStatus, socketPath } from '#agent/status-socket.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const answers = { status: () => ({ fine: true }), ask: async () => {} };

test.each([
  ['beside the state', ''],
  ['elsewhere, where that path is too long', 'x'.repeat(120)],
])('the status is answered over a socket %s', async (_, name) => {
  const folder = join(await makeTemporaryFolder(), name);
  await mkdir(folder, { recursive: true });
  const serving = await serveStatus(folder, answers);
  onTestFinished(() => serving.stop());
  expect(JSON.parse(await askStatus(folder))).toEqual({ fine: true });
});

test('a folder for the socket that others may write to is not used', async () => {
  const folder = join(await makeTemporaryFolder(), 'x'.repeat(120));
  await mkdir(folder, { recursive: true });
  const shared = dirname(socketPath(folder));
  expect(shared.startsWith(tmpdir())).toBe(true);
  await mkdir(shared);
  await chmod(shared, 0o777);
  onTestFinished(() => rm(shared, { recursive: true }));
  await expect(serveStatus(folder, answers)).rejects.toThrow(/not this user’s alone/);
});
