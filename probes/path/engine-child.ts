import { setMaxListeners } from 'node:events';
import { runFlows } from './branches.ts';
import type {
  EchoRequest,
  EngineOrder,
  EngineReport,
  MtuRequest,
  PathProbePacket,
  TraceRequest,
} from './messages.ts';
import { searchMtu } from './mtu.ts';
import { createNetworks, type Way } from './networks.ts';
import { isNotPermitted } from './not-permitted.ts';
import type { Flow } from './sockets/network.ts';
import { runTrace } from './trace.ts';

/**
 * The process that holds the path probes' sockets. On its own because only it needs the privilege,
 * because net-ping's add-on crashes in worker threads, and because a process that does nothing else
 * reads the clock sooner. Ends with its parent.
 */
const networks = createNetworks({ withNetPing: process.argv.includes('net-ping') });
const running = new Map<number, AbortController>();
/** Space between echo requests, so that one lost burst on the air is not read as total loss. */
const echoGapMs = 20;

const report = (message: EngineReport): void => {
  // A parent that ends in this moment is no news, and would be thrown without a callback.
  if (process.connected) process.send?.(message, undefined, {}, () => {});
};

const echo = async (
  { count, timeoutMs }: EchoRequest,
  flow: Flow,
  signal: AbortSignal,
): Promise<PathProbePacket[]> => {
  const ttl = 64;
  const sent: Promise<PathProbePacket>[] = [];
  for (let round = 0; round < count && !signal.aborted; round += 1) {
    sent.push(flow.probe(ttl, timeoutMs).then((answer) => ({ ttl, round, flow: 0, answer })));
    if (round + 1 < count) await new Promise((resolve) => setTimeout(resolve, echoGapMs));
  }
  return Promise.all(sent);
};

type Order = Exclude<EngineOrder, { kind: 'cancel' }>;

/** What one order gives; throws where its sockets are not permitted. */
const perform = async (order: Order, signal: AbortSignal): Promise<EngineReport> => {
  const { key } = order;
  switch (order.kind) {
    case 'echo': {
      const { address } = order.request;
      const way = await networks.wayTo({ protocol: 'icmp', address, port: 0 });
      const packets = await withFlow(way, (flow) => echo(order.request, flow, signal));
      return { kind: 'packets', key, packets, method: way.method, protocol: way.protocol };
    }
    case 'trace': {
      const way = await networks.wayTo(order.request);
      const onPacket = (packet: PathProbePacket) => {
        if (order.isLive) report({ kind: 'packet', key, packet });
      };
      const packets = await trace(order.request, way, signal, onPacket);
      return { kind: 'packets', key, packets, method: way.method, protocol: way.protocol };
    }
    case 'mtu':
      return { kind: 'mtu', key, mtu: await findMtu(order.request, signal) };
  }
};

const trace = (
  request: TraceRequest,
  way: Way,
  signal: AbortSignal,
  onPacket: (packet: PathProbePacket) => void,
): Promise<PathProbePacket[]> =>
  request.flows === 1
    ? withFlow(way, (flow) => runTrace(request, flow, signal, onPacket))
    : runFlows(request, way.openFlow, signal, onPacket);

/** By ICMP, else by UDP: of TCP only the kernel says how large its segments are. */
const findMtu = async (request: MtuRequest, signal: AbortSignal) => {
  const by = async (protocol: 'icmp' | 'udp') => {
    const way = await networks.wayTo({ ...request, protocol });
    return withFlow(way, (flow) => searchMtu(request.address, flow, request.timeoutMs, signal));
  };
  const nothing = { bytes: null, blackHole: false, toldBy: null };
  const found = await by('icmp').catch(() => nothing);
  return found.bytes === null && !signal.aborted ? by('udp') : found;
};

const withFlow = async <T>(way: Way, work: (flow: Flow) => Promise<T>): Promise<T> => {
  const flow = way.openFlow(0);
  try {
    return await work(flow);
  } finally {
    flow.close();
  }
};

const take = async (order: Order): Promise<void> => {
  const { key } = order;
  const cancel = new AbortController();
  // Every flow of a run waits on it.
  setMaxListeners(0, cancel.signal);
  running.set(key, cancel);
  try {
    report(await perform(order, cancel.signal));
  } catch (error) {
    report(refusalOf(key, error as NodeJS.ErrnoException));
  } finally {
    running.delete(key);
  }
};

const refusalOf = (key: number, error: NodeJS.ErrnoException): EngineReport => {
  const { message } = error;
  if (isNotPermitted(error)) return { kind: 'not-permitted', key, reason: message };
  // An interface that went, no socket left: packets that could not be sent, this once.
  const unsent = { ttl: 1, round: 0, flow: 0, answer: { kind: 'unsent' as const, message } };
  return { kind: 'packets', key, packets: [unsent], method: 'raw', protocol: 'icmp' };
};

process.on('message', (order: EngineOrder) => {
  if (order.kind === 'cancel') running.get(order.key)?.abort();
  else void take(order);
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides when its child ends.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
