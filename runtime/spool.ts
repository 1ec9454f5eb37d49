import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { parseJson } from './collector-request.ts';
import { makePrivateFolder, syncFolder, writeDurably } from './durable-file.ts';
import type { Log } from './log.ts';
import {
  appendDurably,
  type Dropped,
  findDropped,
  findSegments,
  markDropped,
  readBytes,
  removeSegment,
  type Segment,
  segmentAt,
} from './spool-segment.ts';

/** Records that travel together: the same after a crash, until they are released. */
export type Chunk = { lines: readonly string[]; byteCount: number };

export type Spool = {
  /** True once the record is on disk; false when there was no room for it (counted as dropped). */
  append(record: TelemetryRecord): Promise<boolean>;
  /** The oldest records not yet released; the same ones again until `release`. Null: none. */
  next(limits: { recordCount: number; byteCount: number }): Promise<Chunk | null>;
  /** Makes the chunk under way half as large; null when it is a single record already. */
  narrow(): Promise<Chunk | null>;
  /** Forgets the chunk under way. */
  release(): Promise<void>;
  /** Which of these record ids wait here: what a crash let in without the writer learning of it. */
  findPending(ids: readonly string[]): Promise<Set<string>>;
  status(): SpoolStatus;
  close(): Promise<void>;
};

export type SpoolStatus = {
  /** On disk and not yet released. */
  pendingCount: number;
  pendingBytes: number;
  /** Space the files take, never above the limit. */
  diskBytes: number;
  maxBytes: number;
  /** Since the start of the program. */
  droppedCount: number;
  /** Records cut off by a crash while being written, found at the start. */
  tornCount: number;
};

export type SpoolOptions = {
  folder: string;
  maxBytes: number;
  log: Log;
  /**
   * Told of records that had to go for lack of room, before they go. A crash in that moment has the
   * same ones told again at the next opening, under the same token. Must not throw or append.
   */
  onDropped?: (records: TelemetryRecord[], token?: string) => void;
};

/** Where reading stands. `end` is set while a chunk is under way, so that a crash repeats it exactly. */
const Cursor = Type.Object({
  segment: Type.Integer({ minimum: 0 }),
  offset: Type.Integer({ minimum: 0 }),
  end: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
});

type Waiting = { record: TelemetryRecord; line: Buffer; resolve: (stored: boolean) => void };

/** What may wait for the disk in memory; more than a slow disk takes in a second or two. */
const maxWaitingBytes = 8_000_000;
const maxCommitBytes = 1_000_000;

/**
 * A queue on disk. Appends share one fdatasync (group commit) and resolve after it; the oldest
 * records go first when the limit is reached.
 */
