import { type ChildProcess, fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { WorkerStart } from '#edge/workers/messages.ts';
import { followWorker } from '#edge/workers/worker-process.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const start: WorkerStart = {
  options: {
    edgeId: 'e1',
    certificate: { certificatePem: '', privateKeyPem: '', caCertificatePem: '' },
  },
  process: { index: 0, count: 1 },
  bytesPerSecond: 0,
  logLevel: 'info',
};

/** A process that ends at once; what it has said of its session arrives so long after its exit. */
const forkThatSpeaksAfter = async (seconds: number): Promise<ChildProcess> => {
  const file = join(await makeTemporaryFolder(), 'child.cjs');
  const message = JSON.stringify({ type: 'session-ended', session: 7 });
  const script = `sleep ${seconds}; echo '${message}' >&3`;
  await writeFile(
    file,
    `process.once('message', () => {
      require('node:child_process').spawn('sh', ['-c', ${JSON.stringify(script)}], {
        stdio: ['ignore', 'ignore', 'ignore', 3],
        detached: true,
      });
      process.exit(0);
    });`,
  );
  return fork(file, [], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
};

const follow = (child: ChildProcess, lastWordsMs?: number): string[] => {
  const told: string[] = [];
  const worker = followWorker(child, {
    start,
    on: {
      message: ({ type }) => told.push(type),
      connectionClosed: () => told.push('connection-closed'),
    },
    ...(lastWordsMs === undefined ? {} : { lastWordsMs }),
  });
  void worker.ended.then((how) => told.push(how));
  return told;
};

it('takes what a worker said before its end, also when that comes after its exit', async () => {
  const told = follow(await forkThatSpeaksAfter(0.3));
  await waitUntil(() => told.length === 2);
  expect(told).toEqual(['session-ended', 'exit code 0']);
});

it('takes nothing more of a worker whose place another has', async () => {
  const child = await forkThatSpeaksAfter(1);
  const told = follow(child, 50);
  await new Promise((resolve) => child.once('disconnect', resolve));
  await wait(0);
  expect(told).toEqual(['exit code 0']);
});
