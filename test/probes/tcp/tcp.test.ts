import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TcpBody } from '#contract/body/connection.ts';
import { check } from '#contract/check.ts';
import type { TcpProbe } from '#contract/plan.ts';
import { createTcpProber } from '#probes/tcp/tcp.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { probeContext, tcpProbe } from '#test/support/probe-context.ts';

const prober = createTcpProber();
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin();
});
afterAll(() => origin.stop());

const run = async (
  host: string,
  port: number,
  changes: Partial<TcpProbe> = {},
  context = probeContext(),
) => {
  const outcome = await prober.run(tcpProbe(host, port, changes), context);
  expect(check(TcpBody, outcome.body)).toMatchObject({ ok: true });
  return outcome;
};

describe('a tcp probe', () => {
  it('connects and closes, and says to which address and in what time', async () => {
    const { body, failure, availability } = await run('127.0.0.1', origin.port);
    expect({ failure, availability }).toEqual({ failure: null, availability: 1 });
    expect(body).toMatchObject({
      host: '127.0.0.1',
      port: origin.port,
      remoteAddress: '127.0.0.1',
      family: 4,
      dnsMs: null,
      dnsSource: 'literal',
      proxyConnectMs: null,
      attempts: [{ outcome: 'connected' }],
    });
    expect(body.connectMs).toBeGreaterThan(0);
    expect(body.durationMs).toBe(body.connectMs);
    expect(origin.seen).toEqual([]);
  });

  it('leaves no connection behind', async () => {
    let open = 0;
    const server = createServer((socket) => {
      open += 1;
      socket.on('error', () => {}).on('close', () => (open -= 1));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    for (let i = 0; i < 5; i++) await run('127.0.0.1', port);
    await expect.poll(() => open).toBe(0);
    server.close();
  });

  it('records the attempt over the other family that failed', async () => {
    // A localhost name is ::1 and 127.0.0.1; the server listens on the second alone.
    const { body } = await run('both.localhost', origin.port);
    expect(body).toMatchObject({ family: 4, remoteAddress: '127.0.0.1' });
    expect(body.attempts).toMatchObject([
      { family: 6, outcome: 'refused' },
      { family: 4, outcome: 'connected' },
    ]);
  });

  it('stays with the family it is told', async () => {
    const { failure, body } = await run('both.localhost', origin.port, { family: 'ipv6' });
    expect(failure?.type).toBe('tcp.refused');
    expect(body.attempts.map(({ family }) => family)).toEqual([6]);
  });

  it.each([
    ['127.0.0.1', 1, 'tcp.refused'],
    ['nowhere.invalid', 443, 'dns.'],
  ])('to %s port %d fails as %s', async (host, port, type) => {
    const { failure, availability, body } = await run(host, port, { timeoutMs: 3_000 });
    expect(availability).toBe(0);
    expect(failure?.type).toContain(type);
    expect(body.remoteAddress).toBeNull();
  });

  it('through the tunnel leaves connecting to the edge, and shows its time', async () => {
    const headers = { 'server-timing': 'edge;desc="fra-1", queue;dur=0.1, connect;dur=7.5' };
    const proxy = await startConnectProxy({ headers, delayMs: 30 });
    const { body, failure } = await run('127.0.0.1', origin.port, {}, probeContext({ proxy }));
    await proxy.stop();
    expect(failure).toBeNull();
    expect(proxy.asked).toEqual([`127.0.0.1:${origin.port}`]);
    expect(body).toMatchObject({ connectMs: null, edge: { edgeId: 'fra-1', connectMs: 7.5 } });
    expect(body.proxyConnectMs).toBeGreaterThanOrEqual(29);
  });

  it('through the tunnel tells the edge’s refusal from the application’s', async () => {
    const headers = { 'proxy-status': 'fra-1; error=http_request_denied; details="rule x"' };
    const proxy = await startConnectProxy({ refusal: { status: 403, headers } });
    const { failure } = await run('127.0.0.1', origin.port, {}, probeContext({ proxy }));
    await proxy.stop();
    expect(failure).toMatchObject({ type: 'policy.blocked', source: 'policy' });
  });
});
