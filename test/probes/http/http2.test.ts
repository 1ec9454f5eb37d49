import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpBody } from '#contract/body/http.ts';
import { check } from '#contract/check.ts';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { type Http2Behaviour, startHttp2Origin } from '#test/support/http2-origin.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const prober = createHttpProber();
let authority: Awaited<ReturnType<typeof createTestAuthority>>;
let origin: Awaited<ReturnType<typeof startHttp2Origin>>;
let old: Origin;

beforeAll(async () => {
  authority = await createTestAuthority();
  origin = await startHttp2Origin({ authority });
  old = await startOrigin({ authority });
});
afterAll(async () => {
  await Promise.all([origin.stop(), old.stop(), prober.stop()]);
});

const run = async (
  url: string,
  changes: Parameters<typeof httpProbe>[1] = {},
  context: Parameters<typeof probeContext>[0] = {},
) => {
  const outcome = await prober.run(
    httpProbe(url, changes),
    probeContext({ extraCa: [authority.certificatePem], ...context }),
  );
  expect(check(HttpBody, outcome.body)).toMatchObject({ ok: true });
  const exchange = outcome.body.exchanges.at(-1);
  if (!exchange) throw new Error('no exchange');
  return { ...outcome, exchange };
};

describe('http probe, HTTP/2', () => {
  it('speaks HTTP/2 where the server chooses it, and HTTP/1.1 where it does not', async () => {
    expect(await run(origin.url)).toMatchObject({
      availability: 1,
      body: { httpVersion: '2' },
      exchange: { status: 200, bodyBytes: 16 },
    });
    expect(await run(old.url)).toMatchObject({ availability: 1, body: { httpVersion: '1.1' } });
  });

  it('says who it is and asks as over HTTP/1.1, without what belongs to a connection', async () => {
    await run(origin.url, { headers: { 'X-Team': 'blue', Connection: 'close', Host: 'app.test' } });
    expect(origin.seen.at(-1)?.headers).toMatchObject({
      ':method': 'GET',
      ':authority': 'app.test',
      'user-agent': expect.stringMatching(/^whyslow\/\d+\.\d+\.\d+ \(synthetic\)$/),
      'accept-encoding': 'identity',
      'x-team': 'blue',
    });
    expect(origin.seen.at(-1)?.headers.connection).toBeUndefined();
  });

  it('offers no HTTP/2 when told to speak HTTP/1.1', async () => {
    // This server speaks nothing else and ends the handshake.
    expect((await run(origin.url, { httpVersion: '1.1' })).failure).toMatchObject({ phase: 'tls' });
    expect((await run(old.url, { httpVersion: '1.1' })).availability).toBe(1);
  });

  it('fails when told to speak HTTP/2 to a server that does not', async () => {
    const { failure } = await run(old.url, { httpVersion: '2' });
    expect(failure).toMatchObject({ type: 'http.protocol.error', phase: 'tls' });
    expect(failure?.message).toContain('HTTP/2');
  });

  it('speaks HTTP/2 without TLS by prior knowledge', async () => {
    const plain = await startHttp2Origin();
    expect(await run(plain.url, { httpVersion: '2' })).toMatchObject({
      availability: 1,
      body: { httpVersion: '2' },
      exchange: { phases: { tlsMs: null } },
    });
    await plain.stop();
  });

  it('puts think time into wait and a slow body into receive', async () => {
    const think = await run(origin.on('/think', { thinkMs: 200, body: 'xx' }));
    // The end of sending is noted when this process has its turn again: the server may think already.
    expect(think.exchange.phases.waitMs).toBeGreaterThan(100);
    expect(think.exchange.durationMs).toBeGreaterThanOrEqual(197);
    expect(think.exchange.phases.receiveMs).toBeLessThan(100);
    const slow = await run(origin.on('/slow', { bodyMs: 200, body: 'x'.repeat(40_000) }));
    expect(slow.exchange.phases.receiveMs).toBeGreaterThanOrEqual(190);
    expect(slow.exchange.phases.waitMs).toBeLessThan(150);
    expect(slow.exchange.bodyBytes).toBe(40_000);
  });

  it('reads an answer larger than the protocol’s first window', async () => {
    const large = origin.on('/large', { body: `${'x'.repeat(2_000_000)}end` });
    const { exchange, availability } = await run(large, {
      maxBodyBytes: 3_000_000,
      expectBody: 'xend',
    });
    expect(availability).toBe(1);
    expect(exchange.bodyBytes).toBe(2_000_003);
  });

  it.each([
    ['refuses the request', { fault: 'refuse' }, 'http.refused', 'wait'],
    ['asks for calm', { fault: 'calm' }, 'http.refused', 'wait'],
    ['resets the stream', { fault: 'reset' }, 'http.reset', 'wait'],
    ['goes away over an error', { fault: 'goaway' }, 'http.protocol.error', 'wait'],
    ['resets it in the body', { fault: 'reset-in-body', body: 'xxxx' }, 'http.reset', 'receive'],
    ['cuts the connection', { fault: 'cut' }, 'http.reset', 'wait'],
    ['never answers', { fault: 'hang' }, 'http.timed_out', 'wait'],
    ['has too much to say', { body: 'x'.repeat(5_000) }, 'http.response.too_large', 'receive'],
    ['answers 503', { status: 503 }, 'http.error', 'wait'],
    ['does not take the method', { status: 405 }, 'http.method_not_allowed', 'wait'],
    ['limits the rate', { status: 429 }, 'http.rate_limited', 'wait'],
  ] as [string, Http2Behaviour, string, string][])(
    'meets a server that %s',
    async (_what, behaviour, type, phase) => {
      const url = origin.on('/odd', behaviour);
      const timeoutMs = type === 'http.timed_out' ? 800 : 5_000;
      const { failure, exchange } = await run(url, { timeoutMs, maxBodyBytes: 4_000 });
      expect(failure).toMatchObject({ type, phase });
      expect(exchange.phases.tlsMs).toBeGreaterThan(0);
    },
  );

  it('goes through a proxy’s CONNECT as well', async () => {
    const proxy = await startConnectProxy({ delayMs: 120 });
    const outcome = await run(origin.url, {}, { proxy });
    expect(outcome).toMatchObject({ availability: 1, body: { httpVersion: '2' } });
    expect(outcome.exchange.phases.proxyConnectMs).toBeGreaterThanOrEqual(117);
    expect(outcome.exchange.phases.waitMs).toBeLessThan(117);
    await proxy.stop();
  });
});

