import http2, { type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { carryDatagrams, maxWaitingBytes } from '#runtime/capsules/datagram-stream.ts';
import {
  type AddressRange,
  addressRequestCapsule,
  encodeAddressAssign,
  encodeRouteAdvertisement,
  parseAddressRequest,
} from '#runtime/capsules/ip-capsules.ts';
import { addressText } from '#runtime/ip-packet.ts';
import type { Log } from '#runtime/log.ts';
import type { Access } from '../access.ts';
import type { DatagramLimit } from '../datagram-limit.ts';
import { createMayPass } from '../datagram-pace.ts';
import type { ServeProtocol } from '../exchange-h2.ts';
import type { Limits } from '../limits.ts';
import type { Meter } from '../meter.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { refuseStream } from '../refuse-stream.ts';
import { createGate, type DropReason, type Gate, type Judgement } from './gate.ts';
import { makeIcmpError } from './icmp-error.ts';
import type { IpForwarding, IpLease } from './ip-forwarding.ts';
import { describeScope, type IpScope, parseIpTarget } from './target.ts';

type Parts = {
  edgeId: string;
  /** Undefined: this edge forwards no IP packets. */
  forwarding: IpForwarding | undefined;
  access: () => Access | undefined;
  isSpecial: (address: string) => boolean;
  limits: Limits;
  datagrams: DatagramLimit;
  meter: Meter;
  monotonicMs: () => number;
  log: Log;
};

/** `connect-ip` (RFC 9484): IP packets of one device over one stream. */
export const createServeIp = (parts: Parts): ServeProtocol => {
  const log = parts.log.child({ component: 'ip-forwarding' });
  return async ({ stream, headers, deviceId }) => {
    const refused = (refusal: Refusal) => {
      parts.meter.refused(refusal.error);
      log.debug({ deviceId, ...refusal }, 'flow refused');
      refuseStream(stream, parts.edgeId, refusal);
    };
    const asked = await admit(parts, headers, deviceId);
    if ('status' in asked) return refused(asked);
    const { scope, forwarding } = asked;
    let relay: Relay | undefined;
    const lease = forwarding.lease({
      deviceId,
      onPackets: (packets) => relay?.down(packets),
      onEnd: () => relay?.end(),
    });
    if ('problem' in lease) {
      parts.limits.release(deviceId);
      return refused(refuse(lease.error, lease.problem));
    }
    const release = () => {
      lease.release();
      parts.limits.release(deviceId);
    };
    if (stream.destroyed || stream.closed) return release();
    stream.once('close', () => {
      release();
      log.debug({ deviceId, ...relay?.counts() }, 'flow ended');
    });
    const addresses = lease.addresses.map(addressText);
    log.debug({ deviceId, addresses, scope: describeScope(scope) }, 'flow begun');
    relay = relayPackets({ ...parts, forwarding, stream, deviceId, scope, lease });
  };
};

const admit = async (
  parts: Parts,
  headers: IncomingHttpHeaders,
  deviceId: string,
): Promise<{ scope: IpScope; forwarding: IpForwarding } | Refusal> => {
  const scope = parseIpTarget(headers[':path'] ?? '');
  if ('mistake' in scope) return refuse('http_request_error', scope.mistake);
  const { forwarding } = parts;
  // 501: it will not be otherwise in a moment, as it may be after a 503.
  if (!forwarding)
    return { ...refuse('proxy_configuration_error', 'no IP forwarding here'), status: 501 };
  if (!parts.access()) return refuse('proxy_configuration_error', 'no policy yet');
  const over = await parts.limits.take(deviceId);
  if (over) return refuse('connection_limit_reached', `too many ${over}`);
  return { scope, forwarding };
};

type Relay = {
  down(packets: readonly Buffer[]): void;
  end(): void;
  counts(): Record<string, number>;
};

type RelayParts = Parts & {
  forwarding: IpForwarding;
  stream: ServerHttp2Stream;
  deviceId: string;
  scope: IpScope;
  lease: IpLease;
};

/** For a client to end a stream that was ended on it. */
const lingerMs = 10_000;
/** A second; RFC 1812 section 4.3.2.8 and RFC 4443 section 2.4 want a limit. */
const maxErrors = 100;

const relayPackets = (parts: RelayParts): Relay => {
  const { stream, lease, deviceId, meter } = parts;
  const moved = { upPackets: 0, upBytes: 0, downPackets: 0, downBytes: 0, downOverPace: 0 };
  const dropped = new Map<DropReason, number>();
  const judge = createGateOf(parts);
  const mayTell = createErrorLimit(parts.monotonicMs);
  const pace = parts.limits.pace(deviceId);
  const mayGoUp = createMayPass({
    datagrams: (count) => parts.datagrams.take(deviceId, count),
    pace,
  });
  const mayComeDown = createMayPass({ datagrams: (count) => count, pace });
  const drop = (reason: DropReason, count = 1) => {
    if (count > 0) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  };
  const tell = (packet: Buffer, judgement: Exclude<Judgement, { passes: true }>) => {
    const { facts, tell: cause } = judgement;
    const from = facts && parts.forwarding.own(facts.version);
    if (!facts || !cause || !from || !mayTell()) return;
    const error = makeIcmpError({ about: packet, facts, cause, from });
    if (error) carried.send([error]);
  };

  const up = (packets: readonly Buffer[]) => {
    const passing: Buffer[] = [];
    let bytes = 0;
    const mayPass = mayGoUp(packets);
    drop('tooMany', packets.length - mayPass);
    for (const packet of packets.slice(0, mayPass)) {
      const judgement = judge(packet);
      if (judgement.passes) {
        passing.push(packet);
        bytes += packet.length;
      } else {
        drop(judgement.reason);
        tell(packet, judgement);
      }
    }
    const taken = lease.forward(passing);
    drop('notTaken', passing.length - taken);
    moved.upPackets += taken;
    moved.upBytes += bytes;
    meter.up(bytes);
  };
  const carried = carryDatagrams({
    stream,
    onDatagrams: up,
    onCapsule(type, value) {
      if (type !== addressRequestCapsule) return;
      const requested = parseAddressRequest(value);
      if (!requested) return stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR);
      // Who asks and does not read would have the edge keep the answers.
      if (!stream.writable || stream.writableLength > maxWaitingBytes) return;
      stream.write(encodeAddressAssign(answerTo(requested, lease.addresses)));
    },
    onMalformed: () => stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR),
  });
  stream.once('end', () => stream.end());

  stream.respond({ ':status': 200, 'capsule-protocol': '?1' });
  // Unasked (RFC 9484 section 4.7.1), which saves who asks for any address a round trip.
  stream.write(encodeAddressAssign(assignmentOf(lease.addresses)));
  stream.write(encodeRouteAdvertisement(parts.scope.ranges.filter(isServed(lease.addresses))));

  return {
    down(packets) {
      if (mayComeDown(packets) === 0) {
        moved.downOverPace += packets.length;
        return;
      }
      const before = carried.droppedCount();
      carried.send(packets);
      if (carried.droppedCount() > before) return;
      const bytes = packets.reduce((sum, { length }) => sum + length, 0);
      moved.downPackets += packets.length;
      moved.downBytes += bytes;
      meter.down(bytes);
    },
    end() {
      if (stream.destroyed) return;
      stream.end();
      stream.resume();
      setTimeout(() => stream.close(), lingerMs).unref();
    },
    counts: () => ({
      ...moved,
      downDropped: carried.droppedCount(),
      ...Object.fromEntries([...dropped].map(([reason, count]) => [`${reason}Dropped`, count])),
    }),
  };
};

