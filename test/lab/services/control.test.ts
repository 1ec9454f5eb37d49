import { describe, expect, it } from 'vitest';
import { healthyNames, healthyWeb, wrongInChange } from './control.ts';

describe('a change of a service', () => {
  it('may name any field, all of them or none', () => {
    expect(wrongInChange('server', {})).toBeUndefined();
    expect(wrongInChange('server', healthyWeb)).toBeUndefined();
    expect(wrongInChange('name-server', healthyNames)).toBeUndefined();
  });

  it.each([
    ['server', { thinkMs: 200_000 }, '/thinkMs'],
    ['server', { errorStatus: 200 }, '/errorStatus'],
    ['server', { bytesPerSecond: 1 }, '/bytesPerSecond'],
    ['server', { certificate: 'forged' }, '/certificate'],
    ['server', { hangs: 1 }, '/hangs'],
    ['server', { delayMs: 1 }, '/delayMs'],
    ['name-server', { dropRatio: -0.1 }, '/dropRatio'],
    ['name-server', { rcode: 'FINE' }, '/rcode'],
    ['name-server', { wrongAnswers: { 'a.test': ['11.0.0.256'] } }, '/wrongAnswers/a.test'],
  ] as const)('to a %s with %o is refused by the name of its field', (role, change, field) => {
    expect(wrongInChange(role, change)?.split(':')[0]).toBe(field);
  });

  it('is not for nodes without a behaviour', () => {
    expect(wrongInChange('router', {})).toBe('a router has no behaviour to set');
  });
});
