import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished, test } from 'vitest';
import { createSandbox, type SandboxAnswer } from '#agent/pac/sandbox.ts';
import { silentLog } from '#runtime/log.ts';
import { expectedOf, semantics, semanticsPac } from './semantics.ts';

const sandbox = createSandbox({ log: silentLog() });
afterAll(() => sandbox.stop());

const script = (body: string) => `function FindProxyForURL(url, host) { ${body} }`;
const compile = (text: string, own: string[] = []) => sandbox.compile({ text, own });
const ask = (host = 'a.test', names: Record<string, string[]> = {}): Promise<SandboxAnswer> =>
  sandbox.ask({ url: `https://${host}/`, host, names });
const run = async (body: string): Promise<SandboxAnswer> => {
  expect(await compile(script(body))).toBeUndefined();
  return ask();
};

test('a script gets the URL and the host, and its text is the answer', async () => {
  expect(await run('return url + " " + host + " " + this.x')).toEqual({
    kind: 'answer',
    text: 'https://a.test/ a.test undefined',
  });
});

describe('the functions of PAC files', () => {
  it('come to what they come to in browsers', async () => {
    await compile(semanticsPac({ yes: 'yes', no: 'no', thrown: 'thrown' }), ['192.0.2.7']);
    const found = [];
    for (const index of semantics.keys()) {
      found.push(await ask(`case-${index}.test`, { localhost: ['127.0.0.1', '::1'] }));
    }
    expect(found.map((answer, index) => [semantics[index]?.[0], answer])).toEqual(
      semantics.map(([expression, value]) => [
        expression,
        { kind: 'answer', text: expectedOf(value) },
      ]),
    );
  });

  it.each([
    ['myIpAddress()', '192.0.2.7'],
    ['myIpAddressEx()', '2001:db8::7;192.0.2.7'],
    ['dnsResolve("v6.test") + ""', 'null'],
    ['dnsResolve("two.test")', '192.0.2.1'],
    ['dnsResolveEx("two.test")', '2001:db8::1;192.0.2.1'],
    ['"" + isResolvable("none.test") + isResolvableEx("v6.test")', 'falsetrue'],
    ['"" + isInNet("two.test", "192.0.2.0", "255.255.255.0")', 'true'],
    ['sortIpAddressList("192.0.2.1;2001:db8::1;10.0.0.1")', '2001:db8::1;10.0.0.1;192.0.2.1'],
    ['"" + sortIpAddressList("nonsense")', 'false'],
  ])('%s is %s', async (expression, text) => {
    await compile(script(`return ${expression}`), ['2001:db8::7', '192.0.2.7']);
    const names = {
      'two.test': ['2001:db8::1', '192.0.2.1'],
      'v6.test': ['2001:db8::2'],
      'none.test': [],
    };
    expect(await ask('a.test', names)).toEqual({ kind: 'answer', text });
  });
});

test('a name that is not known yet is asked for, even where the script hides that', async () => {
  expect(await run('try { dnsResolve("db.test") } catch (e) {} return "DIRECT"')).toEqual({
    kind: 'need',
    name: 'db.test',
  });
  expect(await ask('a.test', { 'db.test': ['192.0.2.1'] })).toEqual({
    kind: 'answer',
    text: 'DIRECT',
  });
});

it.each([
  [
    'a syntax error',
    'function FindProxyForURL(url, host) {\n  return "DIRECT"',
    /SyntaxError.*line 2/,
  ],
  ['no function', 'var x = 1;', /defines no function FindProxyForURL/],
  ['a script that throws', 'throw new Error("no");', /Error: no/],
  ['a script that does not end', 'for (;;) {}', /no answer within/],
])('%s is said when it is compiled', async (_name, text, problem) => {
  expect(await compile(text)).toMatch(problem);
});

