import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DnsBody, type dnsRecordTypes } from '#contract/body/dns.ts';
import { check } from '#contract/check.ts';
import { createDnsProber } from '#probes/dns/dns.ts';
import { reverseName } from '#probes/dns/reverse-name.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { dnsProbe, probeContext } from '#test/support/probe-context.ts';

const prober = createDnsProber();
let server: Awaited<ReturnType<typeof startNameServer>>;

beforeAll(async () => {
  server = await startNameServer({
    'app.test': {
      A: { data: ['192.0.2.1', '192.0.2.2'] },
      AAAA: { data: ['2001:db8::1'] },
      MX: { data: ['10 mail.app.test'] },
      TXT: { data: ['v=spf1 -all'] },
      NS: { data: ['ns1.app.test'] },
      SRV: { data: ['1 2 443 web.app.test'] },
    },
    'www.app.test': { CNAME: { data: ['app.test'] } },
    'slow.test': { A: { data: ['192.0.2.3'], delayMs: 150 } },
    'silent.test': { A: { isSilent: true } },
    'broken.test': { A: { rcode: 'SERVFAIL' } },
    'secret.test': { A: { rcode: 'REFUSED' } },
    '1.2.0.192.in-addr.arpa': { PTR: { data: ['app.test'] } },
  });
});
afterAll(() => server.stop());

const run = (name: string, changes: Parameters<typeof dnsProbe>[1] = {}) =>
  prober.run(dnsProbe(name, { server: server.address, ...changes }), probeContext());

describe('dns probe', () => {
  it.each([
    ['app.test', 'A', ['192.0.2.1', '192.0.2.2']],
    ['app.test', 'AAAA', ['2001:db8::1']],
    ['app.test', 'MX', ['10 mail.app.test']],
    ['app.test', 'TXT', ['v=spf1 -all']],
    ['app.test', 'NS', ['ns1.app.test']],
    ['app.test', 'SRV', ['1 2 443 web.app.test']],
    ['www.app.test', 'CNAME', ['app.test']],
    ['192.0.2.1', 'PTR', ['app.test']],
  ] as [string, (typeof dnsRecordTypes)[number], string[]][])(
    'reads %s %s records as text',
    async (name, recordType, answers) => {
      const outcome = await run(name, { recordType });
      expect(outcome).toMatchObject({ availability: 1, failure: null });
      expect(outcome.body).toMatchObject({ name, recordType, servers: [server.address] });
      expect([...outcome.body.answers].sort()).toEqual(answers);
      expect(check(DnsBody, outcome.body).ok).toBe(true);
    },
  );

  it('times the answer', async () => {
    const { body } = await run('slow.test');
    expect(body.durationMs).toBeGreaterThanOrEqual(148);
    expect(body.durationMs).toBeLessThan(1_000);
  });

  it.each([
    ['nowhere.test', 'dns.name_not_resolved'],
    ['www.app.test', 'dns.name_not_resolved'],
    ['broken.test', 'dns.refused'],
    ['secret.test', 'dns.refused'],
  ])('gives the failure of %s as %s, with the time the answer took', async (name, type) => {
    const outcome = await run(name);
    expect(outcome).toMatchObject({ availability: 0, failure: { type, phase: 'dns' } });
    expect(outcome.body.durationMs).not.toBeNull();
  });

  it('gives up a silent server at the deadline, with no duration', async () => {
    const outcome = await run('silent.test', { timeoutMs: 200 });
    expect(outcome).toMatchObject({ availability: 0, failure: { type: 'dns.timed_out' } });
    expect(outcome.body.durationMs).toBeNull();
    expect(outcome.durationMs).toBeGreaterThanOrEqual(190);
  });

  it('says that nothing listens at the server’s port', async () => {
    const outcome = await run('app.test', { server: '127.0.0.1:1' });
    expect(outcome.failure).toMatchObject({ type: 'dns.unreachable', source: 'resolver' });
  });

  it('says how a server is written when it cannot be read', async () => {
    const outcome = await run('app.test', { server: 'resolver' });
    expect(outcome.failure).toMatchObject({ type: 'dns.unreachable', phase: 'prepare' });
    expect(outcome.failure?.message).toContain('ADDRESS:PORT');
  });

  it('asks for an address under its reverse name', () => {
    expect(reverseName('192.0.2.1')).toBe('1.2.0.192.in-addr.arpa');
    expect(reverseName('2001:db8::1')).toBe(
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
    );
  });
});
