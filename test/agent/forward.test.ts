import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Forwarding } from '#agent/forward.ts';
import { createEdgeLab } from '../support/edge-lab.ts';
import { startLoopbackForwarding } from '../support/loopback-forwarding.ts';
import { type Origin, startOrigin } from '../support/origin.ts';

let lab: Awaited<ReturnType<typeof createEdgeLab>>;
let origin: Origin;
let forwarding: Forwarding;

beforeAll(async () => {
  lab = await createEdgeLab();
  origin = await startOrigin();
  const identity = await lab.device();
  forwarding = await startLoopbackForwarding(identity);
  forwarding.setPolicy({
    forwarding: { mode: 'tunnel', bypass: [], whenTunnelDown: 'open', pinnedEdge: '' },
    edges: [],
  });
});

afterAll(async () => {
  await forwarding.stop();
  await origin.stop();
  await lab.stop();
});

const connectThrough = async (proxy: { host: string; port: number }): Promise<string> => {
  const socket = connect(proxy.port, proxy.host);
  socket.write(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return head.toString();
};

test('with the tunnel down a user goes direct where the policy is open, and is told so', async () => {
  const head = await connectThrough(forwarding.proxy);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  expect(head).toMatch(/proxy-status:.*direct/i);
});

test('a probe through the tunnel never measures the direct way instead', async () => {
  const head = await connectThrough(forwarding.probeProxy);
  expect(head).toMatch(/^HTTP\/1\.1 503 /);
  expect(head).toMatch(/proxy-status: whyslow-agent; error=destination_unavailable/i);
});

test('the probes’ own flows are not counted as the user’s', () => {
  const { tunnel, direct, refused } = forwarding.decisions();
  expect({ tunnel, direct, refused }).toEqual({ tunnel: 0, direct: 1, refused: 0 });
});

test('what the policy sends direct is known before a run through the tunnel is made', async () => {
  const at = (host: string) => forwarding.bypassOf({ host, port: 443 });
  forwarding.setPolicy({
    forwarding: {
      mode: 'tunnel',
      bypass: ['.direct.test'],
      whenTunnelDown: 'open',
      pinnedEdge: '',
      identityProviders: ['login.test'],
      onNetwork: { 'off-trusted': 'none' },
    },
    edges: [],
  });
  expect(await at('a.direct.test')).toBe('bypass .direct.test');
  expect(await at('login.test')).toBe('identity-provider login.test');
  expect(await at('app.test')).toBeUndefined();
});

test('on a network that the agent keeps out of, the user goes direct and probes still do not', async () => {
  forwarding.setPolicy({
    forwarding: {
      mode: 'tunnel',
      bypass: [],
      whenTunnelDown: 'closed',
      pinnedEdge: '',
      onNetwork: { trusted: 'none', vpn: 'none', 'split-vpn': 'none', 'off-trusted': 'none' },
    },
    edges: [],
  });
  const head = await connectThrough(forwarding.proxy);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  expect(head).toContain(`direct, network ${forwarding.network().type}: none`);
  expect(await connectThrough(forwarding.probeProxy)).toMatch(/^HTTP\/1\.1 503 /);
});
