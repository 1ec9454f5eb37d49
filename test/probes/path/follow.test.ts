import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import type { TypedOutcome } from '#probes/registry.ts';
import { createProbers, runProbe, stopProbers } from '#probes/registry.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { pathProbe } from './path-probe.ts';

it('a path that follows an HTTP probe goes to the address that probe went to', async () => {
  // Only here: who took a name's other address, or another of loopback's, would not get through.
  const server = createServer((_request, response) => response.end('well'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.7', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const probers = createProbers();
  onTestFinished(() => stopProbers(probers));

  const following = pathProbe('no-such-name.invalid', {
    follow: ['shop-direct', 'shop'],
    protocol: 'tcp',
    port,
    packetCount: 3,
    timeoutMs: 2_000,
  });
  const trace = async (): Promise<TypedOutcome> => runProbe(probers, following, probeContext());
  // Nothing to follow yet: its own name is asked for.
  expect((await trace()).failure?.phase).toBe('dns');

  const http = httpProbe(`http://127.0.0.7:${port}/`, { id: 'shop' });
  expect((await runProbe(probers, http, probeContext())).failure).toBeNull();
  expect(await trace()).toMatchObject({
    failure: null,
    body: { address: '127.0.0.7', reached: true, lossRatio: 0 },
  });
});
