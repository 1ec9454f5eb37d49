import { createHash } from 'node:crypto';
import { appendFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mistake } from '#contract/check.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { backoffMs, sleep } from './backoff.ts';
import type { Upload, UploadAnswer } from './collector-client.ts';
import { parseJson } from './collector-request.ts';
import { makePrivateFolder } from './durable-file.ts';
import type { Log } from './log.ts';
import type { Chunk, Spool } from './spool.ts';

export type Shipper = {
  status(): ShipperStatus;
  /** Ships what it can within `deadlineMs` and ends; the rest stays in the spool. */
  stop(deadlineMs?: number): Promise<void>;
};

export type ShipperStatus = {
  lastAttemptAt: number | null;
  lastAcknowledgedAt: number | null;
  acknowledgedCount: number;
  refusedCount: number;
  /** Why the last attempt failed and when the next is due; null while all is well. */
  problem: string | null;
  retryAt: number | null;
};

export type ShipperOptions = {
  spool: Spool;
  post: (upload: Upload, signal: AbortSignal) => Promise<UploadAnswer>;
  /** Where refused records are kept for inspection; the newest few megabytes. */
  refusedFolder: string;
  log: Log;
  /** How long records may gather before they are shipped. */
  lingerMs?: number;
  /**
   * Told of records the collector refused for good: the whole batch, or some of it, which the
   * collector has counted itself. A crash has the same told again under the same token.
   */
  onRefused?: (records: TelemetryRecord[], about: { token: string; byCollector: boolean }) => void;
};

const limits = { recordCount: 500, byteCount: 1_000_000 };
const networkBackoff = { firstMs: 500, capMs: 60_000 };
/** A revoked or unknown identity does not heal by itself. */
const notAllowedBackoff = { firstMs: 60_000, capMs: 900_000 };
const maxRefusedBytes = 2_000_000;

/** Ships the spool, oldest first; a record leaves the disk only after the collector has it. */
export const startShipper = (options: ShipperOptions): Shipper => {
  const { spool, post, log, lingerMs = 1_000 } = options;
  const stopping = new AbortController();
  const givingUp = new AbortController();
  const status: ShipperStatus = {
    lastAttemptAt: null,
    lastAcknowledgedAt: null,
    acknowledgedCount: 0,
    refusedCount: 0,
    problem: null,
    retryAt: null,
  };
  let failures = 0;

  const succeed = (count: number) => {
    if (status.problem !== null) log.info({ component: 'shipper' }, 'shipping again');
    failures = 0;
    status.problem = null;
    status.retryAt = null;
    status.lastAcknowledgedAt = Date.now();
    status.acknowledgedCount += count;
  };

  const refuse = async (
    records: readonly string[],
    reason: string,
    about: { token: string; byCollector: boolean },
  ) => {
    status.refusedCount += records.length;
    log.error(
      { component: 'shipper', refusedCount: records.length, reason },
      'the collector refused records; kept in the refused folder',
    );
    await keepRefused(options.refusedFolder, records, reason).catch((error: unknown) =>
      log.warn({ component: 'shipper', err: error }, 'refused records not kept'),
    );
    options.onRefused?.(
      records.flatMap((text) => (parseJson(text) as TelemetryRecord) ?? []),
      about,
    );
  };

  const fail = (reason: string, waitMs: number) => {
    const fields = { component: 'shipper', reason, waitMs };
    if (status.problem !== reason) log.warn(fields, 'not shipped; trying again');
    else log.debug(fields, 'not shipped; trying again');
    status.problem = reason;
    status.retryAt = Date.now() + waitMs;
    return waitMs;
  };

  /** Acts on one answer; gives how long to wait before the next attempt. */
  const settle = async (chunk: Chunk, token: string, answer: UploadAnswer): Promise<number> => {
    if (answer.kind === 'stored') {
      await spool.release();
      succeed(answer.acknowledgement.acceptedCount);
      return 0;
    }
    if (answer.kind === 'partly-refused') {
      const { records, reason } = pickRefused(chunk, answer.mistakes);
      await refuse(records, reason, { token, byCollector: true });
      status.refusedCount += Math.max(0, answer.rejectedCount - records.length);
      await spool.release();
      succeed(answer.acceptedCount);
      return 0;
    }
    if (answer.kind === 'too-large') {
      if ((await spool.narrow()) !== null) return 0;
      const reason = 'a single record is larger than the collector takes';
      await refuse(chunk.lines, reason, { token, byCollector: false });
      await spool.release();
      return 0;
    }
    if (answer.kind === 'refused') {
      const reason = `${answer.reason} ${formatMistakes(answer.mistakes)}`.trim();
      await refuse(chunk.lines, reason, { token, byCollector: false });
      await spool.release();
      return 0;
    }
    failures += 1;
    if (answer.kind === 'not-allowed') {
      return fail(
        `the collector does not accept this identity (${answer.reason}): was it revoked? Enrol again with a new token`,
        backoffMs(failures, notAllowedBackoff),
      );
    }
    return fail(
      answer.reason,
      Math.max(answer.retryAfterMs ?? 0, backoffMs(failures, networkBackoff)),
    );
  };

  /** One batch; gives how long to wait, null when there was nothing to ship. */
  const shipNext = async (): Promise<number | null> => {
    const chunk = await spool.next(limits);
    if (chunk === null) return null;
    status.lastAttemptAt = Date.now();
    const upload = makeUpload(chunk, Date.now());
    const answer = await post(upload, givingUp.signal);
    if (givingUp.signal.aborted && answer.kind !== 'stored') return null;
    return settle(chunk, upload.id, answer);
  };

  const shipForEver = async () => {
    while (!stopping.signal.aborted) {
      let waitMs: number | null;
      try {
        waitMs = await shipNext();
      } catch (error) {
        failures += 1;
        waitMs = fail((error as Error).message, backoffMs(failures, networkBackoff));
      }
      if (waitMs === null || waitMs === 0) {
        const isBacklog = spool.status().pendingCount >= limits.recordCount;
        await sleep(isBacklog ? 0 : lingerMs, stopping.signal);
      } else await sleep(waitMs, stopping.signal);
    }
    await shipRest();
  };

  const shipRest = async () => {
    try {
      while (!givingUp.signal.aborted && (await shipNext()) === 0);
    } catch (error) {
      log.warn(
        { component: 'shipper', reason: (error as Error).message },
        'last batch not shipped',
      );
    }
  };

  const ended = shipForEver();

  return {
    status: () => ({ ...status }),
    stop: async (deadlineMs = 3_000) => {
      const timer = setTimeout(() => givingUp.abort(), deadlineMs);
      stopping.abort();
      await ended;
      clearTimeout(timer);
    },
  };
};

