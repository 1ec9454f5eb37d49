import type { Answer } from 'dns-packet';
import { encode } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { DnsBody } from '#contract/body/dns.ts';
import { check } from '#contract/check.ts';
import { parseServer } from '#contract/dns-server.ts';
import type { DnsProbe } from '#contract/plan.ts';
import { createDnsProber } from '#probes/dns/dns.ts';
import { showSvcb } from '#probes/dns/svcb.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { type DnsReaction, startDnsServer } from '#test/support/dns-server.ts';
import { dnsProbe, probeContext } from '#test/support/probe-context.ts';

const prober = createDnsProber();
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const a = (data: string, ttl = 60): Answer => ({ type: 'A', name: 'app.test', ttl, data });

const start = async (...given: Parameters<typeof startDnsServer>) => {
  const server = await startDnsServer(...given);
  ends.push(server.stop);
  return server;
};

/** Reactions to the first, second … question; the last one stays. */
const inTurn =
  (...reactions: DnsReaction[]) =>
  (_: unknown, __: unknown, count: number): DnsReaction =>
    reactions[Math.min(count, reactions.length) - 1] ?? {};

const run = async (changes: Partial<DnsProbe>, extraCa: string[] = []) => {
  const outcome = await prober.run(dnsProbe('app.test', changes), probeContext({ extraCa }));
  expect(check(DnsBody, outcome.body)).toMatchObject({ ok: true });
  return outcome;
};

describe('a DNS answer', () => {
  it('says who validated it, how long it may be kept, and how long it is', async () => {
    const answers = [a('192.0.2.1', 300), a('192.0.2.2', 20)];
    const server = await start(() => ({ answers, isAuthenticated: true }));
    const { body } = await run({ server: server.address });
    expect(body).toMatchObject({ rcode: 'NOERROR', authenticated: true, agree: null });
    expect(body.replies?.[0]).toMatchObject({
      server: server.address,
      transport: 'udp',
      recursionAvailable: true,
      ttlSeconds: 20,
      bytes: 74,
      attempts: [{ outcome: 'answered' }],
    });
    const [asked] = server.asked;
    expect(asked?.query).toMatchObject({ flag_rd: true, flag_cd: false });
    expect(asked?.query.additionals).toMatchObject([{ type: 'OPT', flag_do: true }]);
  });

  it('that does not fit into a packet is asked for again over TCP', async () => {
    const server = await start((_, transport) =>
      transport === 'udp' ? { isTruncated: true } : { answers: [a('192.0.2.1')] },
    );
    const { body, failure } = await run({ server: server.address });
    expect(failure).toBeNull();
    expect(body.answers).toEqual(['192.0.2.1']);
    expect(body.replies?.[0]?.transport).toBe('tcp');
    expect(body.replies?.[0]?.attempts.map(({ outcome }) => outcome)).toEqual([
      'truncated',
      'answered',
    ]);
  });

  it('that was lost once is no slow server', async () => {
    const server = await start(inTurn({ isSilent: true }, { answers: [a('192.0.2.1')] }));
    const { body, durationMs } = await run({ server: server.address });
    expect(durationMs).toBeGreaterThan(1_900);
    expect(body.durationMs).toBeLessThan(1_000);
    expect(body.replies?.[0]?.attempts).toMatchObject([
      { outcome: 'unanswered' },
      { outcome: 'answered' },
    ]);
  });

  it('that is slow is no lost packet, even when the question was repeated', async () => {
    const late = { answers: [a('192.0.2.1')], delayMs: 2_300 };
    const server = await start(inTurn(late, { isSilent: true }));
    const { body } = await run({ server: server.address });
    expect(body.durationMs).toBeGreaterThan(2_200);
    expect(body.replies?.[0]?.attempts).toMatchObject([
      { outcome: 'answered' },
      { outcome: 'unanswered' },
    ]);
  });

  it('in another’s name is not believed: wrong id, question, type or sender', async () => {
    const forge = (id: number, name: string, type: 'A' | 'AAAA') =>
      encode({
        type: 'response',
        id,
        flags: 0x0180,
        questions: [{ type, name, class: 'IN' }],
        answers: [a('203.0.113.66')],
      });
    const stranger = (await import('node:dgram')).createSocket('udp4');
    ends.push(() => stranger.close());
    const server = await start(() => ({
      answers: [a('192.0.2.1')],
      delayMs: 100,
      before: (query, answer) => {
        const id = query.id ?? 0;
        const port = server.asked.at(-1)?.port ?? 0;
        // The right answer but for its sender.
        stranger.send(forge(id, 'app.test', 'A'), port, '127.0.0.1');
        return [
          forge(id ^ 1, 'app.test', 'A'),
          forge(id, 'other.test', 'A'),
          forge(id, 'app.test', 'AAAA'),
          answer.subarray(0, 11),
          Buffer.from('not DNS at all'),
          // A question is no answer.
          encode({ ...query, type: 'query', answers: [a('203.0.113.66')] }),
        ];
      },
    }));
    const { body } = await run({ server: server.address });
    expect(body.answers).toEqual(['192.0.2.1']);
  });

  it('is asked for under ids and from ports that are not the last ones again', async () => {
    const server = await start(() => ({ answers: [a('192.0.2.1')] }));
    for (let i = 0; i < 12; i++) await run({ server: server.address });
    const ids = server.asked.map(({ query }) => query.id ?? 0);
    const ports = server.asked.map(({ port }) => port);
    expect(new Set(ids).size).toBeGreaterThan(10);
    expect(new Set(ports).size).toBeGreaterThan(6);
    const steps = ids.slice(1).map((id, i) => Math.abs(id - (ids[i] ?? 0)));
    expect(Math.max(...steps)).toBeGreaterThan(1_000);
  });
});

