import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/** A program whose start takes a while, then says so; it says so too when it stopped in order. */
const program = (startMs: number): string => `
  import { runUntilSignal } from '#runtime/service.ts';
  import { silentLog } from '#runtime/log.ts';
  const keep = setInterval(() => {}, 1000);
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await runUntilSignal(async () => {
    console.log('starting');
    await wait(${startMs});
    console.log('up');
    return { stop: async () => { clearInterval(keep); console.log('stopped'); } };
  }, { log: silentLog(), withParent: true });
`;

const run = (startMs: number) => {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', program(startMs)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const said = async (word: string): Promise<void> => {
    while (!printed.includes(word)) await once(child.stdout, 'data');
  };
  return { child, said, printed: () => printed, ended: once(child, 'exit') };
};

test.each(['SIGINT', 'SIGTERM'] as const)('%s stops a program in order', async (signal) => {
  const { child, said, printed, ended } = run(0);
  await said('up');
  child.kill(signal);
  expect(await ended).toEqual([0, null]);
  expect(printed()).toContain('stopped');
});

test('a signal during the start stops what the start made', async () => {
  const { child, said, printed, ended } = run(1_500);
  await said('starting');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(printed()).toContain('stopped');
});

test('a program ends with its parent', async () => {
  const { child, said, ended } = run(0);
  await said('up');
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
});
