import { describe, expect, it } from 'vitest';
import { createAddressPool, poolMistake, restMs } from '#edge/ip/address-pool.ts';
import { leasesPerDevice } from '#edge/ip/ip-forwarding.ts';
import { addressText } from '#runtime/ip-packet.ts';

const clock = { nowMs: 0 };
const monotonicMs = () => clock.nowMs;
const poolOf = (text: string, part?: { index: number; count: number }) =>
  createAddressPool(text, { part, monotonicMs });

const take = (pool: ReturnType<typeof createAddressPool>, holder: string) => {
  const address = pool.take(holder);
  return address && addressText(address);
};

describe('a pool of addresses', () => {
  it('gives each holder another one, and the first to the edge itself', () => {
    const pool = poolOf('100.96.0.0/29');
    expect(addressText(pool.own)).toBe('100.96.0.1');
    const given = ['a', 'b', 'c', 'd', 'e'].map((holder) => take(pool, holder));
    expect(given).toEqual(['100.96.0.2', '100.96.0.3', '100.96.0.4', '100.96.0.5', '100.96.0.6']);
    expect(take(pool, 'f')).toBeUndefined();
  });

  it('gives a device that comes back the address it had', () => {
    const pool = poolOf('fd77::/64');
    const first = pool.take('a') ?? Buffer.alloc(16);
    take(pool, 'b');
    pool.release(first);
    take(pool, 'c');
    expect(take(pool, 'a')).toBe(addressText(first));
    expect(take(pool, 'a')).toBe('fd77::5');
  });

  it('gives an address to another holder only when it rested for 3 minutes', () => {
    const pool = poolOf('100.96.0.0/29');
    const given = ['a', 'b', 'c', 'd', 'e'].map((holder) => pool.take(holder));
    pool.release(given[1] ?? Buffer.alloc(4));
    expect(take(pool, 'f')).toBeUndefined();
    clock.nowMs += restMs - 1;
    expect(take(pool, 'f')).toBeUndefined();
    // Its own it gets back, and then the time begins anew.
    expect(take(pool, 'b')).toBe('100.96.0.3');
    pool.release(given[1] ?? Buffer.alloc(4));
    clock.nowMs += 1;
    expect(take(pool, 'f')).toBeUndefined();
    clock.nowMs += restMs;
    expect(take(pool, 'f')).toBe('100.96.0.3');
    expect(restMs).toBe(180_000);
  });

  it('is not worn out by a device that comes and goes', () => {
    const pool = poolOf('100.96.0.0/29');
    const used = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) {
      const held = [pool.take('a'), pool.take('a')];
      for (const address of held) {
        used.add(address && addressText(address));
        if (address) pool.release(address);
      }
    }
    expect([...used].sort()).toEqual(['100.96.0.2', '100.96.0.3']);
    expect(take(pool, 'b')).toBe('100.96.0.4');
  });

  it('is divided among the processes of an edge', () => {
    const parts = [0, 1, 2].map((index) => poolOf('100.96.0.0/16', { index, count: 3 }));
    expect(parts.map(({ text }) => text)).toEqual([
      '100.96.0.0/18',
      '100.96.64.0/18',
      '100.96.128.0/18',
    ]);
    expect(parts.map((pool) => take(pool, 'a'))).toEqual([
      '100.96.0.2',
      '100.96.64.2',
      '100.96.128.2',
    ]);
    expect(poolOf('fd77::/64', { index: 1, count: 2 }).text).toBe('fd77::8000:0:0:0/65');
  });

  it('gives a device four over all processes, and two in each for a change of sessions', () => {
    expect([1, 2, 3, 4, 8].map(leasesPerDevice)).toEqual([4, 2, 2, 2, 2]);
  });

  it('is not divided into parts that are none', () => {
    expect(() => poolOf('100.96.0.0/29', { index: 0, count: 2 })).toThrow(/too small for 2/);
  });

  it.each([
    ['100.96.0.0/16', 4, undefined],
    ['fd77::/64', 6, undefined],
    ['100.96.0.0', 4, /no range of IPv4/],
    ['fd77::/64', 4, /no range of IPv4/],
    ['100.96.0.0/30', 4, /\/8 to a \/29/],
    ['fd77::/128', 6, /\/32 to a \/120/],
    ['pool', 6, /no range of IPv6/],
  ] as const)('%s for IPv%i is checked in the config', (text, family, mistake) => {
    const said = poolMistake(text, family);
    if (mistake === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(mistake);
  });
});