describe('several servers', () => {
  it('that differ only in order and TTL agree', async () => {
    const one = await start(() => ({ answers: [a('192.0.2.1', 5), a('192.0.2.2')] }));
    const two = await start(() => ({ answers: [a('192.0.2.2'), a('192.0.2.1', 60)] }));
    const { body } = await run({ server: one.address, compareWith: [two.address] });
    expect(body).toMatchObject({ agree: true, differences: [] });
    expect(body.replies?.map(({ server }) => server)).toEqual([one.address, two.address]);
  });

  it('that say different things are named with what differs; the first one decides', async () => {
    const one = await start(() => ({ answers: [a('192.0.2.1')] }));
    const two = await start(() => ({ answers: [a('192.0.2.9')] }));
    const three = await start(() => ({ rcode: 3 }));
    const dead = await start(() => ({ isSilent: true }));
    const { body, availability } = await run({
      server: one.address,
      compareWith: [two.address, three.address, dead.address],
      timeoutMs: 1_000,
    });
    expect(availability).toBe(1);
    expect(body.agree).toBe(false);
    expect(body.differences).toEqual([
      `${two.address} lacks 192.0.2.1`,
      `${two.address} adds 192.0.2.9`,
      `${three.address} says NXDOMAIN, ${one.address} says NOERROR`,
    ]);
    expect(body.replies?.map(({ failure }) => failure?.type)).toEqual([
      undefined,
      undefined,
      'dns.name_not_resolved',
      'dns.timed_out',
    ]);
  });

  it('are asked at the same time', async () => {
    const slow = await start(() => ({ answers: [a('192.0.2.1')], delayMs: 400 }));
    const { durationMs } = await run({
      server: slow.address,
      compareWith: [slow.address, slow.address, slow.address],
    });
    expect(durationMs).toBeLessThan(1_200);
  });
});

describe('a question', () => {
  it('goes over TCP, TLS and HTTPS, with the connection apart from the answer', async () => {
    const authority = await createTestAuthority();
    const server = await start(() => ({ answers: [a('192.0.2.1')], delayMs: 50 }), authority);
    const ways = {
      tcp: `tcp://${server.address}`,
      tls: `tls://localhost:${server.tlsPort}`,
      https: `https://localhost:${server.httpsPort}/dns-query`,
    };
    for (const [transport, name] of Object.entries(ways)) {
      const { body, failure } = await run({ server: name }, [authority.certificatePem]);
      expect(failure).toBeNull();
      expect(body).toMatchObject({ answers: ['192.0.2.1'], servers: [name] });
      expect(body.replies?.[0]).toMatchObject({ transport, failure: null });
      expect(body.replies?.[0]?.setupMs).toBeGreaterThan(0);
      expect(body.durationMs).toBeGreaterThanOrEqual(49);
    }
    // RFC 8484 section 4.1: one that caches can know.
    expect(server.asked.find(({ transport }) => transport === 'https')?.query.id).toBe(0);
  });

  it('is not put to a server whose certificate is not trusted', async () => {
    const authority = await createTestAuthority();
    const server = await start(() => ({ answers: [a('192.0.2.1')] }), authority);
    const url = `https://localhost:${server.httpsPort}/dns-query`;
    const { failure } = await run({ server: url });
    expect(failure).toMatchObject({ type: 'tls.cert.authority_invalid', phase: 'tls' });
    expect(server.asked).toEqual([]);
  });

  it('to a web server that knows nothing of DNS is refused', async () => {
    const authority = await createTestAuthority();
    const server = await start(() => ({}), authority);
    const url = `https://localhost:${server.httpsPort}/elsewhere`;
    const { failure } = await run({ server: url }, [authority.certificatePem]);
    expect(failure).toMatchObject({ type: 'dns.refused' });
    expect(failure?.message).toContain('404');
  });

  it('over TCP to a closed port is unreachable; to a silent server it times out', async () => {
    const closed = await run({ server: 'tcp://127.0.0.1:1' });
    expect(closed.failure).toMatchObject({ type: 'dns.unreachable' });
    const silent = await start(() => ({ isSilent: true }));
    const { failure } = await run({ server: `tcp://${silent.address}`, timeoutMs: 300 });
    expect(failure).toMatchObject({ type: 'dns.timed_out' });
  });

  it.each([['a'.repeat(64)], [`${'abcdefgh.'.repeat(30)}test`], ['two..dots']])(
    'under a name that DNS cannot hold is not sent: %s',
    async (name) => {
      const outcome = await prober.run(dnsProbe(name), probeContext());
      expect(outcome.failure).toMatchObject({ type: 'dns.name_not_resolved', phase: 'prepare' });
    },
  );
});

