import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { connectShim, startShim } from '#test/lab/shim/client.ts';
import { noImpairment } from '#test/lab/shim/control.ts';
import { makePair, type Pair, ping, startPair } from '#test/lab/shim/pair.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** Within four standard deviations: once in 16,000 runs chance alone is further off. */
const expectShare = (count: number, of: number, ratio: number): void => {
  const deviation = Math.sqrt(of * ratio * (1 - ratio));
  expect(count).toBeGreaterThan(of * ratio - 4 * deviation);
  expect(count).toBeLessThan(of * ratio + 4 * deviation);
};

const sequences = async (pair: Pair, count: number): Promise<number[]> =>
  (await ping(pair, { count, intervalMs: 2 })).map(({ sequence }) => sequence);

test('the share of packets set is lost, and each loss is counted', async () => {
  const pair = await startPair();
  await pair.shim.set('link:a>b', { lossRatio: 0.2 });
  const answers = await ping(pair, { count: 1_500, intervalMs: 2 });
  expectShare(1_500 - answers.length, 1_500, 0.2);
  const { 'link:a>b': there, 'link:b>a': back } = await pair.shim.counters();
  expect(there).toEqual({ packets: 1_500, dropped: 1_500 - answers.length, waiting: 0 });
  expect(back).toEqual({ packets: answers.length, dropped: 0, waiting: 0 });
});

test('loss in bursts takes runs of packets', async () => {
  const pair = await startPair();
  const burst = { enterRatio: 0.02, leaveRatio: 0.1, lossRatio: 1 };
  await pair.shim.set('link:a>b', { burst });
  const answered = new Set(await sequences(pair, 1_500));
  const lost = Array.from({ length: 1_500 }, (_, index) => index + 1).filter(
    (sequence) => !answered.has(sequence),
  );
  const runs = lost.filter((sequence) => answered.has(sequence - 1)).length;
  // In the mean 25 runs of 10 packets; independent loss of that share would have runs of 1.2.
  expect(runs).toBeGreaterThan(5);
  expect(lost.length / runs).toBeGreaterThan(4);
  await pair.shim.set('link:a>b', { burst: null });
  expect(await sequences(pair, 100)).toHaveLength(100);
});

test('jitter spreads the times and keeps the order', async () => {
  const pair = await startPair();
  await pair.shim.set('link:a>b', { delayMs: 5, jitterMs: 10 });
  const answers = await ping(pair, { count: 500, intervalMs: 2 });
  expect(answers.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 500 }, (_, index) => index + 1),
  );
  const times = answers.map(({ rttMs }) => rttMs);
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(10);
});

test('reordered packets overtake others', async () => {
  const pair = await startPair();
  await pair.shim.set('link:a>b', { delayMs: 50, reorderRatio: 0.1 });
  const answers = await ping(pair, { count: 500, intervalMs: 2 });
  expect(answers).toHaveLength(500);
  expectShare(answers.filter(({ rttMs }) => rttMs < 45).length, 500, 0.1);
  const overtaken = answers.filter(
    ({ sequence }, index) => sequence < (answers[index - 1]?.sequence ?? 0),
  );
  expect(overtaken.length).toBeGreaterThan(0);
});

test('what is set is kept besides what changes, and any process sees it', async () => {
  const { shim, socketPath } = await startPair({ delayMs: 7 });
  await shim.set('link:a>b', { lossRatio: 0.25 });
  const other = await connectShim(socketPath);
  const expected = { ...noImpairment, delayMs: 7, lossRatio: 0.25 };
  expect(await other.get('link:a>b')).toEqual(expected);
  expect(await other.get('link:b>a')).toEqual({ ...noImpairment, delayMs: 7 });
  await Promise.all([other.set('link:b>a', { jitterMs: 2 }), shim.set('link:b>a', { delayMs: 1 })]);
  expect(await shim.get('link:b>a')).toEqual({ ...noImpairment, delayMs: 1, jitterMs: 2 });
  other.close();
  await expect(other.get('link:a>b')).rejects.toThrow('closed');
  expect(await shim.get('link:a>b')).toEqual(expected);
});

test('a client that breaks off amid its answers, or talks nonsense, harms nobody', async () => {
  const { shim, socketPath, pid } = await startPair({ delayMs: 4 });
  for (let round = 0; round < 20; round += 1) {
    const rude = createConnection(socketPath);
    await once(rude, 'connect');
    rude.write('{"id":1,"type":"counters"}\nnonsense\n'.repeat(50));
    if (round % 2 === 0) await once(rude, 'readable');
    rude.destroy();
  }
  expect((await shim.get('link:a>b')).delayMs).toBe(4);
  expect(isRunning(pid)).toBe(true);
});

