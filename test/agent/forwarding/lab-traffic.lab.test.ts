import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { browse } from '#test/lab/browse.ts';
import { type Capture, startCapture } from '#test/lab/capture.ts';
import { clearFaults, setFaults } from '#test/lab/faults/apply.ts';
import { kernelTools } from '#test/lab/faults/kernel-tools.ts';
import type { Lab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { type LabAgents, startLabAgents } from '../lab-agents.ts';

let agents: LabAgents;
let lab: Lab;

beforeAll(async () => {
  agents = await startLabAgents(['a2']);
  lab = agents.lab;
}, 240_000);
afterEach(() => clearFaults(lab));
afterAll(() => agents?.stop());

const proxy = 'http://127.0.0.1:9339';
const socks = 'socks5h://127.0.0.1:9340';

/** From a2: what curl says, body and all. */
const curl = (...args: string[]) =>
  lab.exec('a2', 'curl', ['-sS', '-m', '20', '--cacert', `${lab.folder}/ca.pem`, ...args]);

describe('what leaves a device whose applications use the tunnel', () => {
  /** During some work: to whom packets went, and what was asked of name servers. */
  const during = async (work: () => Promise<void>) => {
    const capture = await startCapture(lab, 'a2', 'apa', 'ip or ip6');
    try {
      await work();
    } finally {
      await capture.stop();
    }
    return { destinations: await destinationsOf(capture), questions: await questionsOf(capture) };
  };
  /** Nodes by name; addresses of no node are multicast: neighbours are asked for, nobody outside. */
  const destinationsOf = async (capture: Capture): Promise<Set<string>> => {
    const own = new Set(lab.addressesOf('a2'));
    const rows = await capture.read('ip or ipv6', ['ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst']);
    const sent = rows.filter(([from4, , from6]) => own.has(from4 ?? '') || own.has(from6 ?? ''));
    const to = sent.map(([, to4, , to6]) => to4 || to6 || '');
    return new Set(
      to
        .filter((address) => !address.startsWith('ff02:') && !address.startsWith('fe80:'))
        .map((address) => lab.nodeOf(address) ?? address),
    );
  };
  const questionsOf = async (capture: Capture): Promise<Set<string>> =>
    new Set((await capture.read('dns', ['dns.qry.name'])).map(([name]) => name ?? ''));

  /** Those the agent itself talks to: edges, collector, its resolver, the gateway it pings. */
  const ownBusiness = ['e1', 'e2', 'col', 'nsa', 'gwa'];
  const expectOnly = (seen: Set<string>, allowed: readonly string[]): void => {
    expect([...seen].filter((each) => !allowed.includes(each))).toEqual([]);
  };
  const expectNoQuestionOf = (seen: Set<string>): void => {
    const own = ['e1.edge.test', 'e2.edge.test', 'collector.lab.test'];
    expectOnly(seen, own);
  };

  it('goes to the edge and nowhere else, by HTTP proxy, by SOCKS5 and by PAC', async () => {
    let before: Record<string, number> = {};
    const { destinations, questions } = await during(async () => {
      before = (await lab.services.requests('s1')).bySource;
      const byProxy = await curl('-x', proxy, 'https://crm.saas.test/health');
      expect(byProxy).toMatchObject({ code: 0, stdout: 'ok\n' });
      const bySocks = await curl('-x', socks, 'https://crm.saas.test/health');
      expect(bySocks).toMatchObject({ code: 0, stdout: 'ok\n' });
      const pac = await curl('http://127.0.0.1:9339/proxy.pac');
      const told = /return "PROXY ([\d.:]+)/.exec(pac.stdout)?.[1] ?? '';
      const byPac = await curl('-x', `http://${told}`, 'https://docs.saas.test/bytes/300000');
      expect(byPac.code).toBe(0);
    });
    expect([...destinations]).toContain('e1');
    expectOnly(destinations, ownBusiness);
    expectNoQuestionOf(questions);
    const { bySource } = await lab.services.requests('s1');
    const came = Object.entries(bySource).filter(
      ([source, count]) => count > (before[source] ?? 0),
    );
    expect(came.map(([source]) => lab.nodeOf(source.replace('::ffff:', '')))).toEqual(['e1']);
  });

  it('goes to the edge for all of a page in Chromium that reads the PAC file', async () => {
    const profile = mkdtempSync(join(tmpdir(), 'whyslow-chromium-'));
    try {
      const { destinations, questions } = await during(async () => {
        const page = await browse(lab.namespaceOf('a2'), 'https://crm.saas.test/', {
          home: profile,
          // Not whose certificate it is, but which way it comes, is asked here.
          flags: ['--ignore-certificate-errors', '--proxy-pac-url=http://127.0.0.1:9339/proxy.pac'],
        });
        // Its own script has run.
        expect(page).toContain('data-ready="yes"');
      });
      expectOnly(destinations, ownBusiness);
      expect([...questions].filter((name) => /saas\.test|third\.test/.test(name))).toEqual([]);
      expect((await lab.services.requests('tp')).byTarget['/tag.js']).toBeGreaterThan(0);
    } finally {
      rmSync(profile, { recursive: true, force: true });
    }
  }, 120_000);

  it('goes direct for hosts the organisation lets by, and for these only', async () => {
    await agents.forward({ bypass: ['docs.saas.test'] });
    const { destinations, questions } = await during(async () => {
      const direct = await curl('-x', proxy, '-D', '-', 'https://docs.saas.test/health');
      expect(direct.stdout).toMatch(/details="direct, bypass docs\.saas\.test"/i);
      const tunnelled = await curl('-x', socks, 'https://crm.saas.test/health');
      expect(tunnelled.code).toBe(0);
    });
    await agents.forward({});
    expect([...destinations]).toContain('s2');
    expectOnly(destinations, [...ownBusiness, 's2']);
    expect([...questions]).toContain('docs.saas.test');
    expect([...questions]).not.toContain('crm.saas.test');
  });

  it('reaches the private application through the tunnel, and no other way', async () => {
    const { destinations } = await during(async () => {
      const tunnelled = await curl('-x', proxy, 'https://wiki.corp.test/health');
      expect(tunnelled).toMatchObject({ code: 0, stdout: 'ok\n' });
    });
    expectOnly(destinations, ownBusiness);
    const direct = await curl(
      ...['--noproxy', '*', '-m', '3', '--resolve', 'wiki.corp.test:443:10.50.0.10'],
      'https://wiki.corp.test/health',
    );
    expect([7, 28]).toContain(direct.code);
  });
});

describe('a place where large packets vanish', () => {
  let prober: LabProber;
  const port = 9_339;
  beforeAll(() => {
    prober = startProber(lab, 'a2');
  });
  afterAll(() => prober?.stop());

  const ask = (path: string, way: 'tunnel' | 'direct', timeoutMs = 5_000) =>
    prober.http(
      httpProbe(`https://crm.saas.test${path}`, { timeoutMs, family: 'ipv4' }),
      way === 'tunnel' ? { host: '127.0.0.1', port } : undefined,
    );
  const large = '/bytes/50000';
  const tellFailure = (where: string, { failure }: Awaited<ReturnType<typeof ask>>) =>
    process.stdout.write(`${where}: ${failure?.type} in ${failure?.phase}: ${failure?.message}\n`);

  /** The first segment of a large answer is a large packet: which phase waits for it is the server's choice. */
  const expectHang = (outcome: Awaited<ReturnType<typeof ask>>): void => {
    expect(outcome).toMatchObject({ availability: 0, failure: { type: 'http.timed_out' } });
    expect(['wait', 'receive']).toContain(outcome.failure?.phase);
  };
  const isWell = { availability: 1, failure: null };
  /** Third column of `ss`: sent and not acknowledged, or not sent yet. */
  const queuedBytes = async (node: string): Promise<number> => {
    const { stdout } = await lab.exec(node, 'ss', ['-tnH']);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.reduce((sum, line) => sum + Number(line.split(/\s+/)[2]), 0);
  };
  const expectHole = async (from: string, to: string): Promise<void> => {
    const tools = kernelTools(lab);
    expect((await tools.ping(from, to, { count: 3, size: 1_100 })).lossRatio).toBe(0);
    const big = await tools.ping(from, to, { count: 3, size: 1_400 });
    expect(big.lossRatio).toBe(1);
    expect(big.text).not.toMatch(/frag|too big/i);
  };

  it('beyond the edge hurts large answers through the tunnel, and nothing else', async () => {
    await setFaults(lab, ['transit-mtu-hole']);
    await expectHole('s1', 'e1');
    expect(await ask('/health', 'tunnel')).toMatchObject(isWell);
    const tunnelled = await ask(large, 'tunnel');
    tellFailure('MTU hole beyond the edge, large answer through the tunnel', tunnelled);
    expectHang(tunnelled);
    expect(await ask('/health', 'tunnel')).toMatchObject(isWell);
    // The way from the server past the edge has no hole.
    expect(await ask(large, 'direct')).toMatchObject(isWell);
    await clearFaults(lab);
    expect(await ask(large, 'tunnel')).toMatchObject(isWell);
    // What the server still had for those who gave up comes late: it is not to meet the next hole.
    await waitUntil(
      async () => (await queuedBytes('s1')) + (await queuedBytes('e1')) === 0,
      60_000,
    );
  });

  it('before the edge hurts large answers both ways, and then all that shares the tunnel’s session', async () => {
    await setFaults(lab, ['isp-a-mtu-hole']);
    await expectHole('a2', 'e1');
    expect(await ask('/health', 'direct')).toMatchObject(isWell);
    expect(await ask('/health', 'tunnel')).toMatchObject(isWell);
    const direct = await ask(large, 'direct');
    tellFailure('MTU hole before the edge, large answer direct', direct);
    expectHang(direct);
    const tunnelled = await ask(large, 'tunnel');
    tellFailure('MTU hole before the edge, large answer through the tunnel', tunnelled);
    expectHang(tunnelled);
    const next = await ask('/health', 'tunnel', 3_000);
    tellFailure('MTU hole before the edge, the next small one', next);
    expect(next.failure).toMatchObject({ type: 'tunnel.timed_out', phase: 'proxy-connect' });
    expect(await ask('/health', 'direct')).toMatchObject(isWell);
  });

  it('before the edge is got round by an edge whose kernel looks for it (RFC 4821)', async () => {
    await setFaults(lab, ['isp-a-mtu-hole']);
    await lab.exec('e1', 'sysctl', ['-w', 'net.ipv4.tcp_mtu_probing=1']);
    try {
      // The session that hangs from before goes on or ends first.
      await waitUntil(async () => (await ask(large, 'tunnel')).failure === null, 60_000);
      const askedMs = performance.now();
      expect(await ask(large, 'tunnel', 10_000)).toMatchObject(isWell);
      const tookMs = Math.round(performance.now() - askedMs);
      process.stdout.write(`MTU hole before the edge, with tcp_mtu_probing=1: ${tookMs} ms\n`);
    } finally {
      await lab.exec('e1', 'sysctl', ['-w', 'net.ipv4.tcp_mtu_probing=0']);
    }
  });
});
