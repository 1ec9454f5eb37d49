import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DialAttempt } from '#contract/body/connection.ts';
import { check } from '#contract/check.ts';
import { dial } from '#probes/dial.ts';
import { createNameResolver } from '#probes/resolve.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';

const never = new AbortController().signal;
const stops: (() => Promise<void>)[] = [];
const folder = mkdtempSync(join(tmpdir(), 'whyslow-dial-'));
let origin: Origin;

beforeEach(async () => {
  origin = await startOrigin();
  stops.push(() => origin.stop());
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  rmSync(folder, { recursive: true, force: true });
});

const nameServer = async (zone: Parameters<typeof startNameServer>[0]) => {
  const server = await startNameServer(zone);
  stops.push(() => server.stop());
  return createNameResolver({ servers: [server.address], hostsFile: '/does/not/exist' });
};

/** A port nobody listens on: one that was free a moment ago. */
const closedPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

describe('dial', () => {
  it('connects to a literal address without asking anybody', async () => {
    const dialled = await dial({ host: '127.0.0.1', port: origin.port, signal: never });
    expect(dialled).toMatchObject({ ok: true, dnsMs: null, dnsSource: 'literal', family: 4 });
    expect(dialled.attempts).toMatchObject([{ address: '127.0.0.1', outcome: 'connected' }]);
    if (dialled.ok) dialled.socket.destroy();
  });

  it('takes names of the hosts file from there', async () => {
    const hostsFile = join(mkdtempSync(join(tmpdir(), 'whyslow-hosts-')), 'hosts');
    writeFileSync(hostsFile, '# lab\n127.0.0.1 app.internal  crm.internal # mine\n');
    const resolver = createNameResolver({ hostsFile, servers: ['127.0.0.1:1'] });
    const dialled = await dial({
      host: 'CRM.internal',
      port: origin.port,
      signal: never,
      resolver,
    });
    expect(dialled).toMatchObject({ ok: true, dnsMs: null, dnsSource: 'hosts-file' });
    if (dialled.ok) dialled.socket.destroy();
    rmSync(hostsFile);
  });

  it('times the name server, and calls what it remembers warm', async () => {
    const resolver = await nameServer({ 'app.test': { A: { data: ['127.0.0.1'], delayMs: 120 } } });
    const options = { host: 'app.test', port: origin.port, signal: never, resolver };
    const first = await dial(options);
    const second = await dial(options);
    expect(first).toMatchObject({ ok: true, dnsSource: 'cold' });
    expect(first.dnsMs).toBeGreaterThanOrEqual(118);
    expect(second).toMatchObject({ ok: true, dnsSource: 'warm' });
    expect(second.dnsMs).toBeLessThan(110);
    for (const dialled of [first, second]) if (dialled.ok) dialled.socket.destroy();
  });

  it('does not wait for an IPv6 answer that does not come', async () => {
    const resolver = await nameServer({
      'app.test': { A: { data: ['127.0.0.1'] }, AAAA: { isSilent: true } },
    });
    const dialled = await dial({ host: 'app.test', port: origin.port, signal: never, resolver });
    expect(dialled).toMatchObject({ ok: true, family: 4 });
    // RFC 8305 waits 50 ms for it; the resolver itself would wait 2,000.
    expect(dialled.dnsMs).toBeGreaterThanOrEqual(48);
    expect(dialled.dnsMs).toBeLessThan(1_500);
    if (dialled.ok) dialled.socket.destroy();
  });

  it('goes on with IPv6 at once and takes IPv4 when it comes', async () => {
    const resolver = await nameServer({
      'app.test': { AAAA: { data: ['::1'] }, A: { data: ['127.0.0.1'], delayMs: 600 } },
    });
    const dialled = await dial({ host: 'app.test', port: origin.port, signal: never, resolver });
    expect(dialled.dnsMs).toBeLessThan(500);
    expect(dialled.attempts).toMatchObject([
      { address: '::1', outcome: 'refused' },
      { address: '127.0.0.1', outcome: 'connected' },
    ]);
    for (const attempt of dialled.attempts) expect(check(DialAttempt, attempt).ok).toBe(true);
    if (dialled.ok) dialled.socket.destroy();
  });

  it('alternates the families and goes on at once when an address refuses', async () => {
    const resolver = await nameServer({
      'app.test': {
        AAAA: { data: ['::1'] },
        A: { data: ['127.0.0.2', '127.0.0.3', '127.0.0.1'] },
      },
    });
    const dialled = await dial({ host: 'app.test', port: origin.port, signal: never, resolver });
    expect(dialled.ok).toBe(true);
    expect(dialled.attempts.map(({ address }) => address)[0]).toBe('::1');
    expect(dialled.attempts.at(-1)).toMatchObject({ address: '127.0.0.1', outcome: 'connected' });
    expect(dialled.attempts.slice(0, -1).every(({ outcome }) => outcome === 'refused')).toBe(true);
    if (dialled.ok) dialled.socket.destroy();
  });

  it('connects to one family only when told to, and asks for no other', async () => {
    const server = await startNameServer({
      'app.test': { A: { data: ['127.0.0.1'] }, AAAA: { data: ['::1'] } },
      'four.test': { A: { data: ['127.0.0.1'] } },
    });
    stops.push(() => server.stop());
    const six = await startOrigin({ host: '::1' });
    stops.push(() => six.stop());
    const resolver = createNameResolver({ servers: [server.address], hostsFile: '/none' });
    const to = (host: string, port: number, family: 'ipv4' | 'ipv6') =>
      dial({ host, port, signal: never, resolver, family });
    const byFour = await to('app.test', origin.port, 'ipv4');
    const bySix = await to('app.test', six.port, 'ipv6');
    expect(byFour).toMatchObject({ ok: true, family: 4, attempts: [{ address: '127.0.0.1' }] });
    expect(bySix).toMatchObject({ ok: true, family: 6, attempts: [{ address: '::1' }] });
    expect(server.questions.map(({ type }) => type)).toEqual(['A', 'AAAA']);
    expect(await to('four.test', 1, 'ipv6')).toMatchObject({
      failure: { type: 'dns.name_not_resolved', phase: 'dns' },
    });
    expect(await to('127.0.0.1', 1, 'ipv6')).toMatchObject({
      failure: { type: 'dns.name_not_resolved' },
    });
    for (const dialled of [byFour, bySix]) if (dialled.ok) dialled.socket.destroy();
  });

  it('says that the port is closed', async () => {
    const dialled = await dial({ host: '127.0.0.1', port: await closedPort(), signal: never });
    expect(dialled).toMatchObject({
      ok: false,
      failure: { type: 'tcp.refused', phase: 'connect' },
      attempts: [{ outcome: 'refused' }],
    });
  });

  it.each([
    ['a name that does not exist', 'nowhere.test', 'dns.name_not_resolved'],
    ['a name server that fails', 'broken.test', 'dns.refused'],
    ['a name server that refuses', 'secret.test', 'dns.refused'],
  ])('says that it was %s', async (_what, host, type) => {
    const resolver = await nameServer({
      'broken.test': { A: { rcode: 'SERVFAIL' }, AAAA: { rcode: 'SERVFAIL' } },
      'secret.test': { A: { rcode: 'REFUSED' }, AAAA: { rcode: 'REFUSED' } },
    });
    const dialled = await dial({ host, port: origin.port, signal: never, resolver });
    expect(dialled).toMatchObject({ ok: false, failure: { type, phase: 'dns' }, attempts: [] });
  });

  it('ends with its signal while the name server is silent', async () => {
    const resolver = await nameServer({
      'app.test': { A: { isSilent: true }, AAAA: { isSilent: true } },
    });
    const signal = AbortSignal.timeout(100);
    const dialled = await dial({ host: 'app.test', port: 1, signal, resolver });
    expect(dialled).toMatchObject({ ok: false, failure: { type: 'dns.timed_out' } });
  });
});
