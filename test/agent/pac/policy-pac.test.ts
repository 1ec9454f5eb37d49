import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Forwarding } from '#agent/forward.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { createEdgeLab, type EdgeLab } from '#test/support/edge-lab.ts';
import { startLoopbackForwarding } from '#test/support/loopback-forwarding.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let origin: Origin;
let forwarding: Forwarding;
let edges: Awaited<ReturnType<EdgeLab['edge']>>[];
const events: string[] = [];

const application = `
  function FindProxyForURL(url, host) {
    if (host == 'a.test') return 'PROXY edge-a.edge.whyslow.internal:443';
    if (host == 'b.test') return 'PROXY edge-b.edge.whyslow.internal:443; DIRECT';
    if (host == 'first.test') return 'PROXY \${GATEWAY_HOST}:443';
    if (host == 'second.test') return 'PROXY \${SECONDARY_GATEWAY_HOST}:443';
    if (host == 'next.test') return 'PROXY squid.test:3128; HTTPS edge-b.edge.whyslow.internal:443';
    if (host == 'any.test') return 'PROXY \${TUNNEL}';
    if (host == 'agent.test') return 'PROXY \${ZAPP_LOCAL_PROXY}';
    if (host == 'stranger.test') return 'PROXY squid.test:3128';
    if (host == 'broken.test') return nothing();
    if (host == 'network.test') return '\${TRUSTED_NETWORK}' == 'OFF' ? 'DIRECT' : 'PROXY edge-b.edge.whyslow.internal';
    if (isInNet(host, '127.0.0.0', '255.0.0.0')) return 'DIRECT';
    return null;
  }`;
const blockAll = [{ id: 'all', action: 'block' as const, hosts: ['*'], ports: [], devices: [] }];

beforeAll(async () => {
  lab = await createEdgeLab();
  origin = await startOrigin();
  edges = [
    await lab.edge('edge-a', { access: blockAll }),
    await lab.edge('edge-b', { access: blockAll }),
  ];
  const identity = await lab.device();
  forwarding = await startLoopbackForwarding(identity, {
    onPac: (name, reason) => events.push(`${name}: ${reason}`),
  });
  setPolicy({});
  await waitUntil(() => forwarding.tunnel.status().edges.every(({ isUp }) => isUp));
  await waitUntil(() => forwarding.tunnel.status().edgeId === 'edge-a');
});
afterAll(async () => {
  await forwarding.stop();
  await origin.stop();
  await lab.stop();
});

const setPolicy = (changes: Partial<ForwardingPolicy>) =>
  forwarding.setPolicy({
    forwarding: {
      mode: 'tunnel',
      bypass: ['.bypass.test'],
      whenTunnelDown: 'closed',
      pinnedEdge: 'edge-a',
      pac: { application },
      ...changes,
    },
    edges: edges.map(({ entry }) => entry),
  });

/** Every edge refuses everything, and says which it is. */
const answerFor = async (host: string, port = 443): Promise<string> => {
  const socket = connect(forwarding.proxy.port, forwarding.proxy.host);
  socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  const text = head.toString();
  return `${text.slice(9, 12)} ${/proxy-status: (.*)/i.exec(text)?.[1] ?? ''}`;
};

