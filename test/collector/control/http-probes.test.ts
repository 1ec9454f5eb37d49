import { describe, expect, it } from 'vitest';
import { compileProbe, mistakesOf } from './compiled-probe.ts';

const plain = { type: 'http', url: 'https://crm.test/' };
const compile = (changes: object) => compileProbe({ ...plain, ...changes });
const mistakes = (changes: object) => mistakesOf({ ...plain, ...changes });

describe('HTTP probes as declared', () => {
  it('go both ways as a pair, with the defaults written out', () => {
    const probes = compile({});
    expect(probes).toMatchObject([
      { id: 'crm-http', via: 'tunnel', pair: 'crm-http', timeoutMs: 60_000, maxRedirects: 5 },
      { id: 'crm-http-direct', via: 'direct', pair: 'crm-http', maxBodyBytes: 10_000_000 },
    ]);
    // Agents from before these options existed take this plan.
    for (const name of ['requestBody', 'httpVersion', 'family', 'warm']) {
      expect(probes[0]).not.toHaveProperty(name);
    }
  });

  it('are no pair when they go one way', () => {
    expect(compile({ via: 'direct' })[0]).not.toHaveProperty('pair');
  });

  it('carry every option into the plan', () => {
    const options = { httpVersion: '2', method: 'OPTIONS', warm: true, maxBodyBytes: 5 };
    expect(compile(options)[0]).toMatchObject(options);
    expect(compile({ method: 'PATCH', body: '{}' })[0]).toMatchObject({ requestBody: '{}' });
  });

  it('make a probe for each family, straight from the device', () => {
    expect(compile({ family: 'both' })).toMatchObject([
      { id: 'crm-http-ipv4', via: 'direct', family: 'ipv4' },
      { id: 'crm-http-ipv6', via: 'direct', family: 'ipv6' },
    ]);
    expect(compile({ family: 'ipv6' })).toMatchObject([
      { id: 'crm-http', via: 'direct', family: 'ipv6' },
    ]);
  });

  it.each([
    [{ family: 'ipv6', via: 'tunnel' }, '/via'],
    [{ family: 'both', via: 'both' }, '/via'],
    [{ body: 'x' }, '/body'],
    [{ method: 'POST', warm: true }, '/warm'],
    [{ httpVersion: '3' }, '/httpVersion'],
    [{ method: 'TRACE' }, '/method'],
    [{ maxRedirects: 11 }, '/maxRedirects'],
  ])('are refused as %j', (probe, pointer) => {
    expect(mistakes(probe)).toMatchObject([{ pointer: `/applications/0/probes/0${pointer}` }]);
  });
});
