import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { check, explain } from '#contract/check.ts';
import { failureFacts, failureTypes } from '#contract/failure.ts';
import { Organisation } from '#contract/organisation.ts';
import { jsonSchema, type SchemaName, schemaSet } from '#contract/schema-set.ts';
import { formatEdgeTiming, parseEdgeTiming } from '#contract/server-timing.ts';
import { TunnelSample } from '#contract/telemetry.ts';

const names = Object.keys(schemaSet) as SchemaName[];

const tunnelSample = {
  kind: 'tunnel',
  id: '3f1c2f9e-5d0a-4a53-9f0c-6f2a8f0f7a11',
  deviceId: '3f1c2f9e-5d0a-4a53-9f0c-6f2a8f0f7a12',
  edgeId: 'edge-a',
  at: 1_790_000_000_000,
  state: 'up',
  controlRttMs: 12.5,
  dataRttMs: null,
  queueMs: null,
  handshakeMs: null,
  underlayRttMs: null,
  sessionCount: 2,
  streamCount: 0,
  upBytes: 0,
  downBytes: 0,
  reconnectCount: 0,
  pingLostCount: 0,
  pingSentCount: 5,
};

describe('the contract', () => {
  test.each(names)('%s is a JSON Schema that stands alone and compiles', (name) => {
    const schema = jsonSchema(name);
    expect(JSON.stringify(schema)).not.toContain('$ref');
    const validate = new Ajv2020({ strict: false }).compile(schema);
    expect(validate({ surely: 'not one of ours' })).toBe(false);
  });

  test('the served schema and the compiled checker agree', () => {
    const validate = new Ajv2020({ strict: false }).compile(jsonSchema('sample-tunnel'));
    for (const value of [
      tunnelSample,
      { ...tunnelSample, controlRttMs: -1 },
      { ...tunnelSample, state: 'sideways' },
      { ...tunnelSample, at: 1_790_000_000 },
      { ...tunnelSample, extra: 1 },
    ]) {
      expect(validate(value)).toBe(check(TunnelSample, value).ok);
    }
  });

  test.each([
    ['a negative duration', { controlRttMs: -1 }, '/controlRttMs'],
    ['seconds where milliseconds belong', { at: 1_790_000_000 }, '/at'],
    ['an unknown word', { state: 'sideways' }, '/state'],
    ['a key that does not exist', { rtt: 3 }, '/rtt'],
    ['a missing value instead of null', { queueMs: undefined }, '/queueMs'],
  ])('%s is refused by the name of its field', (_, change, pointer) => {
    const checked = check(TunnelSample, JSON.parse(JSON.stringify({ ...tunnelSample, ...change })));
    expect(checked.ok ? [] : checked.mistakes.map((mistake) => mistake.pointer)).toContain(pointer);
  });

  test('a wrong word is answered with the words that would be right', () => {
    const checked = check(TunnelSample, { ...tunnelSample, state: 'sideways' });
    expect(checked.ok ? '' : explain(checked.mistakes)).toContain('up, down, connecting, off');
  });

  test('every failure type says who is at fault and what to do', () => {
    expect(Object.keys(failureFacts)).toEqual([...failureTypes]);
    for (const { action } of Object.values(failureFacts)) expect(action).toMatch(/^[A-Z].{20,}\.$/);
  });

  test.each([
    ['a bad URL', { type: 'http', url: 'ftp://x' }, '/applications/0/probes/0/url'],
    ['an unknown type', { type: 'htp', url: 'https://x/' }, '/applications/0/probes/0/type'],
    [
      'a port out of range',
      { type: 'path', host: 'x', port: 99_999 },
      '/applications/0/probes/0/port',
    ],
    ['a misspelt key', { type: 'dns', name: 'x', sever: 'y' }, '/applications/0/probes/0/sever'],
  ])('%s in a probe is named by its field, not by the union', (_, probe, pointer) => {
    const application = { id: 'a', name: 'A', hosts: [], probes: [probe] };
    const checked = check(Organisation, { version: 1, applications: [application] });
    expect(checked.ok ? [] : checked.mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
  });

  test('an unknown key in a configuration is an error at its place', () => {
    const checked = check(Organisation, { version: 1, applications: [], webhook: [] });
    expect(checked.ok ? [] : checked.mistakes.map(({ pointer }) => pointer)).toEqual(['/webhook']);
  });
});

describe('Server-Timing of an edge', () => {
  const timing = {
    edgeId: 'edge-a',
    queueMs: 0.125,
    dnsMs: 2.5,
    connectMs: 9.75,
    address: '192.0.2.7',
  };

  test('survives the header', () => {
    expect(parseEdgeTiming(formatEdgeTiming(timing))).toEqual(timing);
    const second = { ...timing, waitedMs: 300.5 };
    expect(parseEdgeTiming(formatEdgeTiming(second))).toEqual(second);
    const cached = { ...timing, dnsMs: null, connectMs: null, address: null };
    expect(parseEdgeTiming(formatEdgeTiming(cached))).toEqual(cached);
  });

  test.each([undefined, '', 'cache;desc="hit";dur=1', 'edge', ';;;,,,'])(
    'is nothing in %j',
    (header) => {
      expect(parseEdgeTiming(header)).toBeNull();
    },
  );

  test('does not believe a negative or unreadable duration', () => {
    expect(parseEdgeTiming('edge;desc="e", queue;dur=x, connect;dur=-4')).toEqual({
      edgeId: 'e',
      queueMs: 0,
      dnsMs: null,
      connectMs: null,
      address: null,
    });
  });
});
