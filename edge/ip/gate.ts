import { addressText, type PacketFacts, protocols, readPacket } from '#runtime/ip-packet.ts';
import type { Access } from '../access.ts';
import type { IcmpCause } from './icmp-error.ts';
import { type IpScope, isInScope } from './target.ts';

/** Why packets of devices go no further. */
export type DropReason =
  | 'malformed'
  | 'spoofed'
  | 'outOfScope'
  | 'notCarried'
  | 'prohibited'
  | 'denied'
  | 'fragment'
  | 'tooBig'
  | 'tooMany'
  | 'notTaken';

export type Judgement =
  | { passes: true }
  | { passes: false; reason: DropReason; facts?: PacketFacts; tell?: IcmpCause };

/** Judges the packets of one device on one stream. */
export type Gate = (packet: Buffer) => Judgement;

/** Rules may go by the time of the day: a judgement is no older than this. */
const rememberMs = 10_000;
const maxRemembered = 4_096;

const passes: Judgement = { passes: true };
const drop = (reason: DropReason, facts: PacketFacts, tell?: IcmpCause): Judgement => ({
  passes: false,
  reason,
  facts,
  ...(tell ? { tell } : {}),
});

/**
 * What comes from a device is forwarded from the address it was given, to an address that is neither
 * special nor the edge's own, and where the policy lets it: as a connection to the same address and
 * port would be. ICMP and other protocols have port 0, which only rules for all ports match.
 * TCP and UDP are not carried: they have ways of their own, with limits and records for each flow.
 */
export const createGate = (parts: {
  deviceId: string;
  /** As keys: what a packet's `source` must be. */
  assigned: ReadonlySet<string>;
  scope: IpScope;
  /** TCP and UDP too. */
  carriesAll: boolean;
  mtuBytes: number;
  access: () => Access | undefined;
  isSpecial: (address: string) => boolean;
  monotonicMs: () => number;
}): Gate => {
  const known = new Map<string, Judgement['passes'] | 'prohibited'>();
  let knownOf: Access | undefined;
  let knownSinceMs = 0;

  const forget = (access: Access) => {
    const nowMs = parts.monotonicMs();
    const isOld = nowMs - knownSinceMs > rememberMs || known.size >= maxRemembered;
    if (access === knownOf && !isOld) return;
    known.clear();
    knownOf = access;
    knownSinceMs = nowMs;
  };
  const decide = (access: Access, facts: PacketFacts, port: number) => {
    const host = addressText(facts.destination);
    const protocol = policyProtocol(facts);
    const { action } = access.decide(parts.deviceId, { host, port, protocol });
    // `direct` names what is not to come here at all.
    if (action !== 'allow') return false;
    const isPrivate = access.privateApplication({ host, port }) !== undefined;
    return !isPrivate && parts.isSpecial(host) ? 'prohibited' : true;
  };
  const mayGo = (facts: PacketFacts, port: number) => {
    const access = parts.access();
    if (!access) return false;
    forget(access);
    const key = `${facts.destination}${facts.protocol}:${port}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const decided = decide(access, facts, port);
    known.set(key, decided);
    return decided;
  };

  return (packet) => {
    const facts = readPacket(packet);
    if (!facts || facts.hopsLeft === 0) return { passes: false, reason: 'malformed' };
    if (!parts.assigned.has(facts.source)) return drop('spoofed', facts);
    if (!isOfScope(parts.scope, facts)) return drop('outOfScope', facts, prohibited);
    if (hasPorts(facts) && !parts.carriesAll) return drop('notCarried', facts, prohibited);
    const port = portOf(packet, facts);
    if (port === undefined) return drop('fragment', facts);
    const verdict = mayGo(facts, port);
    if (verdict !== true) {
      return drop(verdict === false ? 'denied' : 'prohibited', facts, prohibited);
    }
    if (packet.length <= parts.mtuBytes) return passes;
    return drop('tooBig', facts, { kind: 'too-big', mtuBytes: parts.mtuBytes });
  };
};

const policyProtocol = ({ protocol }: PacketFacts): 'tcp' | 'udp' | 'ip' => {
  if (protocol === protocols.tcp) return 'tcp';
  return protocol === protocols.udp ? 'udp' : 'ip';
};

const prohibited: IcmpCause = { kind: 'prohibited' };

/** ICMP belongs to every protocol's scope (RFC 9484 section 4.8). */
const isOfScope = (scope: IpScope, facts: PacketFacts): boolean => {
  const isIcmp = facts.protocol === (facts.version === 4 ? protocols.icmp : protocols.icmp6);
  const isWanted = scope.protocol === 0 || scope.protocol === facts.protocol || isIcmp;
  return isWanted && isInScope(scope, facts.destination);
};

/** By the packet's own header, not by what an ICMP error quotes: path MTU discovery needs those. */
const hasPorts = ({ protocol }: PacketFacts): boolean =>
  protocol === protocols.tcp || protocol === protocols.udp;

/** 0 where the protocol has none; undefined: it has one, and it is not in this packet. */
const portOf = (packet: Buffer, facts: PacketFacts): number | undefined => {
  if (!hasPorts(facts)) return 0;
  // Later fragments do not say where they go, and the policy goes by it.
  if (facts.fragment !== 'no' || packet.length < facts.headerBytes + 4) return undefined;
  return packet.readUInt16BE(facts.headerBytes + 2);
};
