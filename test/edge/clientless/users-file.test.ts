import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openUsersFile } from '#edge/clientless/users-file.ts';
import { silentLog } from '#runtime/log.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const hash = `$scrypt$ln=10,r=8,p=1$${'c2FsdHNhbHRzYWx0c2Fs'}$${'A'.repeat(43)}`;

it('a users file that cannot even be looked at leaves in force what was there', async () => {
  const file = join(await makeTemporaryFolder(), 'users');
  await writeFile(file, `ana:${hash}\n`);
  const clock = { nowMs: 0 };
  const users = openUsersFile({ file, monotonicMs: () => clock.nowMs, log: silentLog() });
  await rm(file);
  // ELOOP, for whoever asks; EACCES does not come to root.
  await symlink('users', file);
  clock.nowMs += 2_000;
  expect(users.find('ana')).toBeDefined();
  await rm(file);
  await writeFile(file, `ben:${hash}\n`);
  clock.nowMs += 2_000;
  expect(users.find('ben')).toBeDefined();
  expect(users.find('ana')).toBeUndefined();
});
