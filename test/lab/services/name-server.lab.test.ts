import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SmallNetwork, startSmallNetwork } from './small-network.ts';

let network: SmallNetwork;

beforeAll(async () => {
  network = await startSmallNetwork();
});
afterEach(() => network?.services.reset());
afterAll(() => network?.stop());

const dig = async (...args: string[]): Promise<string> =>
  (await network.run('d1', 'dig', '+tries=1', '+time=3', ...args)).stdout.trim();

describe('the name server of the lab', () => {
  it.each([
    ['@11.9.0.2', 'A', 'crm.saas.test', '11.9.0.3'],
    ['@3ffe:9::2', 'AAAA', 'crm.saas.test', '3ffe:9::3'],
    ['@11.9.0.2', 'A', 'g1.lab.test', '11.9.0.5'],
    ['@3ffe:9::2', 'A', 'cdn.third.test', '11.9.0.4'],
  ])('asked at %s for %s of %s says %s, over UDP and TCP', async (server, type, name, address) => {
    expect(await dig(server, '+short', type, name)).toBe(address);
    expect(await dig(server, '+short', '+tcp', type, name)).toBe(address);
  });

  it.each(['11.9.0.3', '3ffe:9::3'])('names the address %s', async (address) => {
    expect(await dig('@11.9.0.2', '+short', '-x', address)).toBe('crm.saas.test.');
  });

  it('keeps the case of the question, and knows EDNS', async () => {
    const answer = await dig('@11.9.0.2', '+bufsize=4096', 'A', 'CrM.sAAs.TeSt');
    expect(answer).toMatch(/^CrM\.sAAs\.TeSt\.\s+\d+\s+IN\s+A\s+11\.9\.0\.3$/m);
    expect(answer).toContain('EDNS: version: 0');
    expect(await dig('@11.9.0.2', '+noedns', 'A', 'crm.saas.test')).not.toContain('EDNS');
  });

  it('says NXDOMAIN of other names, and nothing of types a name lacks', async () => {
    const unknown = await dig('@11.9.0.2', 'A', 'nobody.example');
    expect(unknown).toMatch(/status: NXDOMAIN/);
    expect(unknown).toMatch(/\bSOA\b/);
    const empty = await dig('@11.9.0.2', 'TYPE65', 'crm.saas.test');
    expect(empty).toMatch(/status: NOERROR/);
    expect(empty).toMatch(/ANSWER: 0, AUTHORITY: 1/);
  });

  it('goes on after what is no question', async () => {
    const junk =
      'for n in 1 11 12 13 17 40 100 600; do head -c $n /dev/urandom > /dev/udp/11.9.0.2/53; done';
    expect((await network.run('d1', 'bash', '-c', junk)).code).toBe(0);
    const tcp = 'printf "\\0\\5hello" > /dev/tcp/11.9.0.2/53';
    expect((await network.run('d1', 'bash', '-c', tcp)).code).toBe(0);
    expect(await dig('@11.9.0.2', '+short', 'A', 'crm.saas.test')).toBe('11.9.0.3');
  });

  it('counts questions by name, source and transport', async () => {
    await dig('@3ffe:9::2', '+tcp', 'AAAA', 'tp.lab.test');
    const seen = await network.services.requests('n1');
    expect(seen.byTarget['tp.lab.test AAAA']).toBe(1);
    expect(seen.bySource['3ffe:9::1']).toBeGreaterThan(0);
    expect(seen.byProtocol['tcp']).toBeGreaterThan(0);
  });
});

describe('a fault set on a name server', () => {
  it.each(['SERVFAIL', 'NXDOMAIN', 'REFUSED'])('answers everything with %s', async (rcode) => {
    await network.services.set('n1', { rcode });
    expect(await dig('@11.9.0.2', 'A', 'crm.saas.test')).toContain(`status: ${rcode}`);
  });

  it('answers late', async () => {
    await network.services.set('n1', { delayMs: 700 });
    const took = /Query time: (\d+) msec/.exec(await dig('@11.9.0.2', 'A', 'crm.saas.test'));
    expect(Number(took?.[1])).toBeGreaterThanOrEqual(699);
  });

  it('answers nothing', async () => {
    await network.services.set('n1', { dropRatio: 1 });
    expect(await dig('@11.9.0.2', '+time=1', 'A', 'crm.saas.test')).toMatch(/timed out|no servers/);
  });

  it('answers with addresses that are not so', async () => {
    await network.services.set('n1', { wrongAnswers: { 'crm.saas.test': ['11.9.0.99'] } });
    expect(await dig('@11.9.0.2', '+short', 'A', 'crm.saas.test')).toBe('11.9.0.99');
    expect(await dig('@11.9.0.2', '+short', 'AAAA', 'crm.saas.test')).toBe('');
    await network.services.reset();
    expect(await dig('@11.9.0.2', '+short', 'A', 'crm.saas.test')).toBe('11.9.0.3');
  });

  it('cuts an answer too long for UDP, and gives the whole over TCP', async () => {
    const many = Array.from({ length: 100 }, (_, index) => `11.8.0.${index + 1}`);
    await network.services.set('n1', { wrongAnswers: { 'many.test': many } });
    expect(await dig('@11.9.0.2', '+ignore', '+noedns', 'A', 'many.test')).toMatch(/flags:.* tc/);
    expect((await dig('@11.9.0.2', '+short', 'A', 'many.test')).split('\n')).toHaveLength(100);
  });
});
