import { type Static, Type } from '@sinclair/typebox';
import { closed, OneOf } from '#contract/scalar.ts';

/** Of an agent's config file: what is taken from programs that know nothing of a proxy. Linux only. */
export const CaptureConfig = Type.Object(
  {
    /** Left out: true. */
    tcp: Type.Optional(Type.Boolean()),
    /** Queries to the device's name servers; left out: true. */
    dns: Type.Optional(Type.Boolean()),
    /**
     * `carry`: through the tunnel; `reject-quic`: browsers fall back to TCP, all else goes direct;
     * `leave`: direct. Left out: `carry`.
     */
    udp: Type.Optional(OneOf(['carry', 'reject-quic', 'leave'] as const)),
    /** ICMP and the rest; left out: false. */
    other: Type.Optional(Type.Boolean()),
    /** How the agent's own traffic is told from that of programs; left out: by its user. */
    ownTrafficBy: Type.Optional(OneOf(['user', 'cgroup'] as const)),
    /** Names or ids of users whose traffic is let alone. */
    notCapturedUsers: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100 }),
    ),
  },
  closed,
);
export type CaptureConfig = Static<typeof CaptureConfig>;