const createGateOf = (parts: RelayParts): Gate =>
  createGate({
    ...parts,
    assigned: new Set(parts.lease.addresses.map((address) => address.toString('latin1'))),
    mtuBytes: parts.forwarding.mtuBytes,
    carriesAll: parts.forwarding.carriesAll,
  });

const createErrorLimit = (monotonicMs: () => number) => {
  let sinceMs = 0;
  let count = 0;
  return (): boolean => {
    if (monotonicMs() - sinceMs > 1_000) {
      sinceMs = monotonicMs();
      count = 0;
    }
    count += 1;
    return count <= maxErrors;
  };
};

const assignmentOf = (addresses: readonly Buffer[]) =>
  addresses.map((address) => ({ requestId: 0, address, prefixBits: 8 * address.length }));

/** What was asked for does not matter: there is one of each family. None: all zeros (4.7.2). */
const answerTo = (
  requested: readonly { requestId: number; address: Buffer }[],
  addresses: readonly Buffer[],
) => {
  const left = [...addresses];
  const answers = requested.map(({ requestId, address: { length } }) => {
    const index = left.findIndex((address) => address.length === length);
    const [address = Buffer.alloc(length)] = index === -1 ? [] : left.splice(index, 1);
    return { requestId, address, prefixBits: 8 * length };
  });
  return [...assignmentOf(left), ...answers];
};

const isServed =
  (addresses: readonly Buffer[]) =>
  ({ from }: AddressRange): boolean =>
    addresses.some(({ length }) => length === from.length);
