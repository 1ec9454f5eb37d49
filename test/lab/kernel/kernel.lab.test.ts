import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startIperfServer } from '#test/lab/shim/iperf.ts';
import { makePair } from '#test/lab/shim/pair.ts';
import { switchOffloadsOff } from './link-settings.ts';
import { enterNamespace, inNamespace } from './namespace.ts';

test('work in a namespace sees its interfaces, and the thread comes home, also after an error', () => {
  const { a, b } = makePair();
  const names = () =>
    [...readFileSync('/proc/thread-self/net/dev', 'utf8').matchAll(/^ *([\w-]+):/gm)].map(
      ([, name]) => name,
    );
  const home = names();
  expect(inNamespace(a, names)).toContain('to-b');
  expect(inNamespace(a, () => inNamespace(b, names).concat(names()))).toEqual(
    expect.arrayContaining(['to-a', 'to-b']),
  );
  expect(() =>
    inNamespace(a, () => {
      throw new Error('of the work');
    }),
  ).toThrow('of the work');
  expect(names()).toEqual(home);
});

test('a setting of a namespace is written there only', () => {
  const { a, b } = makePair();
  const setting = '/proc/sys/net/ipv4/conf/all/rp_filter';
  const read = () => readFileSync(setting, 'utf8').trim();
  const home = read();
  inNamespace(b, () => writeFileSync(setting, '0'));
  inNamespace(a, () => writeFileSync(setting, '2'));
  expect([inNamespace(a, read), inNamespace(b, read), read()]).toEqual(['2', '0', home]);
});

test('a namespace that is not there and an interface that is not there are errors', () => {
  const { a } = makePair();
  expect(() => enterNamespace('wl-nowhere')).toThrow('/var/run/netns/wl-nowhere');
  expect(() => inNamespace(a, () => switchOffloadsOff('to-nobody'))).toThrow('ENODEV');
  expect(() => inNamespace(a, () => switchOffloadsOff('a-name-far-too-long'))).toThrow('too long');
});

test('without offloads no packet is larger than the link’s MTU', async () => {
  const pair = makePair();
  await startIperfServer(pair);
  await pair.run(pair.a, 'iperf3', '--client', pair.addressOfB, '--bytes', '20M');
  const said = await pair.run(pair.a, 'ip', '-json', '-stats', 'link', 'show', 'dev', 'to-b');
  const [{ stats64 }] = JSON.parse(said) as [{ stats64: { tx: Record<string, number> } }];
  const { bytes = 0, packets = 0 } = stats64.tx;
  expect(bytes).toBeGreaterThan(10_000_000);
  // A frame is the MTU and 14 bytes of Ethernet; with offloads the mean is some 30,000.
  expect(bytes / packets).toBeLessThanOrEqual(1_514);
});
