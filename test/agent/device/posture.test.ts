import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { readPosture, startPostureReports } from '#agent/device/posture.ts';
import { check } from '#contract/check.ts';
import { PostureReport } from '#contract/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const mountedFrom = (number: string) => `22 1 ${number} / / rw,relatime - ext4 /dev/x rw\n`;

it.each([
  [
    'a plain disk',
    { 'proc/self/mountinfo': mountedFrom('8:1'), 'sys/dev/block/8:1/dev': '8:1' },
    'no',
  ],
  [
    'LVM on dm-crypt',
    {
      'proc/self/mountinfo': mountedFrom('253:1'),
      'sys/dev/block/253:1/dm/uuid': 'LVM-abc\n',
      'sys/dev/block/253:1/slaves/dm-0/dm/uuid': 'CRYPT-LUKS2-def-root\n',
    },
    'yes',
  ],
  ['a container', { 'proc/self/mountinfo': mountedFrom('0:41') }, 'unknown'],
  ['nothing that can be read', {}, 'unknown'],
] as const)(
  'of %s it is known, or told that it is not, whether it is encrypted',
  async (_name, files, expected) => {
    expect(readPosture('0.1.0', await folderWith(files)).diskEncrypted).toBe(expected);
  },
);

it.each([
  [{ 'etc/ufw/ufw.conf': '# x\nENABLED=yes\n' }, 'yes'],
  [{ 'etc/ufw/ufw.conf': 'ENABLED=no\n' }, 'no'],
  [{ 'run/firewalld/pid': '' }, 'yes'],
  [{}, 'unknown'],
] as const)('the firewall is what its front end says: %j → %s', async (files, expected) => {
  expect(readPosture('0.1.0', await folderWith(files)).firewallOn).toBe(expected);
});

it('names the system by its release file', async () => {
  const root = await folderWith({
    'etc/os-release': 'PRETTY_NAME="Debian"\nVERSION_ID="12"\nID=debian\n',
  });
  expect(readPosture('0.1.0', root)).toMatchObject({ osName: 'debian', osVersion: '12' });
});

it('is reported at the start, once as long as nothing changes', async () => {
  const records: unknown[] = [];
  const deviceId = randomUUID();
  const append = async (record: unknown) => records.push(record);
  const reports = startPostureReports({ deviceId, agentVersion: '0.1.0', append });
  await waitUntil(() => records.length === 1);
  await reports.stop();
  expect(check(PostureReport, records[0])).toMatchObject({ ok: true });
  expect(records).toHaveLength(1);
});

const folderWith = async (files: Record<string, string>): Promise<string> => {
  const root = await makeTemporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
};