describe('records', () => {
  it.each([
    ['CAA', { flags: 0, tag: 'issue', value: 'ca.test' }, '0 issue "ca.test"'],
    [
      'SOA',
      {
        mname: 'ns.test',
        rname: 'admin.test',
        serial: 7,
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
      },
      'ns.test admin.test 7 1 2 3 4',
    ],
    ['TXT', ['one ', 'text'], 'one text'],
  ] as const)('%s are shown as in a zone file', async (recordType, data, text) => {
    const record = { type: recordType, name: 'app.test', data } as unknown as Answer;
    const server = await start(() => ({ answers: [record] }));
    const { body } = await run({ server: server.address, recordType });
    expect(body.answers).toEqual([text]);
  });

  it('HTTPS is shown with its parameters', async () => {
    const alpn = '00010006026832026833';
    const data = Buffer.from(`000103666f6f0361707000${alpn}000300020035`, 'hex');
    const record = { type: 'UNKNOWN_65', name: 'app.test', data } as unknown as Answer;
    const server = await start(() => ({ answers: [record] }));
    const { body } = await run({ server: server.address, recordType: 'HTTPS' });
    expect(body.answers).toEqual(['1 foo.app alpn=h2,h3 port=53']);
  });

  /** RFC 9460, appendix D: the wire form and what it means. */
  it.each([
    ['000003666f6f076578616d706c6503636f6d00', '0 foo.example.com'],
    ['000100', '1 .'],
    ['001003666f6f076578616d706c6503636f6d00000300020035', '16 foo.example.com port=53'],
    [
      '000103666f6f076578616d706c6503636f6d0000060020' +
        '20010db800000000000000000000000120010db8000000000000000000530001',
      '1 foo.example.com ipv6hint=2001:db8::1,2001:db8::53:1',
    ],
    [
      '001003666f6f076578616d706c65036f726700' +
        '0000000400010004' +
        '00010009026832' +
        '0568332d3139' +
        '00040004c0000201',
      '16 foo.example.org mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1',
    ],
  ])('SVCB %s is %s', (hex, text) => {
    expect(showSvcb(Buffer.from(hex, 'hex'))).toBe(text);
  });

  it('SVCB that ends too early is none', () => {
    expect(showSvcb(Buffer.from('000103666f', 'hex'))).toBeUndefined();
    expect(showSvcb(Buffer.from('00010000010009026832', 'hex'))).toBeUndefined();
  });
});

describe('a server', () => {
  it.each([
    ['192.0.2.53', 'udp', '192.0.2.53:53'],
    ['192.0.2.53:5353', 'udp', '192.0.2.53:5353'],
    ['2001:db8::53', 'udp', '[2001:db8::53]:53'],
    ['[2001:db8::53]:54', 'udp', '[2001:db8::53]:54'],
    ['tcp://192.0.2.53', 'tcp', 'tcp://192.0.2.53:53'],
    ['tls://dns.test', 'tls', 'tls://dns.test:853'],
    ['https://dns.test/dns-query', 'https', 'https://dns.test/dns-query'],
  ])('is written as %s', (text, transport, name) => {
    expect(parseServer(text)).toMatchObject({ transport, name });
  });

  it.each([
    '',
    'resolver',
    'tcp://dns.test',
    '192.0.2.53:0',
    '192.0.2.53:99999',
    '[192.0.2.1]:53',
    'ftp://192.0.2.1',
    'https://u:p@dns.test/',
  ])('is not written as %j', (text) => {
    expect(parseServer(text)).toBeUndefined();
  });
});
