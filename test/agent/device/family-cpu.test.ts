import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { startFamilyCpuMeter } from '#agent/device/family-cpu.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Uses 100 ms of CPU time whenever it is told to, by a shell's grandchild or by itself. */
const worker = `process.stdin.on('data', () => {
  const before = process.cpuUsage().user;
  while (process.cpuUsage().user - before < 100_000);
  process.stdout.write('done');
});`;

const start = (command: string, args: string[]) => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.stdin.end());
  const work = async (): Promise<void> => {
    child.stdin.write('go');
    await once(child.stdout, 'data');
  };
  return { child, work };
};

test('the CPU time of a burst is the agent’s with that of its children and theirs', async () => {
  const before = start(process.execPath, ['-e', worker]);
  await before.work();
  const usedMs = startFamilyCpuMeter();
  // What it had used before is nobody’s cost; what it uses now is.
  await before.work();
  await waitUntil(() => usedMs() >= 80);
  expect(usedMs()).toBeLessThan(2_000);

  const sofarMs = usedMs();
  const inside = JSON.stringify([process.execPath, '-e', worker]);
  const shell = `const [file, ...args] = ${inside};
    require('node:child_process').spawn(file, args, { stdio: 'inherit' });`;
  const grandchild = start(process.execPath, ['-e', shell]);
  await grandchild.work();
  await waitUntil(() => usedMs() - sofarMs >= 80);

  const atEndMs = usedMs();
  grandchild.child.stdin.end();
  await once(grandchild.child, 'exit');
  expect(usedMs()).toBeGreaterThanOrEqual(atEndMs);
});
