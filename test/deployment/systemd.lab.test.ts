import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram } from '#test/support/server-process.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { projectFolder } from './compose-files.ts';
import { installed } from './installed.ts';

const unitFile = join(projectFolder, 'examples/systemd/whyslow-agent.service');
const nobody = '65534';

const systemdAnalyze = installed('systemd-analyze', 'systemd');

test.skipIf(!systemdAnalyze)('systemd finds nothing wrong with the unit', async () => {
  const unit = join(await makeTemporaryFolder(), 'whyslow-agent.service');
  cpSync(unitFile, unit);
  // systemd looks whether the program is there, which is elsewhere here.
  writeFileSync(unit, readFileSync(unit, 'utf8').replace('/usr/bin/node', process.execPath));
  const { status, stdout, stderr } = spawnSync(systemdAnalyze ?? '', ['verify', unit]);
  expect(`${stdout}${stderr}`).toBe('');
  expect(status).toBe(0);
});

const trace = (capability: string): { method: string } => {
  const capabilities = `-all${capability}`;
  const text = execFileSync(
    findProgram('setpriv', 'util-linux'),
    [
      ...['--reuid', nobody, '--regid', nobody, '--clear-groups', '--no-new-privs'],
      ...['--inh-caps', capabilities, '--ambient-caps', capabilities],
      ...['--bounding-set', capabilities],
      ...[process.execPath, join(projectFolder, 'bin/whyslow.mjs')],
      ...['probe', 'path', '127.0.0.1', '--protocol', 'icmp', '--json'],
    ],
    { cwd: projectFolder, encoding: 'utf8' },
  );
  return (JSON.parse(text) as { body: { method: string } }).body;
};

test.skipIf(process.getuid?.() !== 0)(
  'its one capability is enough to trace raw, and needed',
  () => {
    const [, capability = ''] =
      /^AmbientCapabilities=(\w+)$/m.exec(readFileSync(unitFile, 'utf8')) ?? [];
    expect(capability).toBe('CAP_NET_RAW');
    expect(trace(`,+${capability.slice(4).toLowerCase()}`).method).toBe('raw');
    expect(trace('').method).toBe('error-queue');
  },
);
