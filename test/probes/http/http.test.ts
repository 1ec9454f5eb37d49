import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpBody } from '#contract/body/http.ts';
import { check } from '#contract/check.ts';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { startRelay } from '#test/support/relay.ts';

let authority: Awaited<ReturnType<typeof createTestAuthority>>;
let plain: Origin;
let secure: Origin;
let names: Awaited<ReturnType<typeof startNameServer>>;
let prober: ReturnType<typeof createHttpProber>;

beforeAll(async () => {
  authority = await createTestAuthority();
  plain = await startOrigin();
  secure = await startOrigin({ authority, dnsNames: ['app.test'] });
  names = await startNameServer({
    'app.test': { A: { data: ['127.0.0.1'], delayMs: 120 }, AAAA: { delayMs: 120 } },
  });
  prober = createHttpProber({ nameServers: [names.address] });
});
afterAll(async () => {
  await Promise.all([plain.stop(), secure.stop(), names.stop(), prober.stop()]);
});

const run = async (url: string, changes: Parameters<typeof httpProbe>[1] = {}) => {
  const context = probeContext({ extraCa: [authority.certificatePem] });
  const outcome = await prober.run(httpProbe(url, changes), context);
  expect(check(HttpBody, outcome.body)).toMatchObject({ ok: true });
  return outcome;
};

const last = (outcome: Awaited<ReturnType<typeof run>>) => {
  const exchange = outcome.body.exchanges.at(-1);
  if (!exchange) throw new Error('no exchange');
  return exchange;
};

const on = (origin: Origin, path: string, behaviour: Parameters<Origin['on']>[1]): string => {
  origin.on(path, behaviour);
  return `${origin.url}${path}`;
};

describe('http probe, a healthy answer', () => {
  it('goes through every phase of an HTTPS request, and they add up', async () => {
    const url = secure.url.replace('127.0.0.1', 'app.test');
    const outcome = await run(url);
    const { phases, durationMs, ...rest } = last(outcome);
    expect(outcome).toMatchObject({ availability: 1, failure: null, body: { httpVersion: '1.1' } });
    expect(rest).toMatchObject({
      status: 200,
      bodyBytes: 22,
      remoteAddress: '127.0.0.1',
      remotePort: secure.port,
      dnsSource: 'cold',
      edge: null,
      attempts: [{ address: '127.0.0.1', outcome: 'connected' }],
    });
    const { proxyConnectMs, ...gone } = phases;
    expect(proxyConnectMs).toBeNull();
    for (const ms of Object.values(gone)) expect(ms).toBeGreaterThan(0);
    const sum = Object.values(gone).reduce<number>((total, ms) => total + (ms ?? 0), 0);
    expect(durationMs).toBeCloseTo(sum, 2);
    expect(outcome.durationMs).toBeGreaterThanOrEqual(durationMs);
  });

  it('leaves null what it did not go through', async () => {
    const { phases } = last(await run(plain.url));
    expect(phases).toMatchObject({ dnsMs: null, proxyConnectMs: null, tlsMs: null });
    expect(phases.connectMs).toBeGreaterThan(0);
  });

  it('tells what certificate the server showed', async () => {
    const { body } = await run(secure.url);
    expect(body.certificate).toMatchObject({
      subject: 'app.test',
      issuer: 'whyslow test CA',
      protocol: 'TLSv1.3',
    });
    expect(body.certificate?.notAfter).toBeGreaterThan(Date.now());
  });

  it('says who it is, asks for the bytes as they are, and sends the headers it was given', async () => {
    await run(on(plain, '/who', {}), { headers: { 'X-Team': 'blue' } });
    expect(plain.seen.at(-1)?.headers).toMatchObject({
      'user-agent': expect.stringMatching(/^whyslow\/\d+\.\d+\.\d+ \(synthetic\)$/),
      'accept-encoding': 'identity',
      'x-team': 'blue',
      host: `127.0.0.1:${plain.port}`,
    });
  });

  it.each(['HEAD', 'POST'] as const)('can send a %s', async (method) => {
    const outcome = await run(plain.url, { method });
    expect(outcome).toMatchObject({ availability: 1, body: { method } });
    expect(plain.seen.at(-1)?.method).toBe(method);
  });
});

