import { describe, expect, it } from 'vitest';
import { readLine } from '#cli/replay/read-line.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import { check } from '#contract/check.ts';
import { records, type TelemetryRecord } from '#contract/telemetry.ts';

const deviceId = '00000000-0000-4000-8100-000000000001';
const at = Date.UTC(2026, 8, 1, 9);
const run = { kind: 'result', deviceId, startedAt: at };
const phases = { proxyConnectMs: 40, tlsMs: 30, waitMs: 90, receiveMs: 2 };
const http = {
  ...run,
  type: 'http',
  appId: 'payroll',
  probeId: 'payroll-http',
  via: 'tunnel',
  edgeId: 'ams',
  body: { exchanges: [{ phases, edge: { queueMs: 0.2, connectMs: 12 } }] },
};
const hop = { ttl: 1, address: '192.168.1.1', sentCount: 3, receivedCount: 3, rttMedianMs: 2 };
const path = {
  ...run,
  type: 'path',
  appId: 'whyslow-edge',
  probeId: 'edge-path-ams',
  via: 'direct',
  body: { reached: true, hops: [hop] },
};
const tunnel = { kind: 'tunnel', deviceId, at, state: 'up', edgeId: 'ams', controlRttMs: 25 };
const device = { kind: 'device', deviceId, at, eventLoopDelayMs: 0.3, gateway: { rttMs: 2 } };
const edge = { kind: 'edge', edgeId: 'ams', at, eventLoopDelayMs: 0.2 };
const onward = { kind: 'onward', edgeId: 'ams', appId: 'payroll', at, connectMs: 12 };
const failing = {
  ...http,
  failure: { type: 'edge.dial_failed' },
  body: undefined,
};
const page = {
  ...run,
  type: 'page-load',
  appId: 'payroll',
  probeId: 'payroll-page',
  via: 'tunnel',
  edgeId: 'ams',
  body: { loadMs: 900, hosts: [{ host: 'cdn.test', longestMs: 80, isThirdParty: true }] },
};

/** As from the file: through JSON. */
const read = (record: object) => readLine(JSON.stringify(record), 7);
const reading = (record: object) => {
  const line = read(record);
  if (!line.ok) throw new Error(JSON.stringify(line.mistakes));
  return readingOf(line.value as TelemetryRecord);
};

describe('a record with the needed keys only', () => {
  it.each([
    ['http', http],
    ['http that failed', failing],
    ['path', path],
    ['page-load', page],
    ['tunnel', tunnel],
    ['device', device],
    ['edge', edge],
    ['onward', onward],
  ])('%s is read in a replay; at ingest it is refused', (name, record) => {
    expect(read(record)).toMatchObject({ ok: true });
    const schema = records[name.split(' ')[0] as keyof typeof records];
    expect(check(schema, JSON.parse(JSON.stringify(record))).ok).toBe(false);
  });

  it('says of what was left out that it was not measured', () => {
    expect(reading(http)).toMatchObject({
      ok: true,
      distorted: false,
      totalMs: 162,
      dnsMs: null,
      connectMs: null,
      proxyConnectMs: 40,
      edge: { queueMs: 0.2, dnsMs: null, connectMs: 12, address: null },
    });
    expect(reading(tunnel)).toMatchObject({
      up: true,
      queueMs: null,
      underlayRttMs: null,
      pingSentCount: 0,
    });
    expect(reading(device)).toMatchObject({ cpuRatio: null, gatewayRttMs: 2, siteId: null });
    expect(reading(onward)).toMatchObject({ dnsMs: null, hops: [], address: null });
    expect(reading(page)).toMatchObject({ lcpMs: null, thirdParties: [{ longestMs: 80 }] });
  });

  it('a failure is told by its type', () => {
    expect(reading(failing)).toMatchObject({ ok: false, failureType: 'edge.dial_failed' });
    const line = read(failing);
    expect(line.ok && line.value).toMatchObject({
      availability: 0,
      failure: { source: 'target', phase: 'proxy-connect', action: expect.stringMatching(/./) },
    });
  });

  it('null for a count or a list is the same as left out', () => {
    const nulls = { ...tunnel, pingSentCount: null, upBytes: null };
    expect(reading(nulls)).toEqual(reading(tunnel));
    const [exchange] = http.body.exchanges;
    const attempts = { ...http, body: { exchanges: [{ ...exchange, attempts: null }] } };
    expect(reading(attempts)).toEqual(reading(http));
  });
});

describe('what is never filled in', () => {
  const without = (record: object, key: string) => ({ ...record, [key]: undefined });
  const withHop = (key: string) => ({
    ...path,
    body: { ...path.body, hops: [without(hop, key)] },
  });

  it.each([
    ['/startedAt', without(http, 'startedAt')],
    ['/deviceId', without(http, 'deviceId')],
    ['/appId', without(http, 'appId')],
    ['/probeId', without(http, 'probeId')],
    ['/via', without(http, 'via')],
    ['/body', without(http, 'body')],
    ['/body/exchanges', { ...http, body: {} }],
    ['/body/exchanges/0/durationMs', { ...http, body: { exchanges: [{ status: 200 }] } }],
    ['/body/exchanges/0/edge/queueMs', { ...http, body: { exchanges: [{ phases, edge: {} }] } }],
    ['/body/reached', { ...path, body: { hops: [hop] } }],
    ['/body/hops/0/ttl', withHop('ttl')],
    ['/body/hops/0/sentCount', withHop('sentCount')],
    ['/body/hops/0/receivedCount', withHop('receivedCount')],
    ['/state', without(tunnel, 'state')],
    ['/at', without(tunnel, 'at')],
    ['/eventLoopDelayMs', without(device, 'eventLoopDelayMs')],
    ['/edgeId', without(edge, 'edgeId')],
    ['/appId', without(onward, 'appId')],
  ])('%s', (pointer, record) => {
    const line = read(record);
    expect(line).toMatchObject({
      ok: false,
      mistakes: [{ pointer, message: expect.stringMatching(/^missing: expected /) }],
    });
  });

  it('what is of another kind than it should be stays a mistake', () => {
    for (const odd of [
      { ...http, body: [] },
      { ...http, failure: 7 },
      { ...http, self: 'x' },
    ]) {
      expect(read(odd).ok).toBe(false);
    }
    expect(read({ ...tunnel, constructor: {} }).ok).toBe(false);
  });
});
