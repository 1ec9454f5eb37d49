import { edgeServerName } from '#contract/enrollment.ts';
import { carryDatagrams } from '#runtime/capsules/datagram-stream.ts';
import {
  addressAssignCapsule,
  encodeAddressRequest,
  parseAddressAssign,
} from '#runtime/capsules/ip-capsules.ts';
import type { DataSession } from './data-pool.ts';
import { openFlow } from './flow.ts';
import { TunnelDown } from './refused.ts';

/** IP packets to and from an edge (RFC 9484), under the addresses it gave. */
export type IpFlow = {
  edgeId: string;
  /** One of each family that the edge has: 4 bytes, or 16. */
  addresses: Buffer[];
  /** Dropped, not queued, where the stream is behind: a packet that waits is of no use. */
  send(packets: readonly Buffer[]): void;
  droppedCount(): number;
  close(): void;
};

const assignMs = 10_000;

/**
 * Asks for all of IP. `onPackets` gets views of what was read. `onClose` is called once, when no packet
 * passes any more: the edge ended it, gave other addresses, or its session takes no new streams.
 */
export const openIpFlow = async (options: {
  session: DataSession;
  edgeId: string;
  signal: AbortSignal;
  onPackets: (packets: Buffer[]) => void;
  onClose: (reason: string) => void;
}): Promise<IpFlow> => {
  const { session, edgeId, signal } = options;
  const flow = await openFlow({
    session,
    edgeId,
    authority: edgeServerName(edgeId),
    extended: {
      ':protocol': 'connect-ip',
      ':scheme': 'https',
      ':path': '/.well-known/masque/ip/*/*/',
      'capsule-protocol': '?1',
    },
    signal,
  });
  const { stream } = flow;
  let given: Buffer[] | undefined;
  let isOpen = false;
  let isClosed = false;
  let assigned: (addresses: Buffer[]) => void = () => {};
  let failed: (error: Error) => void = () => {};

  const end = (reason: string) => {
    if (isClosed) return;
    isClosed = true;
    session.h2.off('goaway', leave);
    stream.end();
    stream.resume();
    failed(new TunnelDown(reason));
    if (isOpen) options.onClose(reason);
  };
  const leave = () => end(`edge ${edgeId} is going away`);
  const carried = carryDatagrams({
    stream,
    onDatagrams(packets) {
      if (isOpen && !isClosed) options.onPackets(packets);
    },
    onCapsule(type, value) {
      if (type !== addressAssignCapsule) return;
      const addresses = parseAddressAssign(value);
      if (!addresses) return malformed('malformed addresses');
      const own = addresses.filter(isOneAddress).map(({ address }) => address);
      if (!given) assigned(own);
      else if (!areSame(given, own)) end(`edge ${edgeId} gave other addresses`);
    },
    onMalformed: (what) => malformed(what),
  });
  const malformed = (what: string) => {
    end(`edge ${edgeId}: ${what}`);
    flow.reset();
  };
  stream.once('close', () => end(`stream to edge ${edgeId} ended`));
  stream.once('end', () => end(`edge ${edgeId} ended the stream`));
  session.h2.once('goaway', leave);

  // An edge of ours has given them already; others wait to be asked (RFC 9484 section 4.7.2).
  stream.write(
    encodeAddressRequest([
      { requestId: 1, address: Buffer.alloc(4), prefixBits: 32 },
      { requestId: 2, address: Buffer.alloc(16), prefixBits: 128 },
    ]),
  );
  const timer = setTimeout(() => end(`edge ${edgeId} gave no address`), assignMs);
  const addresses = await new Promise<Buffer[]>((resolve, reject) => {
    failed = reject;
    assigned = (own) => {
      given = own;
      if (own.length > 0) resolve(own);
      else end(`edge ${edgeId} gave no address`);
    };
    if (stream.destroyed) end(`stream to edge ${edgeId} ended`);
  }).finally(() => clearTimeout(timer));
  isOpen = true;
  return {
    edgeId,
    addresses,
    send: carried.send,
    droppedCount: carried.droppedCount,
    close() {
      isClosed = true;
      session.h2.off('goaway', leave);
      stream.end();
      stream.resume();
    },
  };
};

/** All zeros: what was asked for cannot be had (RFC 9484 section 4.7.2). Longer ranges are not used. */
const isOneAddress = ({ address, prefixBits }: { address: Buffer; prefixBits: number }): boolean =>
  prefixBits === 8 * address.length && address.some((byte) => byte !== 0);

const areSame = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  some.length === others.length && some.every((one) => others.some((other) => other.equals(one)));