// Injected pauses are 200 ms; everything else on loopback takes single milliseconds.
const pauseMs = 200;
const phaseNames = ['dnsMs', 'connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const;

/** Each phase's least of three runs: a busy machine only ever adds. */
const expectPauseOnlyIn = async (phase: (typeof phaseNames)[number], url: string, ms = pauseMs) => {
  const runs = [last(await run(url)), last(await run(url)), last(await run(url))];
  const phases = Object.fromEntries(
    phaseNames.map((name) => [name, Math.min(...runs.map((one) => one.phases[name] ?? 0))]),
  );
  expect(phases[phase]).toBeGreaterThanOrEqual(ms - 3);
  for (const other of phaseNames.filter((name) => name !== phase)) {
    expect(phases[other] ?? 0, other).toBeLessThan(ms / 2);
  }
};

describe('http probe, where the time goes', () => {
  it('puts the server’s think time into wait and nowhere else', async () => {
    const url = on(secure, '/think', { thinkMs: pauseMs, body: 'x' });
    await expectPauseOnlyIn('waitMs', url);
  });

  it('puts a slow body into receive and nowhere else', async () => {
    const url = on(secure, '/slow-body', { bodyMs: pauseMs, body: 'x'.repeat(50_000) });
    await expectPauseOnlyIn('receiveMs', url);
    expect(last(await run(url)).bodyBytes).toBe(50_000);
  });

  it('puts a slow name server into dns and nowhere else', async () => {
    const url = plain.url.replace('127.0.0.1', 'app.test');
    await expectPauseOnlyIn('dnsMs', url, 120);
  });

  it('puts a held handshake into tls and nowhere else', async () => {
    const relay = await startRelay({ target: secure, firstBytesDelayMs: pauseMs });
    await expectPauseOnlyIn('tlsMs', `https://127.0.0.1:${relay.port}/`);
    await relay.stop();
  });
});

describe('http probe, redirects', () => {
  it('makes each redirect an exchange of its own, on a connection of its own', async () => {
    const url = on(plain, '/start', { status: 302, headers: { location: '../hop?state=secret' } });
    plain.on('/hop', { status: 301, headers: { location: `${secure.url}/end` } });
    secure.on('/end', { body: 'arrived' });
    const outcome = await run(url);
    expect(outcome).toMatchObject({ availability: 1, failure: null });
    expect(outcome.body.exchanges).toMatchObject([
      { url, status: 302, phases: { tlsMs: null } },
      { url: `${plain.url}/hop?…`, status: 301 },
      { url: `${secure.url}/end`, status: 200, bodyBytes: 7 },
    ]);
    expect(last(outcome).phases.tlsMs).toBeGreaterThan(0);
  });

  it('gives up after the number of redirects it was allowed', async () => {
    const url = on(plain, '/loop', { status: 302, headers: { location: '/loop' } });
    const outcome = await run(url, { maxRedirects: 3 });
    expect(outcome).toMatchObject({
      availability: 0,
      failure: { type: 'http.response.redirect_loop' },
    });
    expect(outcome.body.exchanges).toHaveLength(4);
  });

  it('takes the redirect itself for the answer when told to follow none', async () => {
    const url = on(plain, '/once', { status: 302, headers: { location: '/' } });
    expect(await run(url, { maxRedirects: 0 })).toMatchObject({ availability: 1 });
    expect(await run(url, { expectStatus: [302] })).toMatchObject({ availability: 1 });
    expect(await run(url, { expectStatus: [200], maxRedirects: 0 })).toMatchObject({
      failure: { type: 'http.error' },
    });
  });

  it('keeps every header that was given from another origin, but for what an answer depends on', async () => {
    const url = on(plain, '/away', { status: 307, headers: { location: `${secure.url}/in` } });
    secure.on('/in', {});
    const given = {
      Authorization: 'Bearer x',
      Cookie: 'a=b',
      'X-Api-Key': 'k',
      'Proxy-Authorization': 'y',
    };
    const harmless = { 'Accept-Language': 'de', 'User-Agent': 'mine' };
    await run(url, { headers: { ...given, ...harmless } });
    expect(plain.seen.at(-1)?.headers).toMatchObject({ authorization: 'Bearer x', cookie: 'a=b' });
    const { headers = {} } = secure.seen.at(-1) ?? {};
    expect(headers).toMatchObject({ 'accept-language': 'de', 'user-agent': 'mine' });
    for (const name of Object.keys(given)) expect(headers).not.toHaveProperty(name.toLowerCase());
  });

  it('sends no body on to another origin, and says so', async () => {
    const headers = { location: `${secure.url}/steal` };
    secure.on('/steal', {});
    const post = { method: 'POST', requestBody: 'hunter2' } as const;
    for (const status of [307, 308]) {
      const outcome = await run(on(plain, '/send-on', { status, headers }), post);
      expect(outcome).toMatchObject({ availability: 0, failure: { type: 'http.error' } });
      expect(outcome.failure?.message).toContain('sends the request’s body on to https:');
      expect(outcome.body.exchanges).toMatchObject([{ status }]);
    }
    expect(secure.seen.filter((one) => one.url === '/steal')).toEqual([]);
    await run(on(plain, '/see', { status: 303, headers }), post);
    expect(secure.seen.at(-1)).toMatchObject({ method: 'GET', url: '/steal' });
  });

  it('says so when a redirect leads nowhere a probe can go', async () => {
    const url = on(plain, '/mail', { status: 302, headers: { location: 'mailto:a@b.test' } });
    expect(await run(url)).toMatchObject({ failure: { type: 'http.protocol.error' } });
  });
});

describe('http probe, what counts as success', () => {
  it.each([
    [503, [], 0],
    [404, [404], 1],
    [200, [204], 0],
    [204, [], 1],
  ] as const)('judges status %i against %j', async (status, expectStatus, availability) => {
    const url = on(plain, `/status-${status}`, { status });
    const outcome = await run(url, { expectStatus: [...expectStatus] });
    expect(outcome.availability).toBe(availability);
    expect(outcome.failure?.type).toBe(availability === 1 ? undefined : 'http.error');
    expect(last(outcome)).toMatchObject({ status, phases: { waitMs: expect.any(Number) } });
  });

  it('looks for a text in the body, also where it comes in pieces', async () => {
    const body = `${'x'.repeat(45)}needle${'x'.repeat(49)}`;
    const url = on(plain, '/text', { body, bodyMs: 20 });
    expect(await run(url, { expectBody: 'needle' })).toMatchObject({ availability: 1 });
    expect(await run(url, { expectBody: 'haystack' })).toMatchObject({
      availability: 0,
      failure: { type: 'http.response.body_mismatch' },
    });
  });

  it('does not read more than it was allowed', async () => {
    const url = on(plain, '/large', { body: 'x'.repeat(300_000) });
    const outcome = await run(url, { maxBodyBytes: 1_000 });
    expect(outcome.failure).toMatchObject({ type: 'http.response.too_large', phase: 'receive' });
    expect(last(outcome)).toMatchObject({ status: 200, phases: { receiveMs: null } });
  });
});
