import { describe, expect, it } from 'vitest';
import { check } from '#contract/check.ts';
import { Organisation } from '#contract/organisation.ts';

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
