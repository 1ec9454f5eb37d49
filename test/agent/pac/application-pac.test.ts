import { describe, expect, it, onTestFinished, test } from 'vitest';
import { parsePacAnswer } from '#agent/pac/answer.ts';
import { createApplicationPac, type PacSetup } from '#agent/pac/application-pac.ts';
import { createDecisionCache } from '#agent/pac/decision-cache.ts';
import { createSandbox } from '#agent/pac/sandbox.ts';
import { pacValues } from '#agent/pac/values.ts';
import { silentLog } from '#runtime/log.ts';

const log = silentLog();
const proxy = { host: '127.0.0.1', port: 9_339 };
const setupOf = (text: string, changes: Partial<PacSetup> = {}): PacSetup => ({
  text,
  values: pacValues({ edges: [], ranking: [], network: 'trusted', proxy, isForBrowsers: false }),
  own: [],
  whenUnknown: 'closed',
  edges: [],
  listeners: [proxy],
  ...changes,
});
const start = (resolve: (name: string) => Promise<readonly string[]> = async () => []) => {
  const sandbox = createSandbox({ log });
  let runCount = 0;
  let nowMs = 0;
  const pac = createApplicationPac({
    log,
    resolve,
    now: () => nowMs,
    sandbox: {
      ...sandbox,
      ask: (question) => {
        runCount += 1;
        return sandbox.ask(question);
      },
    },
  });
  onTestFinished(() => pac.stop());
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { pac, pass, runCount: () => runCount };
};
const script = (body: string) => `function FindProxyForURL(url, host) { ${body} }`;
const flow = { host: 'a.test', port: 443 };

describe('what a PAC file answers', () => {
  const proxyAt = (text: string, host: string, port: number) => ({
    kind: 'proxy',
    text,
    host,
    port,
  });
  const direct = { kind: 'direct', text: 'DIRECT' };
  it.each([
    ['DIRECT', [direct]],
    [' direct ; ', [direct]],
    ['PROXY a.test:8080', [proxyAt('PROXY a.test:8080', 'a.test', 8080)]],
    ['PROXY a.test', [proxyAt('PROXY a.test', 'a.test', 80)]],
    ['HTTPS a.test', [proxyAt('HTTPS a.test', 'a.test', 443)]],
    ['SOCKS5 [::1]:9', [proxyAt('SOCKS5 [::1]:9', '::1', 9)]],
    [
      'proxy A.Test:1;SOCKS b',
      [proxyAt('PROXY A.Test:1', 'a.test', 1), proxyAt('SOCKS b', 'b', 1080)],
    ],
    ['NONSENSE a:1; DIRECT', [direct]],
    ['PROXY; DIRECT', [direct]],
    ['PROXY a:0; PROXY a:65536; PROXY a b; PROXY a:b', []],
    ['DIRECT please', []],
    ['', []],
    [';;;', []],
  ])('“%s”', (text, elements) => {
    expect(parsePacAnswer(text)).toEqual(elements);
  });
});

test('an answer is remembered for a minute, and forgotten with the file or the network', async () => {
  const { pac, pass, runCount } = start();
  pac.set(setupOf(script('return "DIRECT"')));
  const direct = { action: 'direct', edges: [], rule: 'pac DIRECT' };
  expect(await pac.ask(flow)).toEqual(direct);
  expect(pac.ask(flow)).toEqual(direct);
  pac.set(setupOf(script('return "DIRECT"')));
  expect(pac.ask(flow)).toEqual(direct);
  expect(runCount()).toBe(1);
  pass(60_001);
  expect(await pac.ask(flow)).toEqual(direct);
  expect(runCount()).toBe(2);
  pac.set(setupOf(script('return "DIRECT"'), { own: ['192.0.2.1'] }));
  await pac.ask(flow);
  expect(runCount()).toBe(3);
});

test('flows to one place that come together ask once', async () => {
  const { pac, runCount } = start();
  pac.set(setupOf(script('return "DIRECT"')));
  await Promise.all(Array.from({ length: 50 }, () => pac.ask(flow)));
  expect(runCount()).toBe(1);
});

test('names are resolved outside, ten for a decision at most', async () => {
  const asked: string[] = [];
  const { pac } = start(async (name) => {
    asked.push(name);
    return name === 'in.test' ? ['10.0.0.1'] : [];
  });
  pac.set(
    setupOf(
      script(`
        if (host == 'many.test') for (var i = 0; i < 11; i++) dnsResolve('n' + i + '.test');
        return isInNet('in.test', '10.0.0.0', '255.0.0.0') ? 'DIRECT' : 'PROXY x:1';`),
    ),
  );
  expect(await pac.ask(flow)).toMatchObject({ action: 'direct' });
  expect(await pac.ask({ host: 'b.test', port: 443 })).toMatchObject({ action: 'direct' });
  expect(asked).toEqual(['in.test']);
  expect(await pac.ask({ host: 'many.test', port: 443 })).toMatchObject({ rule: 'pac failed' });
  expect(pac.status().problem).toMatch(/more than 10 names/);
});

test('a script that keeps missing its deadline is left alone for a minute', async () => {
  const { pac, pass, runCount } = start();
  pac.set(setupOf(script('if (host != "ok.test") for (;;) {} return "DIRECT"')));
  for (let index = 0; index < 5; index += 1) await pac.ask({ host: `h${index}.test`, port: 443 });
  expect(runCount()).toBe(5);
  expect(await pac.ask({ host: 'ok.test', port: 443 })).toMatchObject({ rule: 'pac late' });
  expect(runCount()).toBe(5);
  pass(60_001);
  expect(await pac.ask({ host: 'ok.test', port: 443 })).toMatchObject({ action: 'direct' });
  expect(pac.status()).toEqual({ state: 'ready', problem: '' });
});

test('a script gets no path, and the port only where it says something', async () => {
  const { pac } = start();
  pac.set(setupOf(script('return "PROXY " + url.replace(/[^a-z0-9]/g, "-")')));
  const rules = [];
  for (const [host, port] of [
    ['a.test', 443],
    ['a.test', 80],
    ['a.test', 8443],
    ['2001:DB8::1', 443],
  ] as const) {
    rules.push((await pac.ask({ host, port }))?.rule);
  }
  expect(rules).toEqual([
    'pac PROXY https---a-test-: no edge of ours',
    'pac PROXY http---a-test-: no edge of ours',
    'pac PROXY https---a-test-8443-: no edge of ours',
    'pac PROXY https----2001-db8--1--: no edge of ours',
  ]);
});

test('the cache keeps to its size, and what was used last stays', () => {
  const cache = createDecisionCache<number>(2, () => 0);
  cache.set('a', 1, 10);
  cache.set('b', 2, 10);
  cache.get('a');
  cache.set('c', 3, 10);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
});