describe('http probe, requests', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE'] as const)('sends a body with %s', async (method) => {
    const url = origin.on('/take', {});
    await run(url, { method, requestBody: '{"n":"ü"}' });
    expect(origin.seen.at(-1)).toMatchObject({
      headers: { ':method': method, 'content-length': '10' },
      body: '{"n":"ü"}',
    });
    old.on('/take', {});
    await run(`${old.url}/take`, { method, requestBody: '{"n":"ü"}' });
    expect(old.seen.at(-1)).toMatchObject({ method, headers: { 'content-length': '10' } });
  });

  it('keeps method and body over a 307 and drops both over a 303', async () => {
    const end = origin.on('/end', {});
    const redirect = { headers: { location: end } };
    const put = { method: 'PUT', requestBody: 'data' } as const;
    await run(origin.on('/307', { status: 307, ...redirect }), put);
    expect(origin.seen.at(-1)).toMatchObject({ headers: { ':method': 'PUT' }, body: 'data' });
    await run(origin.on('/303', { status: 303, ...redirect }), put);
    expect(origin.seen.at(-1)).toMatchObject({ headers: { ':method': 'GET' }, body: '' });
    expect(origin.seen.at(-1)?.headers['content-length']).toBeUndefined();
  });

  it('says so when its URL is none', async () => {
    const outcome = await prober.run(httpProbe('https://'), probeContext());
    expect(outcome.failure).toMatchObject({ type: 'probe.bad_url', source: 'none' });
  });

  it('says so when an extra CA cannot be read', async () => {
    const outcome = await prober.run(
      httpProbe(old.url),
      probeContext({
        extraCa: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
      }),
    );
    expect(outcome.failure).toMatchObject({ type: 'tls.context_failed', source: 'none' });
  });
});

describe('http probe, a warm second request', () => {
  it.each(['1.1', '2'] as const)(
    'is asked on the same connection, over HTTP/%s',
    async (version) => {
      const server = version === '2' ? origin : old;
      server.on('/warm', { thinkMs: 120, body: 'xx' });
      const before = server.seen.length;
      const outcome = await run(`${server.url}/warm`, { warm: true });
      expect(outcome).toMatchObject({ availability: 1, body: { httpVersion: version } });
      expect(outcome.body.warm).toMatchObject({ status: 200 });
      expect(outcome.body.warm?.waitMs).toBeGreaterThan(60);
      expect(server.seen.length).toBe(before + 2);
      if (version === '2') {
        const [first, second] = origin.seen.slice(-2);
        expect(first?.connection).toBe(second?.connection);
      }
      // A figure of its own: it is in no phase and not in the run's duration.
      const { phases, durationMs } = outcome.exchange;
      const sum = Object.values(phases).reduce<number>((total, ms) => total + (ms ?? 0), 0);
      expect(durationMs).toBeCloseTo(sum, 2);
      expect(outcome.durationMs).toBeLessThan(durationMs + 117);
    },
  );

  it('is not there when it was not asked for, failed, or the server closes', async () => {
    expect((await run(old.url)).body.warm).toBeNull();
    old.on('/close', { headers: { connection: 'close' } });
    expect(await run(`${old.url}/close`, { warm: true })).toMatchObject({
      availability: 1,
      body: { warm: null },
    });
    old.on('/bad', { status: 500 });
    const before = old.seen.length;
    expect((await run(`${old.url}/bad`, { warm: true })).body.warm).toBeNull();
    expect(old.seen.length).toBe(before + 1);
  });

  it('does not fail a run that had succeeded', async () => {
    old.on('/once', { thinkMs: 200, body: 'x' });
    const running = run(`${old.url}/once`, { warm: true, timeoutMs: 1_500 });
    await waitUntil(() => old.seen.at(-1)?.url === '/once');
    old.on('/once', { fault: 'hang' });
    expect(await running).toMatchObject({ availability: 1, failure: null, body: { warm: null } });
  });
});
