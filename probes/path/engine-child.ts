import { type Flow, type IcmpSession, openIcmpSession } from './icmp-session.ts';
import type { EchoRequest, EngineOrder, EngineReport, PathProbePacket } from './messages.ts';
import { type Family, familyOf } from './packet.ts';
import { runTrace } from './trace.ts';

/**
 * The process that holds the raw sockets, one for each address family. On its own because the
 * add-on crashes in worker threads, because only it needs the privilege, and because a process
 * that does nothing else reads the clock sooner. Ends with its parent.
 */
const sessions = new Map<Family, Promise<IcmpSession>>();
const running = new Map<number, AbortController>();
/** Space between echo requests, so that one lost burst on the air is not read as total loss. */
const echoGapMs = 20;

const report = (message: EngineReport): void => {
  if (process.connected) process.send?.(message);
};

const sessionFor = (address: string): Promise<IcmpSession> => {
  const family = familyOf(address);
  const known = sessions.get(family);
  if (known !== undefined) return known;
  // A socket error (an interface gone) ends the session; the next run opens another.
  const opened = openIcmpSession(family, () => sessions.delete(family));
  sessions.set(family, opened);
  opened.catch(() => sessions.delete(family));
  return opened;
};

const echo = async (
  { count, timeoutMs }: EchoRequest,
  flow: Flow,
  signal: AbortSignal,
): Promise<PathProbePacket[]> => {
  const ttl = 64;
  const sent: Promise<PathProbePacket>[] = [];
  for (let round = 0; round < count && !signal.aborted; round += 1) {
    sent.push(flow.probe(ttl, timeoutMs).then((answer) => ({ ttl, round, answer })));
    if (round + 1 < count) await new Promise((resolve) => setTimeout(resolve, echoGapMs));
  }
  return Promise.all(sent);
};

const perform = async (order: Exclude<EngineOrder, { kind: 'cancel' }>): Promise<void> => {
  const { key } = order;
  const cancel = new AbortController();
  running.set(key, cancel);
  try {
    const session = await sessionFor(order.request.address).catch((error: Error) => {
      report({ kind: 'not-permitted', key, reason: error.message });
    });
    if (session === undefined) return;
    const flow = session.openFlow(order.request.address);
    try {
      const packets =
        order.kind === 'trace'
          ? await runTrace(order.request, flow.probe, cancel.signal)
          : await echo(order.request, flow, cancel.signal);
      report({ kind: 'packets', key, packets });
    } finally {
      flow.close();
    }
  } finally {
    running.delete(key);
  }
};

process.on('message', (order: EngineOrder) => {
  if (order.kind === 'cancel') running.get(order.key)?.abort();
  else void perform(order);
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides when its child ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
