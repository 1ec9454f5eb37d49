import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import type { Pair } from './pair.ts';

/** Serves one iperf3 test in the far namespace; resolves when it listens. */
export const startIperfServer = async (pair: Pair): Promise<void> => {
  const options = ['--server', '--one-off', '--forceflush'];
  const server = spawn('ip', ['netns', 'exec', pair.b, 'iperf3', ...options]);
  onTestFinished(() => void server.kill());
  await once(server.stdout, 'data');
};
