import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readEdgeConfig } from '#edge/config.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const read = async (text: string) => {
  const path = join(await makeTemporaryFolder(), 'edge.yaml');
  await writeFile(path, text);
  return readEdgeConfig(path);
};

const least = `collectorUrl: https://collector.test:8443
edgeId: fra-1
advertise: { host: edge.test }
`;

test('needs the collector, an id and where devices reach it', async () => {
  expect(await read(least)).toMatchObject({ listen: { port: 8_443 }, edgeId: 'fra-1' });
});

test.each([
  ['edgeId: "Frankfurt 1"', /\/edgeId/],
  ['lisen: { host: a, port: 1 }', /\/lisen: Unexpected property/],
  ['listen: { host: a, port: 99999 }', /\/listen\/port: .*65535/],
])('names the field that is wrong: %s', async (line, message) => {
  const text = line.startsWith('edgeId')
    ? least.replace('edgeId: fra-1', line)
    : `${least}${line}\n`;
  await expect(read(text)).rejects.toThrow(message);
});

test('takes the enrollment token itself or a file it lies in, not both', async () => {
  const start = `${least}enrollmentTokenFile: /tokens/edge\n`;
  expect((await read(start)).enrollmentTokenFile).toBe('/tokens/edge');
  await expect(read(`${start}enrollmentToken: wse1.a.b.c\n`)).rejects.toThrow(
    /enrollmentToken and enrollmentTokenFile/,
  );
});

test.each([
  ['{}', /ipForwarding: set pool4/],
  ['{ pool4: 100.96.0.0 }', /ipForwarding\.pool4: .*100\.96\.0\.0\/16/],
  ['{ pool6: 100.96.0.0/16 }', /ipForwarding\.pool6: .*no range of IPv6/],
  ['{ pool4: 100.96.0.0/16, mtuBytes: 500 }', /\/ipForwarding\/mtuBytes: .*1280/],
])('says what a range for IP packets looks like: %s', async (value, message) => {
  await expect(read(`${least}ipForwarding: ${value}\n`)).rejects.toThrow(message);
});

test.each([
  ['processes: none', /\/processes/],
  ['limits: { flowsPerSecond: 0 }', /\/limits\/flowsPerSecond/],
  ['limits: { flows: 10 }', /\/limits\/flows/],
  [
    'clientless: { listen: { host: 0.0.0.0, port: 1 }, usersFile: u, keyFile: k }',
    /clientless: give certificateFile and keyFile, or neither/,
  ],
])(
  'says what is wrong with processes, limits and the clientless listener: %s',
  async (line, message) => {
    await expect(read(`${least}${line}\n`)).rejects.toThrow(message);
  },
);
