import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** One append-only file of a spool: whole lines of JSON, `bytes` of them safely on disk. */
export type Segment = {
  number: number;
  path: string;
  bytes: number;
  recordCount: number;
  /** What has been acknowledged, from the front. */
  consumedBytes: number;
  consumedCount: number;
};

const suffix = '.ndjson';

export const segmentAt = (folder: string, number: number): Segment => ({
  number,
  path: join(folder, `${String(number).padStart(10, '0')}${suffix}`),
  bytes: 0,
  recordCount: 0,
  consumedBytes: 0,
  consumedCount: 0,
});

/** The segments of a folder, oldest first, as they are on disk; a torn last line is cut off. */
export const findSegments = async (
  folder: string,
): Promise<{ segments: Segment[]; tornCount: number }> => {
  const numbers = (await readdir(folder))
    .filter((name) => /^\d{10}\.ndjson$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
  const segments: Segment[] = [];
  let tornCount = 0;
  for (const number of numbers) {
    const segment = segmentAt(folder, number);
    if (await measure(segment)) tornCount += 1;
    segments.push(segment);
  }
  return { segments, tornCount };
};

/** Counts what is there. True when a write had been cut short: that record was never promised. */
const measure = async (segment: Segment): Promise<boolean> => {
  const file = await open(segment.path, 'r+');
  try {
    const content = await file.readFile();
    const end = content.lastIndexOf(0x0a) + 1;
    segment.bytes = end;
    segment.recordCount = countLines(content.subarray(0, end));
    if (end === content.byteLength) return false;
    await file.truncate(end);
    await file.datasync();
    return true;
  } finally {
    await file.close();
  }
};

export const countLines = (content: Buffer): number => {
  let count = 0;
  for (let at = content.indexOf(0x0a); at !== -1; at = content.indexOf(0x0a, at + 1)) count += 1;
  return count;
};

/** Appends and waits for the disk. After a failure the file ends where it ended before. */
export const appendDurably = async (
  file: FileHandle,
  segment: Segment,
  content: Buffer,
  recordCount: number,
): Promise<void> => {
  try {
    let written = 0;
    while (written < content.byteLength) {
      const { bytesWritten } = await file.write(
        content,
        written,
        content.byteLength - written,
        segment.bytes + written,
      );
      written += bytesWritten;
    }
    await file.datasync();
  } catch (error) {
    await file.truncate(segment.bytes).catch(() => undefined);
    throw error;
  }
  segment.bytes += content.byteLength;
  segment.recordCount += recordCount;
};

/** Bytes of a segment, `from` inclusive to `to` exclusive. */
export const readBytes = async (segment: Segment, from: number, to: number): Promise<Buffer> => {
  const content = Buffer.alloc(to - from);
  const file = await open(segment.path, 'r');
  try {
    let read = 0;
    while (read < content.byteLength) {
      const { bytesRead } = await file.read(content, read, content.byteLength - read, from + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return content.subarray(0, read);
  } finally {
    await file.close();
  }
};

export const removeSegment = (segment: Segment): Promise<void> => rm(segment.path, { force: true });

/** A segment that goes for lack of room: out of the queue, but not yet accounted for. */
export type Dropped = { path: string; fromByte: number; token: string };

/** One step takes it out of the queue, so that after a crash it is in it, or is known to have gone. */
export const markDropped = async (segment: Segment): Promise<Dropped> => {
  const token = randomUUID();
  const fromByte = segment.consumedBytes;
  const path = join(dirname(segment.path), `dropped-${fromByte}-${token}`);
  await rename(segment.path, path);
  return { path, fromByte, token };
};

export const findDropped = async (folder: string): Promise<Dropped[]> => {
  const names = await readdir(folder);
  return names.flatMap((name) => {
    const [, fromByte, token] = /^dropped-(\d+)-([0-9a-f-]{36})$/.exec(name) ?? [];
    if (fromByte === undefined || token === undefined) return [];
    return [{ path: join(folder, name), fromByte: Number(fromByte), token }];
  });
};
