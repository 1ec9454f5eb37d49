import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { reflectStamp, stampBytes, stampTime } from '#contract/stamp.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';

/** Sends the packets of devices' voice probes back (STAMP session-reflector, RFC 8762). */
export type Reflector = {
  port: number;
  counts(): { reflectedCount: number; droppedCount: number };
  stop(): Promise<void>;
};

/** Packets a second and at once, for each session that an address has: two probes and some room. */
export const reflectorLimits = {
  packetsPerSecond: 120,
  burst: 240,
  /** Streams whose packets are counted, of one address and of all. */
  streamsPerAddress: 64,
  streams: 20_000,
} as const;

/** A stream is over when nothing came for so long; RFC 8762's REFWAIT is meant for longer sessions. */
const streamIdleMs = 30_000;

type Source = {
  tokens: number;
  filledAtMs: number;
  /** By port: how many packets were sent back, and when the last one. */
  streams: Map<number, { count: number; usedAtMs: number }>;
};

/** As an edge's config says; undefined: none is wanted. */
export const startReflectorOf = async (
  { listen, reflectorPort }: { listen: { host: string }; reflectorPort?: number },
  parts: { sessionsFrom: (address: string) => number; log: Log },
): Promise<Reflector | undefined> =>
  reflectorPort === undefined
    ? undefined
    : startReflector({
        ...parts,
        listen: { host: listen.host, port: reflectorPort },
        monotonicMs: systemClock.monotonicMs,
      });

/**
 * Answers only addresses from which a device has a session at this moment: an open reflector would
 * send to whoever is named as the sender of a forged packet. Never more than one packet for one,
 * never a longer one, and for each address no more than a few probes need.
 */
export const startReflector = async (parts: {
  listen: { host: string; port: number };
  /** How many sessions there are from an address. */
  sessionsFrom: (address: string) => number;
  monotonicMs: () => number;
  log: Log;
}): Promise<Reflector> => {
  const { listen, sessionsFrom, monotonicMs } = parts;
  const log = parts.log.child({ component: 'reflector' });
  const sources = new Map<string, Source>();
  const counts = { reflectedCount: 0, droppedCount: 0 };
  let streamCount = 0;

  const sourceOf = (address: string, sessionCount: number): Source => {
    const nowMs = monotonicMs();
    const limit = reflectorLimits.burst * sessionCount;
    const known = sources.get(address);
    if (known === undefined) {
      const made = { tokens: limit, filledAtMs: nowMs, streams: new Map() };
      sources.set(address, made);
      return made;
    }
    const perMs = (reflectorLimits.packetsPerSecond * sessionCount) / 1_000;
    known.tokens = Math.min(limit, known.tokens + (nowMs - known.filledAtMs) * perMs);
    known.filledAtMs = nowMs;
    return known;
  };

  /** The packet's place in its stream; undefined: there is no room for another stream. */
  const countIn = ({ streams }: Source, port: number): number | undefined => {
    const stream = streams.get(port);
    if (stream !== undefined) {
      stream.usedAtMs = monotonicMs();
      return stream.count++;
    }
    const isFull =
      streams.size >= reflectorLimits.streamsPerAddress || streamCount >= reflectorLimits.streams;
    if (isFull) return undefined;
    streams.set(port, { count: 1, usedAtMs: monotonicMs() });
    streamCount += 1;
    return 0;
  };

  const reflect = (received: Buffer, address: string, port: number): Buffer | undefined => {
    const receivedAtMs = epochMs();
    if (received.length < stampBytes.shortest || received.length > stampBytes.longest) return;
    const sessionCount = sessionsFrom(plainAddress(address));
    if (sessionCount === 0) return;
    const source = sourceOf(plainAddress(address), sessionCount);
    const sequence = source.tokens < 1 ? undefined : countIn(source, port);
    if (sequence === undefined) return;
    source.tokens -= 1;
    return reflectStamp(received, sequence, receivedAtMs);
  };

  const forgetIdle = (): void => {
    const oldestMs = monotonicMs() - streamIdleMs;
    for (const [address, { streams, filledAtMs }] of sources) {
      for (const [port, { usedAtMs }] of streams) {
        if (usedAtMs >= oldestMs || !streams.delete(port)) continue;
        streamCount -= 1;
      }
      if (streams.size === 0 && filledAtMs < oldestMs) sources.delete(address);
    }
  };

  const socket = createSocket(isIPv6(listen.host) ? 'udp6' : 'udp4');
  socket.on('message', (received, { address, port }) => {
    const packet = reflect(received, address, port);
    if (packet === undefined) {
      counts.droppedCount += 1;
      return;
    }
    counts.reflectedCount += 1;
    stampTime(packet, epochMs());
    socket.send(packet, port, address, ignore);
  });
  await bind(socket, listen);
  socket.on('error', (error) => log.warn({ err: error }, 'reflector socket failed'));
  const timer = setInterval(forgetIdle, streamIdleMs);
  const { port } = socket.address();
  log.info({ port }, 'reflector is up');
  return {
    port,
    counts: () => ({ ...counts }),
    stop: () => {
      clearInterval(timer);
      return new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
};

/** The wall clock at the program's start, carried on by the monotonic one: it does not jump. */
const epochMs = (): number => performance.timeOrigin + performance.now();

/** An answer that cannot be sent is a lost packet, which is what the sender measures. */
const ignore = (): void => {};

/** An IPv6 socket shows IPv4 addresses as mapped ones (RFC 4291 section 2.5.5.2). */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const bind = (socket: Socket, { host, port }: { host: string; port: number }): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => {
      socket.off('error', reject);
      resolve();
    });
  });
