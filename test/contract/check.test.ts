import { describe, expect, it } from 'vitest';
import { HttpExchange } from '#contract/body/http.ts';
import { check } from '#contract/check.ts';
import { Organisation } from '#contract/organisation.ts';
import { records } from '#contract/telemetry.ts';

const messageAt = (pointer: string, value: object): string | undefined => {
  const checked = check(Organisation, { version: 1, applications: [], ...value });
  return checked.ok
    ? undefined
    : checked.mistakes.find((mistake) => mistake.pointer === pointer)?.message;
};
const withProbe = (probe: object) => ({
  applications: [{ id: 'crm', name: 'CRM', hosts: [], probes: [probe] }],
});
const http = { type: 'http', url: 'https://crm.test/' };

describe('a property that is not known', () => {
  it.each([
    ['/aplications', { aplications: [] }, 'did you mean “applications”?'],
    ['/forwarding/bypas', { forwarding: { bypas: [] } }, 'did you mean “bypass”?'],
    ['/forwarding/pinnededge', { forwarding: { pinnededge: 'a' } }, 'did you mean “pinnedEdge”?'],
    [
      '/applications/0/probes/0/interval',
      withProbe({ ...http, interval: 5 }),
      'did you mean “intervalSeconds”?',
    ],
    ['/applications/0/probes/0/urll', withProbe({ ...http, urll: 'x' }), 'did you mean “url”?'],
    [
      '/forwarding/colour',
      { forwarding: { colour: 1 } },
      'expected one of mode, bypass, whenTunnelDown, pinnedEdge,',
    ],
  ])('%s names the nearest one, or all', (pointer, value, says) => {
    expect(messageAt(pointer, value)).toContain(`Unexpected property: ${says}`);
  });
});

describe('a text of the wrong form', () => {
  it.each([
    [
      '/applications/0/probes/0/id',
      withProbe({ ...http, id: 'Log In' }),
      'expected lower-case letters, digits, dot, underscore, hyphen; at most 64 characters',
    ],
    [
      '/applications/0/probes/0/url',
      withProbe({ ...http, url: 'crm.test' }),
      'expected a URL that begins with http:// or https://',
    ],
    [
      '/applications/0/probes/0/steps/0/key',
      withProbe({ ...http, type: 'page-load', steps: [{ type: 'press', key: 'Return' }] }),
      'expected a key as Enter, Tab, Escape, ArrowDown, F5, or one character',
    ],
  ])('%s is told in words, without a regular expression', (pointer, value, says) => {
    expect(messageAt(pointer, value)).toBe(says);
  });
});

const said = (schema: Parameters<typeof check>[0], value: unknown): Record<string, string> => {
  const checked = check(schema, value);
  const mistakes = checked.ok ? [] : checked.mistakes;
  return Object.fromEntries(mistakes.map(({ pointer, message }) => [pointer, message]));
};

describe('a record’s mistake says what is wanted', () => {
  const tunnel = (changes: object) => said(records.tunnel, { kind: 'tunnel', ...changes });
  const exchange = (changes: object) => said(HttpExchange, changes);

  it.each([
    ['a number that may be null', { controlRttMs: 'x' }, '/controlRttMs'],
    ['below 0', { controlRttMs: -1 }, '/controlRttMs'],
  ])('%s', (_name, changes, pointer) => {
    expect(tunnel(changes)[pointer]).toMatch(
      /^expected a number from 0 to 86400000 \(milliseconds\) or null, not /,
    );
  });

  it('a key that is missing', () => {
    expect(tunnel({})['/queueMs']).toBe(
      'missing: expected a number from 0 to 86400000 (milliseconds) or null',
    );
    expect(tunnel({})['/deviceId']).toBe('missing: expected RFC 9562 UUID, lower case');
    expect(tunnel({})['/state']).toBe('missing: expected one of up, down, connecting, off');
  });

  it('a time in seconds, or as text', () => {
    const epoch = 'a number from 1577836800000 to 4102444800000 (epoch milliseconds, ';
    expect(tunnel({ at: 1_788_253_200 })['/at']).toContain(`expected ${epoch}`);
    expect(tunnel({ at: 1_788_253_200 })['/at']).toMatch(/, not 1788253200$/);
    expect(tunnel({ at: '2026-09-01T09:00Z' })['/at']).toMatch(/, not this text$/);
  });

  it('an object that may be null, by its own fields', () => {
    expect(exchange({ edge: { queueMs: 1 } })).toMatchObject({
      '/edge/edgeId': expect.stringMatching(/^missing: expected lower-case/),
      '/edge/address': 'missing: expected text of at most 64 characters or null',
    });
    expect(exchange({ edge: 7 })['/edge']).toBe(
      'expected an object with edgeId, queueMs, dnsMs, connectMs, address or null, not 7',
    );
  });

  it('one of several values', () => {
    expect(said(records.http, { kind: 'result', availability: 2 })['/availability']).toBe(
      'expected one of 0, 1, not 2',
    );
  });

  it('never repeats a text, which may be a secret', () => {
    const words = JSON.stringify([tunnel({ at: 'hunter2' }), exchange({ edge: 'hunter2' })]);
    expect(words).not.toContain('hunter2');
  });
});
