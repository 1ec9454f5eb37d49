import { describe, expect, test } from 'vitest';
import { checkRecords } from '#collector/ingest/check-records.ts';
import { createSiteNames } from '#collector/ingest/site-names.ts';
import type { DeviceSample, TelemetryRecord } from '#contract/telemetry.ts';
import { sampleRecords } from '#test/collector/store/sample-records.ts';

const records = Object.values(sampleRecords);

const senderOf = (record: TelemetryRecord) =>
  record.kind === 'edge' || record.kind === 'onward' || record.kind === 'flow'
    ? ({ role: 'edge', id: record.edgeId } as const)
    : record.kind === 'event'
      ? ({ role: record.source, id: record.sourceId } as const)
      : ({ role: 'device', id: record.deviceId } as const);

const arrive = (record: TelemetryRecord) =>
  checkRecords([record], senderOf(record), Date.parse('2030-01-01'));

/** The record with every text for which there is another one replaced, and where that was. */
const withTexts = (
  record: TelemetryRecord,
  other: (key: string, text: string) => string | undefined,
) => {
  const pointers: string[] = [];
  const walk = (value: unknown, pointer: string): unknown => {
    if (Array.isArray(value)) return value.map((each, index) => walk(each, `${pointer}/${index}`));
    if (typeof value === 'object' && value !== null) {
      const entries = Object.entries(value);
      return Object.fromEntries(entries.map(([key, of]) => [key, walk(of, `${pointer}/${key}`)]));
    }
    if (typeof value !== 'string') return value;
    const text = other(pointer.slice(pointer.lastIndexOf('/') + 1), value);
    if (text === undefined) return value;
    pointers.push(pointer);
    return text;
  };
  return { record: walk(record, '') as TelemetryRecord, pointers };
};

describe('an address', () => {
  test('is one, wherever a record has one, or the record is refused', () => {
    const seen = new Set<string>();
    for (const good of records) {
      expect(arrive(good)).toMatchObject({ rejectedCount: 0 });
      const { record, pointers } = withTexts(good, (key) =>
        /address$|^toldBy$/i.test(key) ? '\u001b[2J\u001b[31mOWNED' : undefined,
      );
      if (pointers.length === 0) continue;
      for (const pointer of pointers) seen.add(pointer.replace(/\/\d+/g, ''));
      const { accepted, rejectedCount, mistakes } = arrive(record);
      expect({ accepted, rejectedCount }).toEqual({ accepted: [], rejectedCount: 1 });
      const named = pointers.slice(0, 50).map((pointer) => `/records/0${pointer}`);
      expect(mistakes.map(({ pointer }) => pointer)).toEqual(named);
    }
    expect([...seen].sort()).toEqual(
      expect.arrayContaining([
        '/body/exchanges/attempts/address',
        '/body/exchanges/edge/address',
        '/body/exchanges/remoteAddress',
        '/body/hops/address',
        '/gateway/address',
        '/path/hops/address',
      ]),
    );
  });

  test('may be of either family and have a zone', () => {
    for (const address of ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0', '::ffff:192.0.2.1']) {
      const { record } = withTexts(device, (key) => (key === 'address' ? address : undefined));
      expect(arrive(record)).toMatchObject({ rejectedCount: 0 });
    }
  });
});

const device = sampleRecords['device'] as DeviceSample;

test('a text keeps its words and loses what would command a terminal', () => {
  const commands = '\u001b]0;t\u0007 \u009b31m \u202egnp.exe\r\nnext\tline';
  const { record } = withTexts(device, (key) => (key === 'name' ? commands : undefined));
  const { accepted } = arrive(record);
  const name = '\ufffd]0;t\ufffd \ufffd31m \ufffdgnp.exe\ufffd\nnext\tline';
  expect(accepted).toEqual([{ ...device, link: { ...device.link, name } }]);
});

describe('a site', () => {
  const at = (siteId: string): DeviceSample => ({
    ...device,
    gateway: { address: '10.0.0.1', rttMs: null, lossRatio: null, siteId },
  });
  const id = 'qL8R4QIcQ_ZsRqOAbeRfcZ';

  test('is told by a keyed hash and by nothing else, least of all another device’s id', () => {
    expect(arrive(at(id))).toMatchObject({ rejectedCount: 0 });
    for (const wrong of [device.deviceId, 'Berlin', '', id.slice(1), `${id}Z`, `${id.slice(1)}.`]) {
      expect(arrive(at(wrong)).mistakes).toEqual([
        {
          pointer: '/records/0/gateway/siteId',
          message: 'expected a keyed hash of 22 characters',
        },
      ]);
    }
  });

  test('has one name for all its devices, which no device can make', () => {
    const nameSite = createSiteNames('the authority’s key');
    const named = nameSite(at(id)) as DeviceSample;
    expect(named.gateway?.siteId).toMatch(/^[\w-]{22}$/);
    expect(named.gateway?.siteId).not.toBe(id);
    expect(nameSite(at(id))).toEqual(named);
    expect(nameSite(at('rL8R4QIcQ_ZsRqOAbeRfcZ'))).not.toEqual(named);
    expect(createSiteNames('another key')(at(id))).not.toEqual(named);
    for (const other of records) if (other.kind !== 'device') expect(nameSite(other)).toBe(other);
  });
});
