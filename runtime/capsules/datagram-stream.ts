import type { Duplex } from 'node:stream';
import { createCapsuleReader, datagramCapsule, encodeDatagrams } from './capsule.ts';

/** Datagrams of context 0 over a stream, both ways. Whoever owns the stream ends it. */
export type DatagramStream = {
  /** All in one write; or false and none of them, counted, where the stream is too far behind. */
  send(datagrams: readonly Buffer[]): boolean;
  /** Of those given to `send`. */
  droppedCount(): number;
};

/** A datagram that would wait behind so much is late, and its protocol deals better with a loss. */
export const maxWaitingBytes = 262_144;

/** An IP packet's 65,535 bytes at most; RFC 9298 section 5 allows a UDP payload two bytes of those more. */
const maxDatagramBytes = 65_535;
/** The same and the longest form of a context. */
const maxCapsuleBytes = maxDatagramBytes + 8;

/**
 * What came in one piece of the stream is given in one batch, so that it can go on in one: a write per
 * datagram costs twice the CPU (docs/tunnel.md). Other contexts and capsules are ignored.
 */
export const carryDatagrams = (parts: {
  stream: Duplex;
  /** Views of what was read: they stay valid, and keep the whole piece they came in alive. */
  onDatagrams(datagrams: Buffer[]): void;
  onCapsule?(type: number, value: Buffer): void;
  /** The peer does not keep to RFC 9297, or to RFC 9298 section 5: the stream has to be reset. */
  onMalformed(what: string): void;
}): DatagramStream => {
  const { stream } = parts;
  let batch: Buffer[] = [];
  let dropped = 0;
  const reader = createCapsuleReader({
    onDatagram(contextId, payload) {
      if (contextId === 0) batch.push(payload);
    },
    ...(parts.onCapsule ? { onCapsule: parts.onCapsule } : {}),
    onOversized(type) {
      if (type === datagramCapsule) parts.onMalformed('a datagram longer than any can be');
    },
    maxCapsuleBytes,
  });
  stream.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    if (batch.length === 0) return;
    const datagrams = batch;
    batch = [];
    parts.onDatagrams(datagrams);
  });
  stream.on('end', () => {
    if (!reader.isBetween()) parts.onMalformed('ended within a capsule');
  });

  return {
    send(datagrams) {
      if (stream.destroyed || stream.writableEnded || stream.writableLength > maxWaitingBytes) {
        dropped += datagrams.length;
        return false;
      }
      stream.write(encodeDatagrams(0, datagrams));
      return true;
    },
    droppedCount: () => dropped,
  };
};
