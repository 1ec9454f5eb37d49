import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchWithCurl, type SmallNetwork, startSmallNetwork } from './small-network.ts';

let network: SmallNetwork;

beforeAll(async () => {
  network = await startSmallNetwork();
});
afterEach(() => network?.services.reset());
afterAll(() => network?.stop());

/** What is set is this late; what is not set is sooner, on a loaded machine too. */
const lateMs = 800;

describe('a healthy web server of the lab', () => {
  it.each([
    ['-4', '--http2', '2'],
    ['-6', '--http2', '2'],
    ['-4', '--http1.1', '1.1'],
    ['-6', '--http1.1', '1.1'],
  ])('answers curl over %s %s with a certificate of the lab', async (family, http, version) => {
    const got = await fetchWithCurl(network, '/health', family, http);
    expect(got).toMatchObject({ code: 0, status: 200, version, bytes: 3 });
  });

  it('sends as many bytes as the path says, and no page it does not have', async () => {
    const got = await fetchWithCurl(network, '/bytes/5000000');
    expect(got).toMatchObject({ code: 0, status: 200, bytes: 5_000_000 });
    expect(await fetchWithCurl(network, '/nothing')).toMatchObject({ status: 404 });
    expect(await fetchWithCurl(network, '/bytes/0')).toMatchObject({ status: 200, bytes: 0 });
  });

  it('counts what arrived by path, source and protocol', async () => {
    const before = await network.services.requests('s1');
    await fetchWithCurl(network, '/health?x=1', '-6', '--http1.1');
    const after = await network.services.requests('s1');
    expect(after.connections - before.connections).toBe(1);
    expect(after.count - before.count).toBe(1);
    for (const [by, key] of [
      ['byTarget', '/health'],
      ['bySource', '3ffe:9::1'],
      ['byProtocol', 'http/1.1'],
      ['byAnswer', '200'],
    ] as const) {
      expect([key, (after[by][key] ?? 0) - (before[by][key] ?? 0)]).toEqual([key, 1]);
    }
  });

  it('is nowhere but in its own namespace', async () => {
    const { stdout } = await network.run('d1', 'ss', '-Hlntu');
    expect(stdout).toBe('');
    const { stdout: atServer } = await network.run('s1', 'ss', '-Hlnt');
    expect(atServer.trim().split('\n')).toHaveLength(1);
    expect(atServer).toContain('*:443');
  });
});

describe('a fault set on a web server shows in its own phase', () => {
  it('thinking: in the wait', async () => {
    await network.services.set('s1', { thinkMs: lateMs });
    const got = await fetchWithCurl(network, '/health');
    expect(got.status).toBe(200);
    expect(got.waitMs).toBeGreaterThanOrEqual(lateMs - 1);
    expectSoon(got, 'waitMs');
  });

  it.each(['-4', '-6'])('a late handshake: in TLS, over %s', async (family) => {
    await network.services.set('s1', { tlsDelayMs: lateMs });
    const got = await fetchWithCurl(network, '/health', family);
    expect(got.status).toBe(200);
    expect(got.tlsMs).toBeGreaterThanOrEqual(lateMs - 1);
    expectSoon(got, 'tlsMs');
  });

  it('a slow body: while receiving', async () => {
    await network.services.set('s1', { bytesPerSecond: 100_000 });
    const got = await fetchWithCurl(network, '/bytes/150000');
    expect(got).toMatchObject({ status: 200, bytes: 150_000 });
    expect(got.receiveMs).toBeGreaterThan(1_300);
    expectSoon(got, 'receiveMs');
  });

  it('a slow resolver: in DNS', async () => {
    await network.services.set('n1', { delayMs: lateMs });
    const got = await fetchWithCurl(network, '/health');
    expect(got.status).toBe(200);
    expect(got.dnsMs).toBeGreaterThanOrEqual(lateMs - 1);
    expectSoon(got, 'dnsMs');
  });

  const expectSoon = (
    got: Awaited<ReturnType<typeof fetchWithCurl>>,
    except: 'dnsMs' | 'tlsMs' | 'waitMs' | 'receiveMs',
  ) => {
    for (const phase of ['dnsMs', 'connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const) {
      if (phase !== except) expect([phase, got[phase] < lateMs]).toEqual([phase, true]);
    }
  };
});

describe('a broken web server', () => {
  it('answers with its error, always or for a share of requests', async () => {
    await network.services.set('s1', { errorRatio: 1, errorStatus: 502 });
    expect(await fetchWithCurl(network, '/')).toMatchObject({ code: 0, status: 502 });
    await network.services.set('s1', { errorRatio: 0.5 });
    const before = await network.services.requests('s1');
    const { stdout } = await network.run(
      'd1',
      ...['curl', '-s', '-Z', '--cacert', network.authorityFile],
      'https://crm.saas.test/health?[1-200]',
    );
    expect(stdout).toContain('ok');
    const after = await network.services.requests('s1');
    const errors = (after.byAnswer['502'] ?? 0) - (before.byAnswer['502'] ?? 0);
    // Of 200 by halves: further off than this once in a million.
    expect(errors).toBeGreaterThan(60);
    expect(errors).toBeLessThan(140);
  });

  it('that hangs takes the request and never answers', async () => {
    await network.services.set('s1', { hangs: true });
    const before = await network.services.requests('s1');
    const got = await fetchWithCurl(network, '/health', '--max-time', '2');
    expect(got).toMatchObject({ code: 28, status: 0 });
    expect(got.tlsMs).toBeGreaterThan(0);
    expect((await network.services.requests('s1')).count).toBe(before.count + 1);
  });

  it('that refuses answers a SYN with RST, and serves again afterwards', async () => {
    await network.services.set('s1', { refuses: true });
    expect(await fetchWithCurl(network, '/health')).toMatchObject({ code: 7 });
    await network.services.set('s1', { refuses: false });
    expect(await fetchWithCurl(network, '/health')).toMatchObject({ code: 0, status: 200 });
  });

  it.each([
    ['expired', /certificate has expired/],
    ['wrong-name', /Hostname mismatch/i],
  ])('shows a certificate that is %s', async (certificate, complaint) => {
    await network.services.set('s1', { certificate });
    expect(await fetchWithCurl(network, '/health')).toMatchObject({ code: 60 });
    const { stdout } = await openssl();
    expect(stdout).toMatch(complaint);
    await network.services.reset();
    expect((await openssl()).stdout).toContain('Verify return code: 0 (ok)');
  });

  it('lets no client resume a session with a certificate of before', async () => {
    const session = `${network.folder}/session`;
    expect((await openssl('-sess_out', session)).stdout).toMatch(/^New, /m);
    expect((await openssl('-sess_in', session)).stdout).toMatch(/^Reused, /m);
    await network.services.set('s1', { certificate: 'expired' });
    expect((await openssl('-sess_in', session)).stdout).toMatch(/^New, /m);
  });

  const openssl = (...args: string[]) =>
    network.run(
      'd1',
      // Session tickets of TLS 1.3 come after the handshake.
      ...['sh', '-c', '(sleep 0.3) | openssl s_client "$@" 2>&1', 'sh'],
      ...['-connect', '11.9.0.3:443', '-servername', 'crm.saas.test', ...args],
      ...['-verify_hostname', 'crm.saas.test', '-CAfile', network.authorityFile],
    );
});
