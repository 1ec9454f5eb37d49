import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, DurationMs, Nullable, Port, Ratio, Text } from '../scalar.ts';

/** E-model rating turned into a mean opinion score: ITU-T G.107 Annex B gives 1 to 4.5. */
const Mos = Type.Number({ minimum: 1, maximum: 5 });

/**
 * One direction of a stream. Both clocks are in it, but only as differences over the stream, so that
 * they need not agree: a delay in one direction alone is not known, and not told.
 */
export const VoiceDirection = Type.Object(
  {
    /** Null where the other end does not count by itself. */
    lossRatio: Nullable(Ratio),
    /** Share that came later than the play-out buffer waits, of those sent. */
    lateRatio: Nullable(Ratio),
    /** RFC 3550 section 6.4.1, mean over the stream; null below two packets. */
    jitterMs: Nullable(DurationMs),
    mos: Nullable(Mos),
  },
  { ...closed, $id: 'VoiceDirection' },
);
export type VoiceDirection = Static<typeof VoiceDirection>;

/** A stream of packets like a call's to a reflector and back (STAMP, RFC 8762). */
export const VoiceBody = Type.Object(
  {
    target: Text(256),
    port: Nullable(Port),
    address: Nullable(Text(64)),
    packetBytes: Count,
    packetsPerSecond: Count,
    /** How long the play-out buffer that is reckoned with waits. */
    playoutMs: DurationMs,
    sentCount: Count,
    /** Sent packets of which an answer came, each counted once. */
    receivedCount: Count,
    duplicateCount: Count,
    /** RFC 4737: came after one that was sent later. */
    reorderedCount: Count,
    lossRatio: Nullable(Ratio),
    /** Most packets lost one after the other. */
    longestLossCount: Count,
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    rttP95Ms: Nullable(DurationMs),
    /** The worse of both directions. */
    jitterMs: Nullable(DurationMs),
    lateRatio: Nullable(Ratio),
    up: Nullable(VoiceDirection),
    down: Nullable(VoiceDirection),
    /** Of the worse direction. */
    rating: Nullable(Type.Number({ minimum: 0, maximum: 100 })),
    mos: Nullable(Mos),
    /** How late the device itself sent, 95th percentile: what a busy device adds. */
    sendLateP95Ms: Nullable(DurationMs),
  },
  { ...closed, $id: 'VoiceBody' },
);
export type VoiceBody = Static<typeof VoiceBody>;
