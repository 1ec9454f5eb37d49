import { describe, expect, it } from 'vitest';
import { createRefusals, isNotPermitted } from '#probes/path/not-permitted.ts';

describe('a way to send that this machine does not permit', () => {
  it('is told from an error of another kind', () => {
    const failing = (message: string, code?: string): NodeJS.ErrnoException =>
      Object.assign(new Error(message), code === undefined ? {} : { code });
    expect(isNotPermitted(failing('socket', 'EPERM'))).toBe(true);
    expect(isNotPermitted(failing('socket', 'EACCES'))).toBe(true);
    expect(isNotPermitted(failing('Operation not permitted'))).toBe(true);
    expect(isNotPermitted(failing('no socket left', 'EMFILE'))).toBe(false);
    expect(isNotPermitted(failing('out of range', 'ERR_OUT_OF_RANGE'))).toBe(false);
    expect(isNotPermitted(failing('x is undefined'))).toBe(false);
  });

  it('is tried again after five minutes', () => {
    let nowMs = 0;
    const refusals = createRefusals({ now: () => nowMs });
    expect(refusals.of('icmp over IPv4')).toBeUndefined();
    refusals.note('icmp over IPv4', 'operation not permitted');
    nowMs = 299_000;
    expect(refusals.of('icmp over IPv4')).toBe('operation not permitted');
    expect(refusals.of('udp over IPv4')).toBeUndefined();
    nowMs = 300_000;
    expect(refusals.of('icmp over IPv4')).toBeUndefined();
  });
});
