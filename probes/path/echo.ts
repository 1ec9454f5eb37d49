import type { ProbeLog } from '#probes/log.ts';
import { createPathEngine, type PathEngine } from './engine.ts';

export type EchoAnswer = { sentCount: number; rttsMs: number[] } | { notPermitted: string };

export type Echo = {
  /**
   * ICMP echo to an address, for the round trip to the device's gateway. Unanswered requests are
   * in `sentCount` and not in `rttsMs`; `notPermitted` says why there can be no answer.
   */
  echo(address: string, options: { count: number; timeoutMs: number }): Promise<EchoAnswer>;
  stop(): Promise<void>;
};

/** Give it the path prober's engine and both share one child process; else it has its own. */
export const createEcho = ({ engine, log }: { engine?: PathEngine; log?: ProbeLog } = {}): Echo => {
  const own = engine ?? createPathEngine(log === undefined ? {} : { log });
  return {
    async echo(address, { count, timeoutMs }) {
      const signal = AbortSignal.timeout(timeoutMs + count * 100 + 10_000);
      const answer = await own.echo({ address, count, timeoutMs }, signal);
      if (answer.kind === 'not-permitted') return { notPermitted: answer.reason };
      if (answer.kind === 'crashed') return { sentCount: 0, rttsMs: [] };
      const { packets } = answer;
      return {
        sentCount: packets.length,
        rttsMs: packets.flatMap((packet) =>
          packet.answer?.kind === 'target' ? [packet.answer.rttMs] : [],
        ),
      };
    },
    stop: () => (engine === undefined ? own.stop() : Promise.resolve()),
  };
};
