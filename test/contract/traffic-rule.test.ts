import { expect, it } from 'vitest';
import { parseTrafficRule } from '#contract/forwarding.ts';

it.each([
  ['192.0.2.7', { address: '192.0.2.7', family: 4, prefixBits: 32 }],
  ['192.0.2.0/24:443', { prefixBits: 24, ports: { from: 443, to: 443 } }],
  ['192.0.2.0/24:5000-5100:udp', { ports: { from: 5_000, to: 5_100 }, protocol: 'udp' }],
  ['192.0.2.0/24:icmp', { ports: undefined, protocol: 'icmp' }],
  ['2001:db8::1', { address: '2001:db8::1', family: 6, prefixBits: 128 }],
  ['2001:db8::/32', { family: 6, prefixBits: 32 }],
  ['[2001:db8::]/32:443:tcp', { prefixBits: 32, ports: { from: 443, to: 443 }, protocol: 'tcp' }],
])('%s is read', (text, rule) => {
  expect(parseTrafficRule(text)).toMatchObject({ text, ...rule });
});

it.each([
  ['example.com', 'no IP address'],
  ['192.0.2.0/33', '/33 is longer'],
  ['192.0.2.1:0', '1 to 65535'],
  ['192.0.2.1:90-80', 'the lower one first'],
  ['192.0.2.1:443:sctp', 'tcp, udp, icmp'],
  ['192.0.2.1:443:tcp:x', 'expected address'],
  ['', 'expected address'],
])('“%s” is refused: %s', (text, mistake) => {
  expect(parseTrafficRule(text)).toEqual({ mistake: expect.stringContaining(mistake) });
});
