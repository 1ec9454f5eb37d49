import { gzipSync } from 'node:zlib';
import { maxArtefactBytes } from '#contract/artefact.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Artefact } from '#probes/probe.ts';
import { sleep } from '#runtime/backoff.ts';
import type { ArtefactAnswer, ArtefactUpload } from '#runtime/collector-client.ts';
import type { Log } from '#runtime/log.ts';

/** In memory: a picture is not worth the disk's wear, nor a run's result its place in the spool. */
const limits = { heldRuns: 8, waiting: 8 };
const defaultWaitsMs = [2_000, 15_000, 60_000];

export type ArtefactOutbox = {
  /** Of a run whose result is not in the spool yet. */
  hold(resultId: string, appId: string, artefacts: readonly Artefact[]): void;
  /** Lets what was held of a run go once `append` has put its result into the spool. */
  releasing(
    append: (record: TelemetryRecord) => Promise<boolean>,
  ): (record: TelemetryRecord) => Promise<boolean>;
  status(): { sentCount: number; lostCount: number };
  stop(): Promise<void>;
};

/**
 * Brings what runs made beside their figures to the collector: one at a time, some tries each. What
 * does not get through, or has no room, is counted and told; nothing ever waits for it.
 */
export const startArtefactOutbox = ({
  put,
  log,
  waitsMs = defaultWaitsMs,
}: {
  put: (upload: ArtefactUpload, signal: AbortSignal) => Promise<ArtefactAnswer>;
  log: Log;
  waitsMs?: readonly number[];
}): ArtefactOutbox => {
  const held = new Map<string, ArtefactUpload[]>();
  const waiting: ArtefactUpload[] = [];
  const stopping = new AbortController();
  const counts = { sentCount: 0, lostCount: 0 };
  let sending: Promise<void> = Promise.resolve();
  let isSending = false;

  const lose = (count: number, reason: string): void => {
    if (count === 0) return;
    counts.lostCount += count;
    log.warn({ component: 'artefacts', count, reason, ...counts }, 'artefacts of runs lost');
  };

  const send = async (upload: ArtefactUpload): Promise<void> => {
    let reason = 'the agent is stopping';
    let retryAfterMs: number | null = null;
    for (const waitMs of [0, ...waitsMs]) {
      await sleep(retryWaitMs(waitMs, retryAfterMs), stopping.signal);
      if (stopping.signal.aborted) break;
      const answer = await put(upload, stopping.signal);
      if (answer.kind === 'stored') {
        counts.sentCount += 1;
        return;
      }
      reason = answer.reason;
      if (answer.kind === 'refused') break;
      retryAfterMs = answer.retryAfterMs;
    }
    lose(1, reason);
  };

  const sendAll = async (): Promise<void> => {
    isSending = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await send(next);
    isSending = false;
  };

  const release = (resultId: string): void => {
    const uploads = held.get(resultId);
    if (uploads === undefined) return;
    held.delete(resultId);
    waiting.push(...uploads);
    // The newest tell most about what is wrong now.
    lose(waiting.splice(0, Math.max(0, waiting.length - limits.waiting)).length, 'too many');
    if (!isSending && !stopping.signal.aborted) sending = sendAll();
  };

  return {
    hold: (resultId, appId, artefacts) => {
      if (artefacts.length === 0) return;
      const uploads = artefacts.map((one) => toUpload(resultId, appId, one));
      const fitting = uploads.filter(({ body }) => body.byteLength <= maxArtefactBytes);
      lose(uploads.length - fitting.length, 'larger than the collector takes');
      held.set(resultId, fitting);
      const [oldest] = held.keys();
      if (held.size <= limits.heldRuns || oldest === undefined) return;
      lose(held.get(oldest)?.length ?? 0, 'its run gave no result');
      held.delete(oldest);
    },
    releasing: (append) => async (record) => {
      const isKept = await append(record);
      release(record.id);
      return isKept;
    },
    status: () => ({ ...counts }),
    stop: async () => {
      stopping.abort();
      await sending;
    },
  };
};

/** Whoever says longer would have the newest pictures lost for an old one. */
const mostRetryAfterMs = 10 * 60_000;

/**
 * As long as was asked for, and never all agents at once: what broke for all of them would be asked by
 * all of them again in the same moment.
 */
export const retryWaitMs = (
  waitMs: number,
  retryAfterMs: number | null,
  random: () => number = Math.random,
): number => {
  const jitteredMs = waitMs * (0.5 + random());
  if (retryAfterMs === null) return jitteredMs;
  return Math.max(Math.min(retryAfterMs, mostRetryAfterMs), jitteredMs);
};

const toUpload = (resultId: string, appId: string, artefact: Artefact): ArtefactUpload => {
  const { kind, mediaType, bytes } = artefact;
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return kind === 'har'
    ? { resultId, appId, kind, mediaType, encoding: 'gzip', body: gzipSync(plain) }
    : { resultId, appId, kind, mediaType, encoding: 'identity', body: plain };
};
