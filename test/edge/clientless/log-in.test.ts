import { randomBytes, scryptSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createBank } from '#edge/bank.ts';
import { createLogIn } from '#edge/clientless/log-in.ts';
import { networkOf } from '#edge/clientless/network.ts';
import { createTurns } from '#edge/clientless/turns.ts';
import { openUsersFile } from '#edge/clientless/users-file.ts';
import { defaultLimits } from '#edge/device-limits.ts';
import { createLimits } from '#edge/limits.ts';
import { silentLog } from '#runtime/log.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const right = 'correct horse battery';
const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
const salt = randomBytes(16);
/** Cheaper than an edge makes them, for the sake of time. */
const cheapHash = `$scrypt$ln=10,r=8,p=1$${base64(salt)}$${base64(scryptSync(right, salt, 32, { N: 2 ** 10, r: 8, p: 1 }))}`;

/** A log-in as an edge of one process has it; the names under which anything is counted. */
const start = async (failedLoginsPerMinute = defaultLimits.failedLoginsPerMinute) => {
  const file = join(await makeTemporaryFolder(), 'users');
  await writeFile(file, `ana:${cheapHash}\n`);
  const monotonicMs = () => 0;
  const limited = { ...defaultLimits, failedLoginsPerMinute };
  const own = createBank({ limits: limited, monotonicMs }).of(0);
  const names = new Set<string>();
  const bank = {
    ...own,
    grant(key: string, wanted: Parameters<typeof own.grant>[1]) {
      names.add(key);
      return own.grant(key, wanted);
    },
  };
  const users = openUsersFile({ file, monotonicMs, log: silentLog() });
  const ask = createLogIn({ users, limits: createLimits({ bank }), monotonicMs });
  const logIn = async (user: string, password: string, address: string) => {
    const encoded = Buffer.from(`${user}:${password}`).toString('base64');
    const answer = await ask(`Basic ${encoded}`, address);
    return 'status' in answer ? answer.status : answer.client;
  };
  return { names, logIn };
};

const tries = <Answer>(count: number, once: (index: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: count }, (_, index) => once(index)));

describe('wrong passwords', () => {
  it('from one address lock that address out, and not the user', async () => {
    const { logIn } = await start(4);
    const guesses: (string | number)[] = [];
    for (let i = 0; i < 30; i++) guesses.push(await logIn('ana', `guess ${i}`, '192.0.2.1'));
    expect(guesses.filter((answer) => answer === 407)).toHaveLength(4);
    expect(guesses.filter((answer) => answer === 429)).toHaveLength(26);
    expect(await logIn('ana', right, '192.0.2.1')).toBe(429);
    expect(await logIn('ana', right, '192.0.2.2')).toBe('user:ana');
  });

  it('for one user are limited from all addresses together', async () => {
    const { logIn } = await start(2);
    const answers = await tries(14, (i) => logIn('ana', `guess ${i}`, `192.0.2.${i}`));
    expect(answers.filter((answer) => answer === 407)).toHaveLength(10);
    expect(answers.filter((answer) => answer === 429)).toHaveLength(4);
  });

  it('are counted for an IPv6 network, since one host has all of its addresses', async () => {
    const { logIn } = await start(2);
    expect(await logIn('ana', 'guess 1', '2001:db8:0:7::1')).toBe(407);
    expect(await logIn('ana', 'guess 2', '2001:db8:0:7:a:b:c:d')).toBe(407);
    expect(await logIn('ana', 'guess 3', '2001:0db8::7:ffff:0:0:1')).toBe(429);
    expect(await logIn('ana', right, '2001:db8:0:8::1')).toBe('user:ana');
  });

  it('for invented names make no account for each of them', async () => {
    const { names, logIn } = await start(1);
    // More than one address has: the rest is not even tried.
    const answers = await tries(300, (i) => logIn(`nobody-${i}`, 'guess', '192.0.2.1'));
    expect(answers.filter((answer) => answer === 407)).toHaveLength(1);
    expect([...names].some((name) => name.includes('nobody-'))).toBe(false);
    expect(names.size).toBe(2);
  });
});

it('many requests at once with one right password are one try', async () => {
  const { logIn } = await start(1);
  const answers = await tries(40, () => logIn('ana', right, '192.0.2.1'));
  expect(new Set(answers)).toEqual(new Set(['user:ana']));
});

it('more log-ins at once than an edge derives keys for are told so, and may come again', async () => {
  const { logIn } = await start();
  const answers = await tries(30, (i) => logIn(`nobody-${i}`, 'guess', `192.0.2.${i}`));
  expect(answers.filter((answer) => answer === 407)).toHaveLength(18);
  expect(answers.filter((answer) => answer === 429)).toHaveLength(12);
  expect(await logIn('ana', right, '192.0.2.29')).toBe('user:ana');
}, 30_000);

it('keys are derived two at a time', async () => {
  const inTurn = createTurns({ atOnce: 2, mostWaiting: 3 });
  let [underWay, most] = [0, 0];
  const work = async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setTimeout(resolve, 5));
    underWay -= 1;
    return 'done';
  };
  const answers = await tries(8, () => inTurn(work));
  expect(most).toBe(2);
  expect(answers.filter((answer) => answer === 'done')).toHaveLength(5);
  await expect(inTurn(() => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory');
  expect(await inTurn(work)).toBe('done');
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
  ['2001:db8:0:7::/64', '2001:db8:0:7::/64'],
])('%s is counted as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
