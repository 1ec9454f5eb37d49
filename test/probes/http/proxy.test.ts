import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatEdgeTiming } from '#contract/server-timing.ts';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { type ConnectProxyOptions, startConnectProxy } from '#test/support/connect-proxy.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';

const prober = createHttpProber();
const stops: (() => Promise<void>)[] = [];
let authority: Awaited<ReturnType<typeof createTestAuthority>>;
let plain: Origin;
let secure: Origin;

beforeAll(async () => {
  authority = await createTestAuthority();
  plain = await startOrigin();
  secure = await startOrigin({ authority });
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(async () => {
  await Promise.all([plain.stop(), secure.stop(), prober.stop()]);
});

const through = async (url: string, options: ConnectProxyOptions = {}, timeoutMs = 5_000) => {
  const proxy = await startConnectProxy(options);
  stops.push(() => proxy.stop());
  const context = probeContext({ proxy, extraCa: [authority.certificatePem] });
  return { proxy, outcome: await prober.run(httpProbe(url, { timeoutMs }), context) };
};

const timing = {
  edgeId: 'fra-1',
  queueMs: 0.25,
  dnsMs: 2.5,
  connectMs: 9.75,
  address: '192.0.2.7',
};

describe('http probe through a proxy', () => {
  it('uses CONNECT for https, and leaves resolving and connecting to the other side', async () => {
    const { outcome, proxy } = await through(secure.url, {
      delayMs: 150,
      headers: { 'server-timing': formatEdgeTiming(timing) },
    });
    const exchange = outcome.body.exchanges[0];
    expect(outcome).toMatchObject({ availability: 1, failure: null });
    expect(proxy.asked).toEqual([`127.0.0.1:${secure.port}`]);
    expect(exchange).toMatchObject({
      edge: timing,
      remoteAddress: '192.0.2.7',
      dnsSource: null,
      attempts: [],
      phases: { dnsMs: null, connectMs: null },
    });
    expect(exchange?.phases.proxyConnectMs).toBeGreaterThanOrEqual(147);
    expect(exchange?.phases.tlsMs).toBeLessThan(147);
  });

  it('uses CONNECT for http too', async () => {
    const { outcome, proxy } = await through(plain.url);
    expect(outcome.availability).toBe(1);
    expect(proxy.asked).toEqual([`127.0.0.1:${plain.port}`]);
    expect(outcome.body.exchanges[0]).toMatchObject({ edge: null, status: 200 });
  });

  it('passes over a Server-Timing that is no edge’s', async () => {
    const headers = { 'server-timing': 'edge;desc="Not A Slug!", cache;dur=1' };
    const { outcome } = await through(plain.url, { headers });
    expect(outcome.body.exchanges[0]?.edge).toBeNull();
  });

  it.each([
    [403, 'fra-1; error=http_request_denied; details="rule no-games"', 'policy.blocked', 'policy'],
    [502, 'fra-1; error=dns_error', 'edge.dns_failed', 'resolver'],
    [502, 'fra-1; error=connection_refused', 'edge.dial_failed', 'target'],
    [429, 'fra-1; error=connection_limit_reached', 'edge.overloaded', 'edge'],
    [
      503,
      'whyslow-agent; error=destination_unavailable; details="tunnel down"',
      'tunnel.down',
      'edge',
    ],
  ])('tells a %i with %s apart', async (status, proxyStatus, type, source) => {
    const refusal = { status, headers: { 'proxy-status': proxyStatus } };
    const { outcome } = await through(secure.url, { refusal });
    expect(outcome.failure).toMatchObject({ type, source, phase: 'proxy-connect' });
    expect(outcome.body.exchanges[0]).toMatchObject({ status: null });
  });

  it('keeps the timing that came with a refusal', async () => {
    const headers = {
      'proxy-status': 'fra-1; error=connection_timeout',
      'server-timing': formatEdgeTiming({ ...timing, connectMs: null, address: null }),
    };
    const { outcome } = await through(secure.url, { refusal: { status: 504, headers } });
    expect(outcome.failure?.type).toBe('edge.dial_failed');
    expect(outcome.body.exchanges[0]?.edge).toMatchObject({ edgeId: 'fra-1', dnsMs: 2.5 });
  });

  it('says that the proxy does not run', async () => {
    const proxy = await startConnectProxy();
    await proxy.stop();
    const outcome = await prober.run(httpProbe(plain.url), probeContext({ proxy }));
    expect(outcome.failure).toMatchObject({ type: 'proxy.unreachable', source: 'agent' });
    expect(outcome.body.exchanges[0]?.attempts).toMatchObject([{ outcome: 'refused' }]);
  });

  it.each([
    ['hang', 'tunnel.timed_out', 300],
    ['close', 'proxy.reset', 5_000],
  ] as const)('meets a proxy’s %s', async (fault, type, timeoutMs) => {
    const { outcome } = await through(plain.url, { fault }, timeoutMs);
    expect(outcome.failure).toMatchObject({ type, phase: 'proxy-connect' });
  });
});