describe('the organisation’s application PAC', () => {
  it.each([
    ['a.test', /^403 edge-a;/],
    ['b.test', /^403 edge-b;/],
    ['first.test', /^403 edge-a;/],
    ['second.test', /^403 edge-b;/],
    ['next.test', /^403 edge-b;/],
    ['any.test', /^403 edge-a;/],
    ['agent.test', /^403 edge-a;/],
    ['A.TEST', /^403 edge-a;/],
    ['nothing-said.test', /^403 edge-a;/],
    ['broken.test', /^403 edge-a;/],
    ['stranger.test', /^403 whyslow-agent;.*PROXY squid\.test:3128: no edge of ours/],
  ])('%s: %s', async (host, answer) => {
    expect(await answerFor(host)).toMatch(answer);
  });

  it('sends direct what it says is direct, and the reason is told', async () => {
    expect(await answerFor('127.0.0.1', origin.port)).toMatch(/^200 .*direct, pac DIRECT/);
  });

  it('is known before a run through the tunnel is made', async () => {
    expect(await forwarding.bypassOf({ host: '127.0.0.1', port: 8_080 })).toBe('pac DIRECT');
    expect(await forwarding.bypassOf({ host: 'b.test', port: 443 })).toBeUndefined();
  });

  it('tells of strangers and of failures once each', async () => {
    expect(events.filter((event) => event.includes('squid.test'))).toHaveLength(1);
    expect(events.filter((event) => event.includes('ReferenceError'))).toHaveLength(1);
  });

  it('is asked after bypasses and hosts of private applications, before names and addresses', async () => {
    setPolicy({
      privateHosts: ['127.0.0.1'],
      traffic: { names: { exclude: ['b.test'], excludeWins: true } },
    });
    expect(await answerFor('127.0.0.1', origin.port)).toMatch(/^403 edge-a/);
    expect(await answerFor('b.test')).toMatch(/^403 edge-b/);
    expect(await forwarding.bypassOf({ host: 'x.bypass.test', port: 443 })).toBe(
      'bypass .bypass.test',
    );
    setPolicy({});
  });
});

test('a file that does not compile is told of; closed, everything is carried, open, the other rules decide', async () => {
  const pac = { application: 'function FindProxyForURL(url, host) {' };
  setPolicy({ pac });
  expect(await answerFor('127.0.0.1', origin.port)).toMatch(/^403 edge-a/);
  expect(forwarding.pac()).toMatchObject({
    state: 'broken',
    problem: expect.stringMatching(/cannot be used: SyntaxError/),
  });
  expect(events.at(-1)).toMatch(/^pac-broken: .*SyntaxError/);
  setPolicy({ pac, whenTunnelDown: 'open', bypass: ['127.0.0.1'] });
  expect(await answerFor('127.0.0.1', origin.port)).toMatch(/^200 .*bypass 127/);
  setPolicy({});
  expect(await answerFor('b.test')).toMatch(/^403 edge-b/);
  expect(events.at(-1)).toMatch(/^pac-restored/);
});

test('without an answer an open policy goes direct, as browsers do', async () => {
  setPolicy({ whenTunnelDown: 'open', pac: { application: 'function FindProxyForURL() {}' } });
  expect(await answerFor('127.0.0.1', origin.port)).toMatch(/^200 .*pac empty/);
  setPolicy({});
});

describe('the file that programs fetch', () => {
  const fetchPac = async (headers: Record<string, string> = {}) => {
    const { host, port } = forwarding.proxy;
    return fetch(`http://${host}:${port}/proxy.pac`, { headers });
  };

  it('is the organisation’s own, with the agent’s address filled in', async () => {
    const own = `function FindProxyForURL(u, h) { return h == 'x.test' ? 'DIRECT' : 'PROXY \${LOCAL_PROXY}'; }`;
    setPolicy({ pac: { forwarding: own } });
    const response = await fetchPac();
    expect(response.headers.get('content-type')).toBe('application/x-ns-proxy-autoconfig');
    const place = `${forwarding.proxy.host}:${forwarding.proxy.port}`;
    expect(await response.text()).toBe(own.replace(`\${LOCAL_PROXY}`, place));
    const again = await fetchPac({ 'if-none-match': response.headers.get('etag') ?? '' });
    expect(again.status).toBe(304);
    setPolicy({});
    const changed = await fetchPac({ 'if-none-match': response.headers.get('etag') ?? '' });
    expect(changed.status).toBe(200);
    expect(await changed.text()).toContain(`PROXY ${place}`);
  });

  it('is ours where the organisation’s does not compile, which browsers take for direct', async () => {
    setPolicy({ pac: { forwarding: 'function FindProxyForURL(u, h) { return "DIRECT"' } });
    await waitUntil(() => forwarding.pac().state === 'broken');
    expect(await (await fetchPac()).text()).toContain('return "PROXY 127.0.0.1:');
    setPolicy({});
  });
});
