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

/**
 * UDP packets of 200 bytes from eight sockets, until it is stopped: packets that wait are charged to
 * the sender, whose buffer holds about 270 of them.
 */
export const startUdpLoad = async (
  pair: Pair,
  packetsPerSecond: number,
): Promise<{ stop(): void }> => {
  await startIperfServer(pair);
  const bitsPerSecond = Math.round((packetsPerSecond * 200 * 8) / 8);
  const packets = ['--udp', '--length', '200', '--parallel', '8', '--bitrate', `${bitsPerSecond}`];
  const options = ['--client', pair.addressOfB, '--time', '60', ...packets];
  const client = spawn('ip', ['netns', 'exec', pair.a, 'iperf3', ...options], { stdio: 'ignore' });
  const stop = () => void client.kill();
  onTestFinished(stop);
  return { stop };
};