describe('a hostile script', () => {
  it.each([
    ['loops', 'for (;;) {}', /no answer within 100 ms/],
    ['loops and catches', 'for (;;) { try { for (;;) {} } finally { continue } }', /no answer/],
    ['loops in an expression', 'return /^(a+)+$/.test("a".repeat(40) + "b")', /no answer/],
    // One call that takes many seconds: the interpreter never comes to look at the time.
    [
      'loops in a built-in',
      'return "a".repeat(2e6).indexOf("a".repeat(1e6) + "b")',
      /killed: silent/,
    ],
    ['recurses', 'function f(x) { return f(x + 1) + 1 } return f(1)', /call stack/],
    [
      'recurses in a built-in',
      'var a = []; for (var i = 0; i < 5e4; i++) a = [a]; return JSON.stringify(a)',
      /call stack/,
    ],
    ['throws what it likes', 'throw { get message() { throw 1 } }', /cannot be described/],
    [
      'throws itself in circles',
      'var e = { toString: function () { throw e } }; throw e',
      /cannot be described/,
    ],
    ['answers a number', 'return 1', /returned number, not text/],
    [
      'answers an object that turns into text',
      'return { toString: function () { return "DIRECT" } }',
      /returned object/,
    ],
    ['answers a symbol', 'return Symbol("DIRECT")', /returned symbol/],
    ['answers 10 MB', 'return "PROXY a:1;".repeat(1e6)', /returned 10000000 characters/],
    ['calls what is not there', 'return process.env.HOME', /ReferenceError.*process/],
    ['asks for modules', 'return require("node:fs")', /ReferenceError.*require/],
  ])('%s: the agent has a reason, and the next decision works', async (_name, body, problem) => {
    const answer = await run(body);
    expect(answer).toMatchObject({ kind: 'problem', problem: expect.stringMatching(problem) });
    expect(await run('return "DIRECT"')).toEqual({ kind: 'answer', text: 'DIRECT' });
  });

  it.each([
    [
      'the host’s globals',
      'return this.constructor.constructor("return typeof process")()',
      'undefined',
    ],
    ['modules', 'return "" + import("node:fs")', '[object Promise]'],
    [
      'the host, by the arguments’ prototypes',
      'return typeof url.constructor.constructor("return this")().process',
      'undefined',
    ],
  ])('does not reach %s', async (_name, body, text) => {
    expect(await run(body)).toEqual({ kind: 'answer', text });
  });

  it.each([
    'Object.prototype.toString = Array.prototype.join = String.prototype.slice = null; return "DIRECT"',
    'Object.prototype.toJSON = function () { return "PROXY evil:1" }; return "DIRECT"',
    'JSON.parse = function () { return {} }; String = null; return "DIRECT"',
    'Object.defineProperty(Object.prototype, "answer", { configurable: true, get: function () { return "x" } }); return "DIRECT"',
    'isPlainHostName = dnsResolve = null; return "DIRECT"',
  ])('that plays with prototypes changes its own answers at most: %s', async (body) => {
    await run(body);
    expect(await ask()).toEqual({ kind: 'answer', text: 'DIRECT' });
    expect(await run('return "" + isPlainHostName("a")')).toEqual({ kind: 'answer', text: 'true' });
  });
});

/** The process's largest resident set, sampled while it lives (proc_pid_status(5)). */
const watchPeak = (pid: () => number | undefined = () => sandbox.pid()) => {
  let peakKb = 0;
  const look = () => {
    try {
      const status = readFileSync(`/proc/${pid()}/status`, 'utf8');
      peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // It is being replaced.
    }
  };
  const timer = setInterval(look, 2);
  return () => {
    clearInterval(timer);
    look();
    return peakKb * 1_024;
  };
};

describe.runIf(process.platform === 'linux')('a memory bomb', () => {
  it.each([
    ['of strings', 'var a = []; for (;;) a.push("x".repeat(1e5) + a.length)'],
    ['of one string', 'var s = "x"; for (;;) s += s'],
    ['of wide strings', 'var a = []; for (;;) a.push("é€".padEnd(1e6, "z"))'],
    ['of arrays', 'var a = []; for (;;) a.push(new Array(1e5).fill(1.5))'],
    ['of buffers', 'var a = []; for (;;) a.push(new ArrayBuffer(1e6))'],
    ['of typed arrays', 'var a = []; for (;;) a.push(new Uint8Array(1e7).fill(1))'],
    ['of closures', 'var a = null; for (;;) { a = { a, f: function () { return a } } }'],
    ['of map entries', 'var m = new Map(); for (var i = 0; ; i++) m.set(i, { i })'],
    ['of big integers', 'var b = 3n; for (;;) b = b * b'],
    ['of promises', 'function f() { Promise.resolve().then(f) } for (;;) f()'],
    [
      'that catches',
      'var a = []; for (;;) { try { for (;;) a.push(new ArrayBuffer(1e6)) } catch (e) { a.push(1) } }',
    ],
  ])('%s stays under 160 MB for the whole process', async (_name, body) => {
    await compile(script(body));
    const peakBytes = watchPeak();
    expect(await ask()).toMatchObject({ kind: 'problem' });
    const bytes = peakBytes();
    expect(bytes).toBeLessThan(160 * 1_024 * 1_024);
    expect(bytes).toBeGreaterThan(0);
  });

  it('is stopped by the module’s own maximum where the interpreter’s limit does not', async () => {
    const entry = fileURLToPath(new URL('../../../agent/pac/sandbox-child.mjs', import.meta.url));
    const limits = {
      deadlineMs: 5_000,
      maxMemoryBytes: 32 * 1_024 ** 2,
      interpreterBytes: 2 ** 31,
    };
    const child = fork(entry, [JSON.stringify(limits)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const answer = async (order?: object): Promise<unknown> => {
      if (order !== undefined) child.send(order);
      const [report] = await once(child, 'message');
      return report;
    };
    await answer();
    const text = script('var a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))');
    await answer({ kind: 'compile', text, own: [] });
    const peakBytes = watchPeak(() => child.pid);
    const question = { kind: 'ask', url: 'https://a.test/', host: 'a.test', names: '' };
    expect(await answer(question)).toMatchObject({
      problem: expect.stringMatching(/out of memory/),
    });
    expect(peakBytes()).toBeLessThan(160 * 1_024 * 1_024);
  });
});
