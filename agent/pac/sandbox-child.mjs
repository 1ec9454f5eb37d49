// The process PAC scripts run in, one an agent: QuickJS in WebAssembly. Plain JavaScript, so that it
// starts in 30 ms and 45 MB where a loader for TypeScript would double both; it is killed and started
// again whenever a script does not come back.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { QuickJS } from 'quickjs-wasi';

/** @type {{ deadlineMs: number, maxMemoryBytes: number, interpreterBytes: number }} */
const limits = JSON.parse(process.argv[2] ?? '{}');
const pageBytes = 65_536;
const memorySection = 5;

/**
 * The module with a maximum in its memory section (WebAssembly Core 2.0, section 5.5.8): the engine
 * then refuses to grow beyond it, whatever the script does. QuickJS's own limit is a courtesy on top.
 * @param {Buffer} bytes
 * @param {number} maxPages
 */
const withMaximum = (bytes, maxPages) => {
  for (let at = 8; at < bytes.length; ) {
    const size = readNumber(bytes, at + 1);
    const body = size.next;
    if (bytes[at] !== memorySection) {
      at = body + size.value;
      continue;
    }
    const minimum = readNumber(bytes, body + 2);
    if (bytes[body] !== 1 || (bytes[body + 1] ?? 9) > 1) break;
    const section = [1, 1, ...writeNumber(minimum.value), ...writeNumber(maxPages)];
    const after = bytes.subarray(body + size.value);
    const head = [memorySection, ...writeNumber(section.length), ...section];
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(head), after]);
  }
  throw new Error('the interpreter has another memory section than expected');
};

/**
 * LEB128.
 * @param {Buffer} bytes
 * @param {number} from
 */
const readNumber = (bytes, from) => {
  let value = 0;
  for (let at = from, shift = 0; ; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
};

/** @param {number} value @returns {number[]} */
const writeNumber = (value) =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...writeNumber(value >>> 7)];

const wasm = new WebAssembly.Module(
  withMaximum(
    readFileSync(fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm'))),
    Math.floor(limits.maxMemoryBytes / pageBytes),
  ),
);
const helpers = readFileSync(new URL('./helpers.js', import.meta.url), 'utf8');

/** @type {{ vm: QuickJS, ask: any } | undefined} */
let loaded;
let startedMs = 0;
let usedBefore = process.cpuUsage();
let allowedMs = 0;

/** @param {number} forMs */
const startClock = (forMs) => {
  startedMs = performance.now();
  usedBefore = process.cpuUsage();
  allowedMs = forMs;
};

/** On a machine that is busy with other things a script that hardly ran is given more time. */
const isOver = () => {
  const passedMs = performance.now() - startedMs;
  if (passedMs <= allowedMs) return false;
  const { user, system } = process.cpuUsage(usedBefore);
  return passedMs > 4 * allowedMs || (user + system) / 1_000 > allowedMs / 2;
};

/** @param {{ text: string, own: string[] }} order */
const compile = async ({ text, own }) => {
  loaded = undefined;
  startClock(10 * limits.deadlineMs);
  const vm = await QuickJS.create({
    wasm,
    memoryLimit: limits.interpreterBytes,
    maxStackSize: 256 * 1024,
    interruptHandler: isOver,
  });
  const tools = vm.evalCode(helpers, 'helpers.js');
  vm.evalCode(text, 'proxy.pac').dispose();
  const given = vm.newString(JSON.stringify(own));
  const ready = vm.callFunction(tools.getProp('prepare'), vm.undefined, given);
  if (ready.toString() !== 'yes') return { problem: 'it defines no function FindProxyForURL' };
  loaded = { vm, ask: tools.getProp('ask') };
  return {};
};

/** @param {{ url: string, host: string, names: string }} question */
const ask = ({ url, host, names }) => {
  if (loaded === undefined) return { problem: 'nothing compiled' };
  const { vm } = loaded;
  startClock(limits.deadlineMs);
  const text = vm.withScope(() =>
    vm
      .callFunction(
        loaded?.ask,
        vm.undefined,
        vm.newString(url),
        vm.newString(host),
        vm.newString(names),
      )
      .toString(),
  );
  const rest = text.slice(1);
  if (text[0] === 'A') return { answer: rest };
  return text[0] === 'N' ? { need: rest } : { problem: withLine(rest) };
};

/** "TypeError: x is not a function (line 3)". @param {string} text */
const withLine = (text) => {
  const [message = ''] = text.split('\n');
  const line = /proxy\.pac:(\d+)/.exec(text)?.[1];
  return line === undefined ? message : `${message} (line ${line})`;
};

/** @param {unknown} error */
const describe = (error) => {
  // A trap leaves the interpreter in no state to go on from.
  if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
    return { problem: `the interpreter gave up: ${error.message}`, isSpent: true };
  }
  const { name = '', message = '', stack = '' } = /** @type {Error} */ (error);
  const said = `${name}: ${message}`.slice(0, 200);
  const problem = withLine(`${said}\n${stack}`);
  return /interrupted/.test(message)
    ? { problem: `no answer within ${limits.deadlineMs} ms`, isDeadline: true }
    : { problem };
};

/**
 * Grown to half of what it may: a new one is cheaper than finding out why. Interpreters of scripts
 * before are the collector's, which may take its time.
 * @param {string} kind
 */
const isSpent = (kind) =>
  (loaded !== undefined &&
    loaded.vm.exports.memory.buffer.byteLength > limits.maxMemoryBytes / 2) ||
  (kind === 'compile' && process.memoryUsage.rss() > 4 * limits.maxMemoryBytes);

process.on('disconnect', () => process.exit(0));
process.on('message', async (/** @type {any} */ order) => {
  /** @type {Record<string, unknown>} */
  let report;
  try {
    report = order.kind === 'compile' ? await compile(order) : ask(order);
  } catch (error) {
    report = describe(error);
  }
  if (isSpent(order.kind)) report['isSpent'] = true;
  process.send?.(report);
});
process.send?.({});
