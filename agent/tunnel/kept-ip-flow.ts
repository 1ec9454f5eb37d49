import { backoffMs, sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import { type IpFlow, openIpFlow } from './ip-flow.ts';
import { FlowRefused } from './refused.ts';
import type { Tunnel } from './tunnel.ts';

/** An IpFlow to whichever edge the tunnel is on, opened again when it ends. */
export type KeptIpFlow = {
  /** Dropped while there is none. */
  send(packets: readonly Buffer[]): void;
  stop(): void;
};

const retry = { firstMs: 200, capMs: 10_000 };
/** Of a server that does not know connect-ip, and of an edge without it. */
const unknownStatus = [400, 404, 405, 501];
/** An edge that does not forward IP packets will not soon; another one may. */
const refusedMs = 60_000;

export const keepIpFlow = (parts: {
  tunnel: Pick<Tunnel, 'withSession' | 'onChange'>;
  onPackets: (packets: Buffer[]) => void;
  /** Its addresses are those of the flow before, or others. */
  onUp: (flow: IpFlow) => void;
  /** `isRefused`: the edge is there, and forwards no IP packets. */
  onDown: (reason: string, isRefused: boolean) => void;
  log: Log;
}): KeptIpFlow => {
  const log = parts.log.child({ component: 'ip-capture' });
  const stopping = new AbortController();
  let current: IpFlow | undefined;
  /** Aborted when there is something to do: the flow ended, or the tunnel is on another edge. */
  let woken = new AbortController();

  const open = (): Promise<IpFlow> =>
    parts.tunnel.withSession(
      (session, edgeId) =>
        openIpFlow({
          session,
          edgeId,
          signal: stopping.signal,
          onPackets: parts.onPackets,
          onClose(reason) {
            if (current?.edgeId !== edgeId || stopping.signal.aborted) return;
            current = undefined;
            parts.onDown(reason, false);
            woken.abort();
          },
        }),
      stopping.signal,
    );
  const adopt = (flow: IpFlow) => {
    const before = current;
    current = flow;
    log.info({ edgeId: flow.edgeId }, 'IP packets are carried');
    parts.onUp(flow);
    before?.close();
  };
  const tell = (error: Error) => {
    const isRefused = error instanceof FlowRefused && unknownStatus.includes(error.status);
    log.debug({ err: error }, 'no way for IP packets');
    if (current === undefined) parts.onDown(error.message, isRefused);
    return isRefused;
  };
  const keep = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      woken = new AbortController();
      let waitMs = 2 ** 31 - 1;
      try {
        const flow = await open();
        if (stopping.signal.aborted) return flow.close();
        adopt(flow);
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        waitMs = tell(error as Error) ? refusedMs : backoffMs(failures, retry);
      }
      await sleep(waitMs, AbortSignal.any([stopping.signal, woken.signal]));
    }
  };
  const unlisten = parts.tunnel.onChange(({ name, edgeId }) => {
    if (name === 'edge-chosen' && edgeId !== current?.edgeId) woken.abort();
  });
  void keep();

  return {
    send: (packets) => current?.send(packets),
    stop() {
      unlisten();
      stopping.abort();
      current?.close();
      current = undefined;
    },
  };
};
