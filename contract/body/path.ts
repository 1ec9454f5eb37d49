import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, DurationMs, Nullable, OneOf, Ratio, Text } from '../scalar.ts';

/**
 * One of several addresses at a TTL, seen by flows of their own (ECMP). The `path…` figures are end
 * to end, of the flows that go this way: the target's answers, not this router's.
 */
export const HopBranch = Type.Object(
  {
    address: Text(64),
    flowCount: Count,
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    pathSentCount: Count,
    pathLossRatio: Nullable(Ratio),
    pathRttMedianMs: Nullable(DurationMs),
  },
  { ...closed, $id: 'HopBranch' },
);
export type HopBranch = Static<typeof HopBranch>;

/**
 * `silent`: nothing came at this TTL. `limited`: answered clearly less often (beyond chance, 1 %) than
 * something behind it, so what is missing was let through and not answered. Neither is loss.
 */
export const hopStates = ['answering', 'silent', 'limited'] as const;

/** Who an address belongs to, by a table on the device; null: not in it. */
const origin = {
  name: Type.Optional(Nullable(Text(253))),
  asn: Type.Optional(Nullable(Type.Integer({ minimum: 0, maximum: 4_294_967_295 }))),
  asName: Type.Optional(Nullable(Text(100))),
  /** ISO 3166-1 alpha-2. */
  country: Type.Optional(Nullable(Text(2))),
};

/** One TTL. `address` null: silent at this TTL, which is not loss by itself. */
export const Hop = Type.Object(
  {
    ttl: Type.Integer({ minimum: 1, maximum: 64 }),
    address: Nullable(Text(64)),
    sentCount: Count,
    receivedCount: Count,
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    rttMaxMs: Nullable(DurationMs),
    state: Type.Optional(OneOf(hopStates)),
    ...origin,
    /** Only where several flows were sent and saw different addresses; most flows first. */
    branches: Type.Optional(Type.Array(HopBranch, { maxItems: 64 })),
  },
  { ...closed, $id: 'Hop' },
);
export type Hop = Static<typeof Hop>;

export const pathProtocols = ['icmp', 'tcp', 'udp'] as const;

export const PathBody = Type.Object(
  {
    target: Text(256),
    address: Nullable(Text(64)),
    protocol: OneOf(pathProtocols),
    /**
     * How it was sent. `raw`: raw sockets. `error-queue`: without privilege, hops from what the
     * kernel queues for ordinary sockets. `unprivileged`: the target only, no hops.
     */
    method: OneOf(['raw', 'error-queue', 'unprivileged'] as const),
    /** What hops were asked with, where that is not `protocol`. */
    hopProtocol: Type.Optional(OneOf(pathProtocols)),
    reached: Type.Boolean(),
    hops: Type.Array(Hop, { maxItems: 64 }),
    /** End to end, from the target's own answers, apart from what hops said. */
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    /** Mean absolute difference of consecutive answered RTTs; null below two answers. */
    jitterMs: Nullable(DurationMs),
    lossRatio: Nullable(Ratio),
    /** Hash over the sequence of answering addresses; changes when the route does. */
    routeHash: Nullable(Text(16)),
    /** That of the agent's run before, where it was another one. */
    formerRouteHash: Type.Optional(Text(16)),
    /** Flows sent; absent: one. */
    flowCount: Type.Optional(Count),
    /** Only where it was asked for. */
    mtu: Type.Optional(
      Type.Object(
        {
          /** The largest packet, IP header included, that went all the way unfragmented. */
          bytes: Nullable(Count),
          /** Larger ones vanish and no router says so: pings work, transfers hang. */
          blackHole: Type.Boolean(),
          /** The router that said what fits. */
          toldBy: Nullable(Text(64)),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'PathBody' },
);
export type PathBody = Static<typeof PathBody>;
