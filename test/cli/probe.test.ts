import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { showEnd } from '#cli/probe/certificate-end.ts';
import { describeSelf } from '#cli/probe/self-text.ts';
import { TcpBody, TlsBody } from '#contract/body/connection.ts';
import { DnsBody } from '#contract/body/dns.ts';
import { HttpBody } from '#contract/body/http.ts';
import { check } from '#contract/check.ts';
import { distortions, SelfCheck } from '#contract/result.ts';
import { startReflector } from '#edge/reflector.ts';
import { silentLog } from '#runtime/log.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'whyslow-cli-probe-'));
const ca = join(folder, 'ca.pem');
let origin: Origin;
let names: Awaited<ReturnType<typeof startNameServer>>;

beforeAll(async () => {
  const authority = await createTestAuthority();
  writeFileSync(ca, authority.certificatePem);
  origin = await startOrigin({ authority });
  origin.on('/start', { status: 302, headers: { location: '/' } });
  origin.on('/broken', { status: 503 });
  names = await startNameServer({ 'app.test': { A: { data: ['192.0.2.1'] } } });
});
afterAll(async () => {
  await Promise.all([origin.stop(), names.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** The command as a process of its own, with nothing but `probe` registered. */
const command = `
  const { Command } = await import('commander');
  const { registerProbe } = await import(${JSON.stringify(join(root, 'cli/probe.ts'))});
  const program = new Command('whyslow').exitOverride();
  registerProbe(program);
  await program.parseAsync(process.argv.slice(1), { from: 'user' })
    .catch((error) => { console.error(error.message); process.exitCode = 2; });
`;

const whyslow = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const all = ['--import', 'tsx', '--input-type=module', '-e', command, '--', 'probe', ...args];
    const child = execFile(process.execPath, all, { cwd: root }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });

describe('whyslow probe', () => {
  it('shows every exchange with its phases, and the certificate', async () => {
    const { code, stdout } = await whyslow('http', `${origin.url}/start`, '--ca', ca);
    expect(code).toBe(0);
    expect(stdout).toContain(`GET ${origin.url}/start`);
    expect(stdout).toContain('302, 0 bytes from 127.0.0.1');
    expect(stdout).toMatch(/redirect 1\nGET .*\n {2}200, 22 bytes/);
    expect(stdout).toMatch(/ {2}tls +[\d.]+ ms +█/);
    expect(stdout).toContain('certificate  localhost, issued by whyslow test CA');
  });

  it('takes every option of an HTTP probe', async () => {
    const { code, stdout } = await whyslow(
      ...['http', origin.url, '--ca', ca, '--method', 'OPTIONS', '--body', 'ask', '--warm'],
      ...[
        '--http-version',
        '1.1',
        '--family',
        'ipv4',
        '--max-bytes',
        '1000',
        '--max-redirects',
        '0',
      ],
    );
    expect(code).toBe(0);
    expect(origin.seen.at(-1)).toMatchObject({
      method: 'OPTIONS',
      headers: { 'content-length': '3' },
    });
    expect(stdout).toContain(', HTTP/1.1\n');
    expect(stdout).toMatch(/\nwarm {2}200, wait [\d.]+ ms, receive [\d.]+ ms\n/);
    expect(stdout).toMatch(/under an extra CA; the first of them ends in [67] days/);
    expect(stdout).toContain('inspected, or a private application: whyslow test CA');
    const six = await whyslow('http', origin.url, '--ca', ca, '--family', 'ipv6', '--json');
    expect(JSON.parse(six.stdout).failure).toMatchObject({ type: 'dns.name_not_resolved' });
    expect((await whyslow('http', origin.url, '--http-version', '3')).code).toBe(2);
  });

  it('prints an outcome of the contract with --json, once for every run', async () => {
    const seenBefore = origin.seen.length;
    const { code, stdout } = await whyslow(
      'http',
      origin.url,
      '--ca',
      ca,
      '--json',
      '--count',
      '2',
    );
    expect(code).toBe(0);
    const outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(outcomes).toHaveLength(2);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ type: 'http', availability: 1, failure: null });
      expect(check(HttpBody, outcome.body).ok).toBe(true);
      // As the agent's results have it.
      expect(check(SelfCheck, outcome.self).ok).toBe(true);
      expect(distortions).toContain(outcome.distortion);
    }
    // The run that warms the program up goes elsewhere.
    expect(origin.seen.length).toBe(seenBefore + 2);
  });

  it('ends with 1 when the measurement failed, and says what to do', async () => {
    const { code, stdout } = await whyslow('http', `${origin.url}/broken`, '--ca', ca);
    expect(code).toBe(1);
    expect(stdout).toContain('FAILED  http.error  in phase wait, at fault: target');
    expect(stdout).toContain('ask the application owner');
  });

  it('shows the phase it gave up in, and the time that took', async () => {
    origin.on('/hang', { fault: 'hang' });
    const { code, stdout } = await whyslow(
      ...['http', `${origin.url}/hang`, '--ca', ca, '--timeout', '0.9'],
    );
    expect(code).toBe(1);
    const [, wait = '', , total = ''] =
      /wait +> (\d+) ms +█+ not finished\n( +)total +(\d+) ms\n/.exec(stdout) ?? [];
    expect(Number(wait)).toBeGreaterThan(300);
    expect(Number(total)).toBeGreaterThanOrEqual(895);
    expect(stdout).toContain('http.timed_out  in phase wait');
  });

  it('asks a name server', async () => {
    const { code, stdout } = await whyslow('dns', 'app.test', '--server', names.address);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^A app\.test, asked 127\.0\.0\.1:\d+: [\d.]+ ms\n {2}192\.0\.2\.1\n/);
    expect(stdout).toContain('  NOERROR, not validated, kept for 60 s, 42 bytes over udp\n');
    const json = await whyslow('dns', 'app.test', '--server', names.address, '--json');
    expect(check(DnsBody, JSON.parse(json.stdout).body).ok).toBe(true);
  });

  it('shows control characters of strangers as what they are', async () => {
    const evil = '\u001b]0;owned\u0007\u007f fine';
    const liar = await startNameServer({ 'x.test': { TXT: { data: [evil] } } });
    const { stdout } = await whyslow('dns', 'x.test', '--record', 'TXT', '--server', liar.address);
    expect(stdout).toContain('\\x1b]0;owned\\x07');
    const json = await whyslow(
      ...['dns', 'x.test', '--record', 'TXT', '--server', liar.address, '--json'],
    );
    await liar.stop();
    for (const text of [stdout, json.stdout]) {
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
    const { answers } = JSON.parse(json.stdout).body as DnsBody;
    expect(answers.join()).toContain('owned');
  });

  it('asks two name servers and says what differs', async () => {
    const other = await startNameServer({ 'app.test': { A: { data: ['192.0.2.9'] } } });
    const both = ['--server', names.address, '--compare', other.address];
    const { code, stdout } = await whyslow('dns', 'app.test', ...both);
    await other.stop();
    expect(code).toBe(0);
    expect(stdout).toContain(`they differ:\n  ${other.address} lacks 192.0.2.1\n`);
  });

  it('connects, and only that', async () => {
    const { code, stdout } = await whyslow('tcp', `127.0.0.1:${origin.port}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^connection to 127\.0\.0\.1:\d+\n {2}connect +[\d.]+ ms\n/);
    const refused = await whyslow('tcp', '127.0.0.1:1', '--json');
    expect(refused.code).toBe(1);
    const outcome = JSON.parse(refused.stdout);
    expect(outcome).toMatchObject({ type: 'tcp', failure: { type: 'tcp.refused' } });
    expect(check(TcpBody, outcome.body).ok).toBe(true);
  });

  it('shows a server’s certificates and the days they have left', async () => {
    const { code, stdout } = await whyslow('tls', `127.0.0.1:${origin.port}`, '--ca', ca);
    expect(code).toBe(0);
    expect(stdout).toMatch(/TLSv1\.3, TLS_AES_\w+, /);
    expect(stdout).toMatch(/certificates\n {2}localhost +issued by whyslow test CA/);
    expect(stdout).toContain('name matches, chain trusted (extra root)');
    expect(stdout).toMatch(/the first of them ends in [67] days: fewer than 14 days, renew it/);
    const args = ['--ca', ca, '--json', '--server-name', 'other.test'];
    const other = await whyslow('tls', `127.0.0.1:${origin.port}`, ...args);
    expect(other.code).toBe(1);
    expect(check(TlsBody, JSON.parse(other.stdout).body).ok).toBe(true);
  });

  it('says of an expired certificate that it ended, and that only its dates are wrong', async () => {
    const authority = await createTestAuthority();
    const file = join(folder, 'expired-ca.pem');
    writeFileSync(file, authority.certificatePem);
    const expired = await startOrigin({ authority, certificate: 'expired' });
    const [tls, http] = await Promise.all([
      whyslow('tls', `127.0.0.1:${expired.port}`, '--ca', file),
      whyslow('http', expired.url, '--ca', file),
    ]);
    await expired.stop();
    expect(tls.stdout).toContain('name matches, chain trusted but for its DATES (extra root)');
    expect(tls.stdout).toMatch(/the first of them ended .+ ago\n/);
    expect(http.stdout).toMatch(/under an extra CA; the first of them ended .+ ago\n/);
  });

  it.each([
    [2.5, 'ends in 2 days'],
    [1, 'ends in 1 day'],
    [0.5, 'ends in 12 hours'],
    [0, 'ends in less than an hour'],
    [-0, 'ended less than an hour ago'],
    [-0.01, 'ended less than an hour ago'],
    [-1.4, 'ended 1 day ago'],
  ])('says of %d days that it %s', (days, words) => {
    expect(showEnd(days)).toBe(words);
  });

  it('names the address that was tried and refused, and the time that took', async () => {
    const [tcp, http] = await Promise.all([
      whyslow('tcp', 'localhost:1', '--family', 'ipv4'),
      whyslow('http', 'http://localhost:1/', '--family', 'ipv4'),
    ]);
    expect(tcp.stdout).toMatch(/ {2}127\.0\.0\.1 +refused +at +0\.00 ms +for +[\d.]+ ms\n/);
    expect(http.stdout).toMatch(
      /attempts\n +127\.0\.0\.1 +refused +at +0\.00 ms +for +[\d.]+ ms\n/,
    );
  });

  it('sends a stream to a reflector and says what a call would be like', async () => {
    const reflector = await startReflector({
      listen: { host: '127.0.0.1', port: 0 },
      sessionsFrom: () => 1,
      monotonicMs: () => performance.now(),
      log: silentLog(),
    });
    const target = `127.0.0.1:${reflector.port}`;
    const { code, stdout } = await whyslow('voice', target, '--seconds', '1');
    await reflector.stop();
    expect(code).toBe(0);
    expect(stdout).toMatch(/ {2}opinion score [1-4]\.\d\d of 4\.5/);
    expect(stdout).toContain('50 of 50 came back');
    const gone = await whyslow('voice', target, '--seconds', '1', '--json');
    expect(gone.code).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject({ failure: { type: 'voice.no_answer' } });
  });

  it('says when its own figures are no evidence, and nothing otherwise', () => {
    const self = { eventLoopDelayMs: 80, longestDelayMs: 300, cpuStealRatio: null, clockJumpMs: 0 };
    expect(describeSelf({ self, distortion: 'none' })).toEqual([]);
    const [line] = describeSelf({ self, distortion: 'agent-overloaded' });
    expect(line).toContain('DISTORTED  this machine was too busy (timers late by 80.0 ms, 300 ms');
  });

  it.each([
    [['page', 'a.test', '--screenshot', '/nonexistent/x.jpg'], '--screenshot /nonexistent/x.jpg:'],
    [['page', 'a.test', '--har', '/'], '--har /: is a folder'],
    [['http', 'ftp://a.test'], 'target ftp://a.test: give an http:// or https:// URL'],
    [['http', 'a.test', '--proxy', 'nowhere'], 'HOST:PORT'],
    [['http', 'a.test', '--timeout', 'soon'], 'seconds from 0.1 to 600'],
    [['http', 'a.test', '--ca', '/does/not/exist'], '--ca /does/not/exist: give a file'],
    [['http', 'a.test', '--header', 'x'], 'NAME:VALUE'],
    [['http', 'a.test', '--expect-status', '200,ok'], '"ok" is no status'],
    [['path', 'a b'], 'target a b: give a host name or an address'],
    [['path', 'a.test', '--count', '50'], 'whole number from 3 to 20'],
    [['dns', 'a.test', '--server', 'resolver'], '--server resolver: give an address'],
    [['dns', 'a.test', '--record', 'AX'], 'A, AAAA, CNAME'],
    [['dns', 'a.test', '--compare', 'resolver'], '--compare resolver: give an address'],
    [['tcp', 'a.test'], 'target a.test: give it as HOST:PORT'],
    [['tls', 'a.test:99999'], 'give it as HOST or HOST:PORT'],
    [['voice', 'a.test', '--rate', '1000'], 'whole number from 1 to 100'],
    [['page', 'a.test', '--method', 'GET'], "unknown option '--method'"],
  ])('refuses %j with what to write instead', async (args, words) => {
    const { code, stderr } = await whyslow(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });
});
