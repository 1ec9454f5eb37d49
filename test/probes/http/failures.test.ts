import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpBody } from '#contract/body/http.ts';
import { check } from '#contract/check.ts';
import { Failure } from '#contract/failure.ts';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { type Behaviour, type OriginOptions, startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { type RelayOptions, startRelay } from '#test/support/relay.ts';

const prober = createHttpProber();
let authority: Awaited<ReturnType<typeof createTestAuthority>>;
let stranger: typeof authority;

beforeAll(async () => {
  authority = await createTestAuthority();
  stranger = await createTestAuthority('somebody else');
});
afterAll(() => prober.stop());

const probe = async (url: string, changes: Parameters<typeof httpProbe>[1] = {}) => {
  const context = probeContext({ extraCa: [authority.certificatePem] });
  const outcome = await prober.run(httpProbe(url, { timeoutMs: 5_000, ...changes }), context);
  expect(check(HttpBody, outcome.body)).toMatchObject({ ok: true });
  expect(check(Failure, outcome.failure)).toMatchObject({ ok: true });
  expect(outcome.availability).toBe(0);
  return outcome;
};

const withOrigin = async (options: OriginOptions, behaviour: Behaviour, timeoutMs = 5_000) => {
  const origin = await startOrigin(options);
  origin.on('/', behaviour);
  const outcome = await probe(origin.url, { timeoutMs });
  await origin.stop();
  return outcome;
};

describe('http probe, the server misbehaves', () => {
  it.each([
    ['resets before it answers', { fault: 'reset' }, 'http.reset', 'wait'],
    ['closes before it answers', { fault: 'close' }, 'http.reset', 'wait'],
    ['talks something else', { fault: 'nonsense' }, 'http.protocol.error', 'wait'],
    ['resets in the body', { fault: 'reset-in-body', body: 'xxxxxxxxxx' }, 'http.reset', 'receive'],
    ['never answers', { fault: 'hang' }, 'http.timed_out', 'wait'],
    [
      'stops in the body',
      { fault: 'hang-in-body', body: 'xxxxxxxxxx' },
      'http.timed_out',
      'receive',
    ],
  ] as [string, Behaviour, string, string][])('%s', async (_what, behaviour, type, phase) => {
    const timeoutMs = type === 'http.timed_out' ? 900 : 5_000;
    for (const options of [{}, { authority }]) {
      const outcome = await withOrigin(options, behaviour, timeoutMs);
      expect(outcome.failure).toMatchObject({ type, phase });
      const phases = outcome.body.exchanges.at(-1)?.phases;
      expect(phases?.connectMs).toBeGreaterThan(0);
      expect(phases?.receiveMs).toBeNull();
      if (phase === 'wait') expect(outcome.body.exchanges.at(-1)?.status).toBeNull();
      else expect(phases?.waitMs).toBeGreaterThan(0);
    }
  });

  it.each([600, 999])('answers with status %i, which is an answer', async (status) => {
    const outcome = await withOrigin({}, { status });
    expect(outcome.failure).toMatchObject({ type: 'http.error', phase: 'wait', source: 'target' });
    expect(outcome.body.exchanges[0]?.status).toBe(status);
  });

  it.each(['000', '099'])('answers with status %s, which is none', async (status) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const outcome = await probe(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.close();
    expect(outcome.failure).toMatchObject({ type: 'http.protocol.error', phase: 'wait' });
    expect(outcome.body.exchanges[0]?.status).toBeNull();
  });

  it('refuses the connection', async () => {
    const origin = await startOrigin();
    await origin.stop();
    const { failure, body } = await probe(origin.url);
    expect(failure).toMatchObject({ type: 'tcp.refused', phase: 'connect', source: 'target' });
    expect(body.exchanges[0]).toMatchObject({
      phases: { connectMs: null },
      durationMs: 0,
      attempts: [{ address: '127.0.0.1', outcome: 'refused' }],
    });
  });
});

describe('http probe, TLS goes wrong', () => {
  it.each([
    ['has expired', { certificate: 'expired' }, 'tls.cert.date_invalid'],
    ['is for another name', { certificate: 'other-name' }, 'tls.cert.name_invalid'],
  ] as [string, OriginOptions, string][])(
    'refuses a certificate that %s, and still shows it',
    async (_what, options, type) => {
      const { failure, body } = await withOrigin({ ...options, authority }, {});
      expect(failure).toMatchObject({ type, phase: 'tls' });
      expect(body.certificate).toMatchObject({ subject: 'localhost', issuer: 'whyslow test CA' });
      expect(body.exchanges[0]).toMatchObject({ status: null, phases: { tlsMs: null } });
    },
  );

  it('refuses a certificate of an authority it does not know, and shows whose it is', async () => {
    const { failure, body } = await withOrigin({ authority: stranger }, {});
    expect(failure).toMatchObject({ type: 'tls.cert.authority_invalid', phase: 'tls' });
    expect(body.certificate?.issuer).toBe('somebody else');
  });

  it('finds no cipher in common', async () => {
    const odd = { authority, maxVersion: 'TLSv1.2', ciphers: 'PSK-AES128-CBC-SHA' } as const;
    const { failure } = await withOrigin(odd, {});
    expect(failure).toMatchObject({ type: 'tls.version_or_cipher_mismatch', phase: 'tls' });
  });

  it('meets a server that speaks plain HTTP', async () => {
    const origin = await startOrigin();
    const { failure } = await probe(origin.url.replace('http:', 'https:'));
    expect(failure).toMatchObject({ type: 'tls.protocol.error', phase: 'tls' });
    await origin.stop();
  });

  it.each([
    ['reset', 'tls.reset', 5_000],
    ['close', 'tls.reset', 5_000],
    ['silence', 'tls.timed_out', 400],
  ] as [NonNullable<RelayOptions['fault']>, string, number][])(
    'meets a middlebox’s %s during the handshake',
    async (fault, type, timeoutMs) => {
      const relay = await startRelay({ target: { host: '127.0.0.1', port: 1 }, fault });
      const { failure } = await probe(`https://127.0.0.1:${relay.port}`, { timeoutMs });
      expect(failure).toMatchObject({ type, phase: 'tls' });
      await relay.stop();
    },
  );
});

describe('http probe, the run is cut short', () => {
  it('gives up at its timeout and says in which phase', async () => {
    const { failure, durationMs, body } = await withOrigin({}, { fault: 'hang' }, 300);
    expect(failure).toMatchObject({ type: 'http.timed_out', phase: 'wait' });
    expect(durationMs).toBeGreaterThanOrEqual(290);
    expect(durationMs).toBeLessThan(3_000);
    const [exchange] = body.exchanges;
    expect(exchange?.phases.waitMs).toBeNull();
    expect(exchange?.durationMs).toBeGreaterThan(100);
  });

  it('blames nobody when the agent stops', async () => {
    const origin = await startOrigin();
    origin.on('/', { fault: 'hang' });
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(), 100);
    const context = probeContext({ signal: stopping.signal });
    const outcome = await prober.run(httpProbe(origin.url), context);
    expect(outcome.failure).toMatchObject({ type: 'abandoned', source: 'none' });
    await origin.stop();
  });

  it('does not begin when the agent has stopped already', async () => {
    const context = probeContext({ signal: AbortSignal.abort() });
    const outcome = await prober.run(httpProbe('http://127.0.0.1:1/'), context);
    expect(outcome.failure).toMatchObject({ type: 'abandoned' });
  });

  it('does not throw for a header that cannot be sent', async () => {
    const origin = await startOrigin();
    const target = httpProbe(origin.url, { headers: { 'x-bad': 'a\nb' } });
    const outcome = await prober.run(target, probeContext());
    expect(outcome.failure).toMatchObject({ type: 'probe.bad_config', phase: 'prepare' });
    await origin.stop();
  });
});

describe('http probe, a server that only says that it will answer', () => {
  it('is left after a hundred such answers, by HTTP/1.1', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n'.repeat(50);
    const server = createServer((socket) => {
      const timer = setInterval(() => socket.write(hints), 10);
      socket.on('error', () => {}).once('close', () => clearInterval(timer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { failure } = await probe(`http://127.0.0.1:${port}/`);
    expect(failure).toMatchObject({ type: 'http.protocol.error', phase: 'wait' });
    expect(failure?.message).toContain('more than 100 informational');
    server.close();
  });

  it('is left after a hundred such answers, by HTTP/2', async () => {
    const server = createHttp2Server().listen(0, '127.0.0.1');
    server.on('session', (session) => session.on('error', () => {}));
    server.on('stream', (stream) => {
      const timer = setInterval(() => {
        if (!stream.destroyed) stream.additionalHeaders({ ':status': 103 });
      }, 2);
      stream.on('error', () => {}).once('close', () => clearInterval(timer));
    });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { failure } = await probe(`http://127.0.0.1:${port}/`, { httpVersion: '2' });
    expect(failure).toMatchObject({ type: 'http.protocol.error', phase: 'wait' });
    expect(failure?.message).toContain('more than 100 informational');
    server.close();
  });
});
