import { connect } from 'node:net';
import type { DeviceSample } from '#contract/telemetry.ts';
import type { Echo } from '#probes/path/echo.ts';

export type Gateway = NonNullable<DeviceSample['gateway']>;

const echoCount = 3;
const timeoutMs = 1_000;
/** DNS, web interface: what home and office routers answer, if only with a refusal. */
const tcpPorts = [53, 80, 443];

export type GatewayMeter = {
  measure(address: string): Promise<Gateway>;
  /** Why there were no echoes the last time; null: there were, undefined: none was tried. */
  notPermitted(): string | null | undefined;
};

/**
 * Round trip to the default gateway: ICMP echo, or, without the right to send it, TCP connects, where
 * a refusal is as good an answer as an acceptance.
 */
export const createGatewayMeter = (echo: Echo): GatewayMeter => {
  let notPermitted: string | null | undefined;

  const byEcho = async (address: string): Promise<Gateway | undefined> => {
    const answer = await echo.echo(address, { count: echoCount, timeoutMs });
    if ('notPermitted' in answer) {
      notPermitted = answer.notPermitted;
      return undefined;
    }
    notPermitted = null;
    if (answer.sentCount === 0) return { address, rttMs: null, lossRatio: null };
    return {
      address,
      rttMs: median(answer.rttsMs),
      lossRatio: Math.max(0, 1 - answer.rttsMs.length / answer.sentCount),
    };
  };

  return {
    measure: async (address) => {
      // Asked each time: a refusal costs nothing while the engine believes it, and may pass.
      const measured = await byEcho(address);
      // Connects say nothing about loss: a port that never answers looks the same.
      return measured ?? { address, rttMs: await measureByTcp(address, tcpPorts), lossRatio: null };
    },
    notPermitted: () => notPermitted,
  };
};

/** Fastest answer of several ports; null when none answered in time. */
export const measureByTcp = async (
  address: string,
  ports: readonly number[],
): Promise<number | null> => {
  const rtts = await Promise.all(ports.map((port) => connectOnce(address, port)));
  const answered = rtts.filter((rtt) => rtt !== null);
  return answered.length === 0 ? null : Math.min(...answered);
};

const connectOnce = (host: string, port: number): Promise<number | null> =>
  new Promise((resolve) => {
    const startedMs = performance.now();
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (rttMs: number | null) => {
      socket.destroy();
      resolve(rttMs);
    };
    socket.once('connect', () => end(performance.now() - startedMs));
    socket.once('timeout', () => end(null));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? performance.now() - startedMs : null),
    );
  });

const median = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
};
