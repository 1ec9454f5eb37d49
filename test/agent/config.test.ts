import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAgentConfig } from '#agent/config.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const write = async (text: string) => {
  const path = join(await makeTemporaryFolder(), 'agent.yaml');
  await writeFile(path, text);
  return path;
};

test('needs only the collector’s address', async () => {
  const config = readAgentConfig(await write('collectorUrl: https://collector.test:8443\n'));
  expect(config).toMatchObject({ listenHost: '127.0.0.1', proxyPort: 9_339, extraCaFiles: [] });
  expect(config.name.length).toBeGreaterThan(0);
});

test.each([
  ['proxyPort: 99999', /\/proxyPort: .*65535/],
  ['proxyProt: 8080', /\/proxyProt: Unexpected property/],
  ['collectorUrl: http://plain.test', /\/collectorUrl: .*https:\/\/ URL/],
  ['spoolMaxBytes: 10', /\/spoolMaxBytes/],
  ['- a list', /expected a mapping/],
])('names the field that is wrong: %s', async (line, message) => {
  const start = line.startsWith('-') ? '' : 'collectorUrl: https://collector.test\n';
  const path = await write(`${line.startsWith('collectorUrl') ? '' : start}${line}\n`);
  expect(() => readAgentConfig(path)).toThrow(message);
});

test('takes the enrollment token itself or a file it lies in, not both', async () => {
  const start = 'collectorUrl: https://collector.test\nenrollmentTokenFile: /tokens/device\n';
  expect(readAgentConfig(await write(start)).enrollmentTokenFile).toBe('/tokens/device');
  const both = await write(`${start}enrollmentToken: wse1.a.b.c\n`);
  expect(() => readAgentConfig(both)).toThrow(/enrollmentToken and enrollmentTokenFile/);
});
