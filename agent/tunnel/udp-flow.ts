import type { ClientHttp2Stream } from 'node:http2';
import { edgeServerName } from '#contract/enrollment.ts';
import { encodeDatagrams } from '#runtime/capsules/capsule.ts';
import { carryDatagrams } from '#runtime/capsules/datagram-stream.ts';
import type { DataSession } from './data-pool.ts';
import { openFlow } from './flow.ts';

/** Datagrams to and from one destination. They may be lost, doubled or come in another order. */
export type DatagramFlow = {
  /** What is too much for the way is dropped and counted, never queued. */
  send(datagrams: readonly Buffer[]): void;
  onDatagrams(listener: (datagrams: Buffer[]) => void): void;
  /** Told once, also of an end that came before; `reason` is for people. */
  onClose(listener: (reason: string) => void): void;
  close(): void;
  droppedCount(): number;
};

/** The same through the tunnel. */
export type UdpFlow = DatagramFlow & {
  edgeId: string;
  /** The edge's own account of what opening the flow took (contract/server-timing.ts). */
  serverTiming: string | undefined;
};

/** Asks an edge for a destination by connect-udp (RFC 9298), on one session. Throws as openFlow does. */
export const openUdpFlow = async (options: {
  session: DataSession;
  edgeId: string;
  host: string;
  port: number;
  /** Sent along with the request: a round trip saved, and a retry may double them. */
  first?: readonly Buffer[];
  signal: AbortSignal;
}): Promise<UdpFlow> => {
  const { session, edgeId, host, port, first = [] } = options;
  const flow = await openFlow({
    session,
    edgeId,
    authority: edgeServerName(edgeId),
    extended: {
      ':protocol': 'connect-udp',
      ':scheme': 'https',
      ':path': `/.well-known/masque/udp/${encodeURIComponent(host)}/${port}/`,
      'capsule-protocol': '?1',
    },
    ...(first.length > 0 ? { ahead: encodeDatagrams(0, first) } : {}),
    signal: options.signal,
  });
  const stream = flow.stream as ClientHttp2Stream;
  let give: (datagrams: Buffer[]) => void = () => {};
  const carried = carryDatagrams({
    stream,
    onDatagrams(datagrams) {
      flow.moved(bytesOf(datagrams));
      give(datagrams);
    },
    onMalformed: () => flow.reset(),
  });
  // A turn of the loop lets a reset be seen that comes right behind the end: it says why.
  stream.on('end', () => setImmediate(() => stream.end()));

  return {
    edgeId,
    serverTiming: flow.serverTiming,
    send(datagrams) {
      if (carried.send(datagrams)) flow.moved(bytesOf(datagrams));
    },
    onDatagrams(listener) {
      give = listener;
    },
    onClose(listener) {
      const tell = () => listener(reasonOf(stream, flow.wasCut()));
      if (stream.closed && stream.destroyed) process.nextTick(tell);
      else stream.once('close', tell);
    },
    close: () => void stream.end(),
    droppedCount: carried.droppedCount,
  };
};

const bytesOf = (datagrams: readonly Buffer[]): number => {
  let bytes = 0;
  for (const { length } of datagrams) bytes += length;
  return bytes;
};

/** RST_STREAM(CONNECT_ERROR): the edge's socket failed, most often by ICMP "port unreachable". */
const connectError = 10;

const reasonOf = ({ rstCode }: ClientHttp2Stream, wasCut: boolean): string => {
  if (rstCode === connectError) return 'destination unreachable';
  return wasCut ? 'cut' : 'ended';
};
