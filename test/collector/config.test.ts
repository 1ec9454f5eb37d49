import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { collectorDefaults, readCollectorConfig } from '#collector/config.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const nothingSet = () => undefined;

const fileWith = async (text: string): Promise<string> => {
  const path = join(await makeTemporaryFolder(), 'collector.yaml');
  writeFileSync(path, text);
  return path;
};

describe('the collector’s config', () => {
  test('needs no file', () => {
    expect(readCollectorConfig(undefined, nothingSet)).toEqual(collectorDefaults);
  });

  test('is defaults, then the file, then the environment', async () => {
    const path = await fileWith('stateFolder: /a\ndiagnoseDelayMs: 1\n');
    const set: Record<string, string> = {
      WHYSLOW_STATE_FOLDER: '/b',
      WHYSLOW_OPERATOR_LISTEN: '[::1]:9000',
      WHYSLOW_POSTGRES_URL: 'postgres://db/whyslow',
      WHYSLOW_INFLUXDB_URL: 'http://influx:8086',
    };
    expect(readCollectorConfig(path, (name) => set[name])).toEqual({
      ...collectorDefaults,
      stateFolder: '/b',
      diagnoseDelayMs: 1,
      operatorListen: { host: '::1', port: 9000 },
      state: { engine: 'postgres', url: 'postgres://db/whyslow' },
      store: { engine: 'influxdb', url: 'http://influx:8086', database: 'whyslow' },
    });
  });

  test('of the diagnosis takes each field by itself', async () => {
    const path = await fileWith('diagnosis: { shardBy: edge }\n');
    const set: Record<string, string> = { WHYSLOW_DIAGNOSIS_BIN_SECONDS: '300' };
    const config = readCollectorConfig(path, (name) => set[name]);
    expect(config.diagnosis).toEqual({ binSeconds: 300, shardBy: 'edge' });
    const grace = { WHYSLOW_DIAGNOSIS_GRACE_SECONDS: '5', WHYSLOW_DIAGNOSIS_SHARD_BY: 'country' };
    const read = (name: string) => (grace as Record<string, string>)[name];
    expect(() => readCollectorConfig(undefined, read)).toThrow(/\/diagnosis\/shardBy/);
  });

  test('of the retention takes each field by itself; what others are made of is kept no longer', async () => {
    const path = await fileWith('retention: { rawDays: 7 }\n');
    const set: Record<string, string> = { WHYSLOW_RETENTION_HOUR_DAYS: '365' };
    const config = readCollectorConfig(path, (name) => set[name]);
    expect(config.retention).toEqual({ rawDays: 7, fiveMinuteDays: 90, hourDays: 365 });
    set['WHYSLOW_RETENTION_HOUR_DAYS'] = '80';
    const read = (name: string) => set[name];
    expect(() => readCollectorConfig(path, read)).toThrow(
      /retention\/hourDays: expected at least 90/,
    );
  });

  test.each([
    ['retention: { rawDays: 0 }', /\/retention\/rawDays/],
    ['retention: { rawDays: 91 }', /\/retention\/fiveMinuteDays: expected at least 91/],
    ['retention: { days: 3 }', /\/retention\/days: Unexpected/],
    ['retention: long', /\/retention/],
    ['diagnosis: { binSeconds: 0 }', /\/diagnosis\/binSeconds/],
    ['diagnosis: { bins: 60 }', /\/diagnosis\/bins: Unexpected/],
    ['diagnosis: fast', /\/diagnosis/],
    ['stateFoldr: /a', /\/stateFoldr: Unexpected/],
    ['deviceListen: { host: a, port: 70000 }', /\/deviceListen\/port/],
    ['store: { engine: sqlite }', /\/store\/engine: expected duckdb or influxdb/],
    ['store: { engine: influxdb, url: "http://a" }', /\/store\/database/],
    ['state: { engine: postgres, url: mysql://a }', /\/state\/url/],
    ['- a', /expected fields/],
  ])('%s is refused by name', async (text, says) => {
    const path = await fileWith(text);
    expect(() => readCollectorConfig(path, nothingSet)).toThrow(says);
  });

  test('a listen address without a port is refused by the variable’s name', () => {
    const read = (name: string) => (name === 'WHYSLOW_DEVICE_LISTEN' ? '0.0.0.0' : undefined);
    expect(() => readCollectorConfig(undefined, read)).toThrow(/WHYSLOW_DEVICE_LISTEN.*host:port/);
  });
});