test.for([
  ['link:a>c', { delayMs: 1 }, /no queue link:a>c; there are link:a>b link:b>a/],
  ['link:a>b', { delayMs: -1 }, /link:a>b: \/delayMs: .*from 0 to 60000/],
  ['link:a>b', { delayMs: Number.NaN }, /\/delayMs/],
  ['link:a>b', { lossRatio: 1.5 }, /\/lossRatio: .*from 0 to 1/],
  ['link:a>b', { delay: 5 }, /\/delay: Unexpected property/],
  [
    'link:a>b',
    { burst: { enterRatio: 0.1 } },
    /\/burst\/leaveRatio: missing: .*\n\/burst\/lossRatio: missing: /,
  ],
] as const)('refuses to set %s to %j', async ([key, change, message]) => {
  const { shim } = await startPair();
  await expect(shim.set(key, change as never)).rejects.toThrow(message);
  expect(await shim.get('link:a>b')).toEqual(noImpairment);
});

test('when it is killed packets go on undelayed', async () => {
  const pair = await startPair({ delayMs: 200 });
  process.kill(pair.pid, 'SIGKILL');
  await waitUntil(() => !isRunning(pair.pid));
  const answers = await ping(pair, { count: 20, intervalMs: 10 });
  expect(answers).toHaveLength(20);
  expect(Math.max(...answers.map(({ rttMs }) => rttMs))).toBeLessThan(200);
  await expect(pair.shim.get('link:a>b')).rejects.toThrow('closed');
});

test.for(['stop', 'SIGTERM', 'its socket gone'])('ends by %s, and what waits goes', async (how) => {
  const pair = await startPair();
  await pair.shim.set('link:a>b', { delayMs: 60_000 });
  const answers = ping(pair, { count: 1, intervalMs: 100 });
  await waitUntil(async () => (await pair.shim.counters())['link:a>b']?.waiting === 1);
  if (how === 'stop') await pair.shim.stop();
  else if (how === 'SIGTERM') process.kill(pair.pid, 'SIGTERM');
  else rmSync(pair.socketPath);
  expect(await answers).toHaveLength(1);
  await waitUntil(() => !isRunning(pair.pid));
  expect(existsSync(pair.socketPath)).toBe(false);
  expect(readFileSync(pair.logFile, 'utf8')).toContain('shim ends');
});

test('packets under way while the queues are bound are not lost', async () => {
  for (let round = 0; round < 3; round += 1) {
    const pair = makePair();
    const folder = await makeTemporaryFolder();
    const pinging = startPinging(pair);
    const socketPath = `${folder}/shim.sock`;
    await startShim({ queues: pair.queues, socketPath, logFile: `${folder}/log` });
    const shim = await connectShim(socketPath);
    await waitUntil(async () => ((await shim.counters())['link:a>b']?.packets ?? 0) > 50);
    expect(await pinging.stop()).toMatch(/ 0% packet loss/);
    await shim.stop();
  }
});

/** A ping each 2 ms until it is stopped; then what ping says of them. */
const startPinging = (pair: Pair) => {
  const command = ['netns', 'exec', pair.a, 'ping', '-q', '-i', '0.002', pair.addressOfB];
  const child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = text(child.stdout);
  return {
    stop(): Promise<string> {
      child.kill('SIGINT');
      return said;
    },
  };
};

test('a second shim for the same queues says that they are taken', async () => {
  const pair = await startPair({ delayMs: 3 });
  const folder = await makeTemporaryFolder();
  const second = (socketPath: string, queues = pair.queues) =>
    startShim({ queues, socketPath, logFile: `${folder}/log` });
  await expect(second(`${folder}/shim.sock`)).rejects.toThrow(
    `queue 1 of namespace ${pair.a} is held by another process`,
  );
  const twice = pair.queues.map((queue) => ({ ...queue, key: 'link:a>b' }));
  await expect(second(`${folder}/shim.sock`, twice)).rejects.toThrow('there twice');
  const nowhere = pair.queues.slice(0, 1).map((queue) => ({ ...queue, namespace: 'wl-nowhere' }));
  await expect(second(`${folder}/shim.sock`, nowhere)).rejects.toThrow('/var/run/netns/wl-nowhere');
  expect(await pair.shim.get('link:a>b')).toEqual({ ...noImpairment, delayMs: 3 });
});