export const openSpool = async (options: SpoolOptions): Promise<Spool> => {
  const { folder, maxBytes, log } = options;
  await makePrivateFolder(folder);
  const cursorFile = join(folder, 'cursor.json');
  const { segments, tornCount } = await findSegments(folder);
  const segmentBytes = Math.max(4_096, Math.min(1_000_000, Math.floor(maxBytes / 8)));
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  let droppedCount = 0;
  let active: { segment: Segment; file: FileHandle } | undefined;
  /** The chunk under way, or what the cursor says was under way before a crash. */
  let underway: { segment: Segment; end: number; chunk: Chunk | undefined } | undefined;
  let nextNumber = 1;
  let isFull = false;
  let closed = false;

  if (tornCount > 0) {
    log.warn({ component: 'spool', tornCount }, 'a record was cut off by a crash; dropped');
  }

  const restoreCursor = async () => {
    const cursor = check(Cursor, parseJson(await readFile(cursorFile, 'utf8').catch(() => '')));
    nextNumber = Math.max(cursor.ok ? cursor.value.segment : 0, segments.at(-1)?.number ?? 0) + 1;
    if (!cursor.ok) return;
    // Older than the cursor: acknowledged, and only their removal was cut off.
    while (segments[0] !== undefined && segments[0].number < cursor.value.segment) {
      await removeSegment(segments.shift() as Segment);
    }
    const segment = segments[0];
    if (segment?.number !== cursor.value.segment) return;
    await consume(segment, Math.min(cursor.value.offset, segment.bytes));
    const end = cursor.value.end;
    if (end !== null && end > segment.consumedBytes && end <= segment.bytes) {
      underway = { segment, end, chunk: undefined };
    }
  };

  const consume = async (segment: Segment, to: number) => {
    const content = await readBytes(segment, segment.consumedBytes, to);
    segment.consumedCount += splitLines(content).length;
    segment.consumedBytes = to;
  };

  /** A cursor that cannot be written costs a repeated batch after a crash, not the data. */
  const keepCursor = async (segment: Segment, end: number | null) => {
    const text = JSON.stringify({ segment: segment.number, offset: segment.consumedBytes, end });
    try {
      await writeDurably(cursorFile, text);
    } catch (error) {
      log.warn({ component: 'spool', reason: (error as Error).message }, 'cursor not written');
    }
  };

  /** One thing at a time touches the files. */
  let queue: Promise<unknown> = Promise.resolve();
  const exclusive = <T>(action: () => Promise<T>): Promise<T> => {
    const done = queue.then(action);
    queue = done.catch(() => undefined);
    return done;
  };

  const diskBytes = () => segments.reduce((sum, segment) => sum + segment.bytes, 0);

  const drop = (records: TelemetryRecord[], token?: string) => {
    if (records.length === 0) return;
    droppedCount += records.length;
    if (!isFull) {
      log.warn({ component: 'spool', maxBytes }, 'spool full; the oldest records are dropped');
    }
    isFull = true;
    options.onDropped?.(records, token);
  };

  const closeActive = async () => {
    await active?.file.close();
    active = undefined;
  };

  const forget = async (segment: Segment) => {
    segments.splice(segments.indexOf(segment), 1);
    if (active?.segment === segment) await closeActive();
    await removeSegment(segment);
  };

  /** Drops the oldest segment that is not being shipped. False when there is none. */
  const dropOldest = async (): Promise<boolean> => {
    const victim = segments.find((segment) => segment !== underway?.segment && segment.bytes > 0);
    if (victim === undefined) return false;
    if (active?.segment === victim) await closeActive();
    segments.splice(segments.indexOf(victim), 1);
    await dropSegment(await markDropped(victim));
    return true;
  };

  const dropSegment = async (dropped: Dropped): Promise<void> => {
    const content = await readFile(dropped.path);
    const lines = splitLines(content.subarray(dropped.fromByte));
    drop(
      lines.flatMap(({ text }) => parseRecord(text) ?? []),
      dropped.token,
    );
    await rm(dropped.path, { force: true });
  };

  const makeRoom = async (bytes: number): Promise<boolean> => {
    while (diskBytes() + bytes > maxBytes) if (!(await dropOldest())) return false;
    return true;
  };

  const activeFor = async (bytes: number) => {
    if (active !== undefined && active.segment.bytes > 0) {
      if (active.segment.bytes + bytes > segmentBytes) {
        await closeActive();
      }
    }
    if (active === undefined) {
      const segment = segmentAt(folder, nextNumber);
      const file = await open(segment.path, 'wx', 0o600);
      nextNumber += 1;
      active = { segment, file };
      segments.push(segment);
      await syncFolder(folder);
    }
    return active;
  };

  const store = async (group: Waiting[], bytes: number): Promise<boolean> => {
    const content = Buffer.concat(group.map(({ line }) => line));
    // The disk can be fuller than our own limit says: then, too, the oldest go first.
    for (;;) {
      if (!(await makeRoom(bytes))) return false;
      try {
        const { segment, file } = await activeFor(bytes);
        await appendDurably(file, segment, content, group.length);
        return true;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        log.warn({ component: 'spool', reason: message }, 'disk refused a record');
        const isDiskFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
        if (!isDiskFull || !(await dropOldest())) return false;
      }
    }
  };

  const commit = async () => {
    while (waiting.length > 0) {
      let bytes = 0;
      let count = 0;
      const limit = Math.min(maxCommitBytes, segmentBytes);
      for (const { line } of waiting) {
        if (count > 0 && bytes + line.byteLength > limit) break;
        bytes += line.byteLength;
        count += 1;
      }
      const group = waiting.splice(0, count);
      waitingBytes -= bytes;
      const stored = await store(group, bytes).catch((error: unknown) => {
        log.error({ component: 'spool', err: error }, 'spool cannot write');
        return false;
      });
      if (!stored) drop(group.map(({ record }) => record));
      for (const { resolve } of group) resolve(stored);
    }
  };

  let committing = false;
  const scheduleCommit = () => {
    if (committing) return;
    committing = true;
    void exclusive(async () => {
      committing = false;
      await commit();
    });
  };

  /** Reads whole lines from the front of the oldest segment that has any left. */
  const readNext = async (limits: { recordCount: number; byteCount: number }) => {
    for (;;) {
      const segment = segments[0];
      if (segment === undefined) return null;
      if (segment.consumedBytes < segment.bytes) {
        const content = await readBytes(segment, segment.consumedBytes, segment.bytes);
        const lines = takeLines(splitLines(content), limits);
        const byteCount = lines.reduce((sum, line) => sum + line.byteCount, 0);
        await beginChunk(segment, lines, segment.consumedBytes + byteCount);
        if (underway?.chunk !== undefined && underway.chunk.lines.length > 0) return underway.chunk;
        await releaseUnderway();
        continue;
      }
      if (segment === active?.segment) return null;
      await forget(segment);
    }
  };

  const beginChunk = async (segment: Segment, lines: readonly Line[], end: number) => {
    const whole = lines.map(({ text }) => text).filter((text) => parseRecord(text) !== undefined);
    underway = { segment, end, chunk: { lines: whole, byteCount: end - segment.consumedBytes } };
    await keepCursor(segment, end);
  };

  const repeatChunk = async (): Promise<Chunk | null> => {
    if (underway === undefined) return null;
    if (underway.chunk !== undefined) return underway.chunk;
    const { segment, end } = underway;
    await beginChunk(
      segment,
      splitLines(await readBytes(segment, segment.consumedBytes, end)),
      end,
    );
    return underway.chunk ?? null;
  };

  const narrowUnderway = async (): Promise<Chunk | null> => {
    if (underway === undefined || (underway.chunk?.lines.length ?? 0) < 2) return null;
    const { segment, end } = underway;
    const lines = splitLines(await readBytes(segment, segment.consumedBytes, end));
    const half = lines.slice(0, Math.ceil(lines.length / 2));
    const byteCount = half.reduce((sum, line) => sum + line.byteCount, 0);
    await beginChunk(segment, half, segment.consumedBytes + byteCount);
    return underway.chunk ?? null;
  };

  const releaseUnderway = async () => {
    if (underway === undefined) return;
    const { segment, end } = underway;
    await consume(segment, end);
    underway = undefined;
    isFull = false;
    await keepCursor(segment, null);
    if (segment.consumedBytes === segment.bytes && segment !== active?.segment) {
      await forget(segment);
    }
  };

  const findPending = async (ids: readonly string[]): Promise<Set<string>> => {
    const found = new Set<string>();
    if (ids.length === 0) return found;
    for (const segment of segments) {
      const content = await readBytes(segment, segment.consumedBytes, segment.bytes);
      for (const id of ids) if (content.includes(`"id":"${id}"`)) found.add(id);
    }
    return found;
  };

  await restoreCursor();
  for (const dropped of await findDropped(folder)) await dropSegment(dropped);
  const pendingCount = () =>
    segments.reduce((sum, segment) => sum + segment.recordCount - segment.consumedCount, 0);
  const pendingBytes = () =>
    segments.reduce((sum, segment) => sum + segment.bytes - segment.consumedBytes, 0);

  return {
    append: (record) =>
      new Promise((resolve) => {
        const line = Buffer.from(`${JSON.stringify(record)}\n`);
        if (closed || waitingBytes + line.byteLength > maxWaitingBytes) {
          drop([record]);
          resolve(false);
          return;
        }
        waiting.push({ record, line, resolve });
        waitingBytes += line.byteLength;
        scheduleCommit();
      }),
    next: (limits) => exclusive(async () => (await repeatChunk()) ?? (await readNext(limits))),
    narrow: () => exclusive(narrowUnderway),
    release: () => exclusive(releaseUnderway),
    findPending: (ids) => exclusive(() => findPending(ids)),
    status: () => ({
      pendingCount: pendingCount(),
      pendingBytes: pendingBytes(),
      diskBytes: diskBytes(),
      maxBytes,
      droppedCount,
      tornCount,
    }),
    close: async () => {
      closed = true;
      await exclusive(closeActive);
    },
  };
};

type Line = { text: string; byteCount: number };

const splitLines = (content: Buffer): Line[] => {
  const lines: Line[] = [];
  let from = 0;
  for (let at = content.indexOf(0x0a); at !== -1; at = content.indexOf(0x0a, from)) {
    lines.push({ text: content.toString('utf8', from, at), byteCount: at + 1 - from });
    from = at + 1;
  }
  return lines;
};

/** At least one line, else as many as the limits allow. */
const takeLines = (
  lines: readonly Line[],
  limits: { recordCount: number; byteCount: number },
): readonly Line[] => {
  let bytes = 0;
  const over = lines.findIndex((line, index) => {
    bytes += line.byteCount;
    return index > 0 && (index >= limits.recordCount || bytes > limits.byteCount);
  });
  return over === -1 ? lines : lines.slice(0, over);
};

/** A line a power cut left half-written in the middle of a file is no record. */
const parseRecord = (text: string): TelemetryRecord | undefined =>
  parseJson(text) as TelemetryRecord | undefined;
