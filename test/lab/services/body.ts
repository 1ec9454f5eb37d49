import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

/** What an answer carries, readable piece by piece so that a gigabyte needs no memory. */
export type Body = { type: string; size: number; read(from: number, to: number): Buffer };

export const bodyOf = (type: string, content: string | Buffer): Body => {
  const bytes = Buffer.from(content);
  return { type, size: bytes.length, read: (from, to) => bytes.subarray(from, to) };
};

const block = randomBytes(65_536);

/** `size` bytes nobody can compress. */
export const randomBody = (size: number): Body => ({
  type: 'application/octet-stream',
  size,
  read: (from, to) => block.subarray(0, to - from),
});

const paceMs = 50;

/** In pieces; with a rate, one every 50 ms by the clock, so that timers' lateness does not add up. */
export async function* piecesOf(body: Body, bytesPerSecond: number | null): AsyncGenerator<Buffer> {
  const paced = bytesPerSecond === null ? block.length : (bytesPerSecond * paceMs) / 1000;
  const startedAt = performance.now();
  for (let sent = 0; sent < body.size; ) {
    const end = Math.min(body.size, sent + block.length, sent + Math.max(1, Math.floor(paced)));
    yield body.read(sent, end);
    sent = end;
    if (bytesPerSecond === null || sent === body.size) continue;
    const dueMs = (sent / bytesPerSecond) * 1000 - (performance.now() - startedAt);
    if (dueMs > 0) await wait(dueMs);
  }
}
