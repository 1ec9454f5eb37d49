import { describe, expect, it } from 'vitest';
import { directRanges } from '#agent/capture/direct-ranges.ts';
import { compileRoutePolicy, decideRoute } from '#agent/forwarding/route.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

const policy = (more: Partial<ForwardingPolicy> = {}): ForwardingPolicy => ({
  mode: 'tunnel',
  bypass: [],
  whenTunnelDown: 'open',
  pinnedEdge: '',
  ...more,
});

const rangesFor = (declared: ForwardingPolicy) => {
  const compiled = compileRoutePolicy(declared, { services: [], listeners: [] });
  const isDirect = (host: string) =>
    decideRoute({ host, port: 0, protocol: 'icmp' }, compiled).action === 'direct';
  return { ...directRanges(declared, isDirect), isDirect };
};

describe('the addresses that go direct', () => {
  it('are those of local networks', () => {
    const { four, six } = rangesFor(policy());
    expect(four).toEqual([
      '10.0.0.0-10.255.255.255',
      '169.254.0.0-169.254.255.255',
      '172.16.0.0-172.31.255.255',
      '192.168.0.0-192.168.255.255',
      '224.0.0.0-239.255.255.255',
      '255.255.255.255-255.255.255.255',
    ]);
    expect(six[0]).toBe('fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
  });

  it('are all of them where forwarding is off', () => {
    const { four, six } = rangesFor(policy({ mode: 'off' }));
    expect(four).toEqual(['0.0.0.0-255.255.255.255']);
    expect(six).toEqual(['::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']);
  });

  it('are those of bypasses and excludes, without what is included inside of them', () => {
    const { four, six } = rangesFor(
      policy({
        bypass: ['11.0.0.7', '2600:9::/32', 'example.test'],
        traffic: {
          addresses: {
            exclude: ['12.0.0.0/8:icmp'],
            include: ['12.1.0.0/16', '0.0.0.0/0', '::/0'],
          },
        },
      }),
    );
    expect(four).toContain('11.0.0.7-11.0.0.7');
    expect(four).toContain('12.0.0.0-12.0.255.255');
    expect(four).toContain('12.2.0.0-12.255.255.255');
    expect(six).toContain('2600:9::-2600:9:ffff:ffff:ffff:ffff:ffff:ffff');
  });

  it('are exactly those that the forwarding decision sends direct', () => {
    const { four, isDirect } = rangesFor(
      policy({ bypass: ['9.0.0.0/9'], privateHosts: ['10.5.0.0/16'], vpnGateways: ['10.5.5.5'] }),
    );
    const number = (text: string) =>
      text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const bounds = four.map((range) => range.split('-').map(number));
    for (let i = 0; i < 5_000; i++) {
      const value = Math.floor((i / 5_000) * 2 ** 32) + (i % 7);
      const text = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
      const isIn = bounds.some(([from = 0, to = 0]) => value >= from && value <= to);
      expect([text, isIn]).toEqual([text, isDirect(text)]);
    }
    expect(bounds.some(([from]) => from === number('10.5.5.5'))).toBe(true);
  });
});