/** The batch's id is a hash of what it holds: after a crash the same records are the same batch. */
export const makeUpload = (chunk: Chunk, sentAt: number): Upload => {
  const hash = createHash('sha256');
  for (const line of chunk.lines) hash.update(line).update('\n');
  const id = uuidFrom(hash.digest());
  return {
    id,
    text: `{"version":1,"id":"${id}","sentAt":${sentAt},"records":[${chunk.lines.join(',')}]}`,
  };
};

/** RFC 9562 version 8 (custom) from the first 128 bits of a hash. */
export const uuidFrom = (hash: Buffer): string => {
  const bytes = Buffer.from(hash.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
};

/** The records the mistakes point at. */
const pickRefused = (chunk: Chunk, mistakes: readonly Mistake[]) => {
  const indexes = new Set(
    mistakes.flatMap(({ pointer }) => /^\/records\/(\d+)/.exec(pointer)?.[1] ?? []),
  );
  const records = [...indexes].flatMap((index) => chunk.lines[Number(index)] ?? []);
  return { records, reason: formatMistakes(mistakes) };
};

const formatMistakes = (mistakes: readonly Mistake[]): string =>
  mistakes
    .slice(0, 5)
    .map(({ pointer, message }) => `${pointer}: ${message}`)
    .join('; ');

/** Two files, the older one replaced when the newer is full. */
const keepRefused = async (folder: string, records: readonly string[], reason: string) => {
  await makePrivateFolder(folder);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson')).sort();
  let name = names.at(-1) ?? fileName();
  const sizeBytes = await stat(join(folder, name)).then(
    (found) => found.size,
    () => 0,
  );
  if (sizeBytes > maxRefusedBytes / 2) {
    name = fileName();
    for (const old of names.slice(0, -1)) await rm(join(folder, old), { force: true });
  }
  const text = records
    .map((record) => `${JSON.stringify({ refusedAt: Date.now(), reason, record })}\n`)
    .join('');
  await appendFile(join(folder, name), text, { mode: 0o600 });
};

const fileName = () => `${Date.now()}.ndjson`;
