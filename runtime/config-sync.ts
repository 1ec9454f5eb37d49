import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { check, checkOpen, explain } from '#contract/check.ts';
import { SignedConfig } from '#contract/policy.ts';
import { backoffMs, sleep } from './backoff.ts';
import { verifyText } from './certificates.ts';
import type { CollectorClient } from './collector-client.ts';
import { parseJson } from './collector-request.ts';
import { writeDurably } from './durable-file.ts';
import type { Log } from './log.ts';

export type ConfigSync<T> = {
  /** The last good config: from the collector, or from disk; undefined before the very first. */
  current(): T | undefined;
  status(): ConfigSyncStatus;
  stop(): Promise<void>;
};

export type ConfigSyncStatus = {
  /** When the collector last confirmed the config in use; null: not since this start. */
  confirmedAt: number | null;
  /** Why the last attempt brought nothing; null when it did. */
  problem: string | null;
};

export type ConfigSyncOptions<S extends TSchema> = {
  client: Pick<CollectorClient, 'fetchConfig'>;
  folder: string;
  schema: S;
  intervalMs: number;
  caCertificatePem: string;
  /**
   * Lets the collector hold a question until there is news (RFC 7240 `Prefer: wait`), at most for the
   * interval: as many questions as without, and news at once. One that does not is asked as before.
   */
  mayWait?: boolean;
  /**
   * Called with each config that is taken up, the one from disk included, which the collector has not
   * confirmed; errors refuse it.
   */
  onChange: (config: Static<S>, from: { isConfirmed: boolean }) => void;
  /**
   * Called after each question that the collector answered: it knows who asks (`undefined`), or refuses
   * this identity (401, 403) and says why.
   */
  onAnswer?: (refusal: { status: number; reason: string } | undefined) => void;
  /** A reason to refuse a well-formed, well-signed config (made for another device). */
  refuse?: (config: Static<S>) => string | undefined;
  log: Log;
};

/** Of a held question; longer ones die in middleboxes. */
const longestWaitSeconds = 50;
/** After an answer to a held question: news may come in a row, and two collectors may disagree. */
const pauseMs = { afterNews: 1_000, afterNone: 20 } as const;

const Kept = Type.Object({ etag: Type.Union([Type.String(), Type.Null()]), signed: SignedConfig });

/**
 * Keeps a signed config up to date. Only a config with a valid signature and shape is taken up;
 * the last good one stays on disk and is in use before the network answers.
 */
export const startConfigSync = async <S extends TSchema>(
  options: ConfigSyncOptions<S>,
): Promise<ConfigSync<Static<S>>> => {
  const { client, intervalMs, onChange, log } = options;
  const file = join(options.folder, 'config.json');
  const stopping = new AbortController();
  const status: ConfigSyncStatus = { confirmedAt: null, problem: null };
  let current: Static<S> | undefined;
  let etag: string | undefined;
  /**
   * What was asked in a kept config may not have been taken up: the program was killed right after it
   * had been kept. Asked for without its tag it comes again, as long as nobody has picked it up.
   */
  let isOwed = false;

  const kept = await readKept(file);
  if (kept !== undefined) {
    const read = await readConfig(options, kept.signed);
    if (read.ok) {
      current = read.config;
      isOwed = hasRequests(read.config);
      etag = isOwed ? undefined : (kept.etag ?? undefined);
      onChange(read.config, { isConfirmed: false });
    } else log.warn({ component: 'config-sync', reason: read.reason }, 'kept config not usable');
  }

  /** A problem is logged when it is new, not at every poll. */
  const report = (problem: string) => {
    if (status.problem !== problem) {
      log.warn(
        { component: 'config-sync', reason: problem },
        'config not updated; the last good one stays',
      );
    }
    status.problem = problem;
  };

  const confirm = () => {
    if (status.problem !== null) log.info({ component: 'config-sync' }, 'config reachable again');
    status.problem = null;
    status.confirmedAt = Date.now();
    options.onAnswer?.(undefined);
  };

  const takeUp = async (signed: SignedConfig, newEtag: string | undefined): Promise<boolean> => {
    const read = await readConfig(options, signed);
    if (!read.ok) {
      report(`refused: ${read.reason}`);
      return false;
    }
    await writeDurably(file, JSON.stringify({ etag: newEtag ?? null, signed }));
    const changed = isOwed || JSON.stringify(current) !== JSON.stringify(read.config);
    isOwed = false;
    current = read.config;
    etag = newEtag;
    confirm();
    if (changed) onChange(read.config, { isConfirmed: true });
    return true;
  };

  const jittered = (): number => intervalMs * (0.9 + Math.random() * 0.2);

  /** What came of it, and how long to wait before the next. */
  const poll = async (): Promise<Polled> => {
    const beganMs = performance.now();
    const roundMs = jittered();
    const answer = await client.fetchConfig(
      etag,
      stopping.signal,
      options.mayWait === true ? waitSecondsOf(roundMs) : undefined,
    );
    if (stopping.signal.aborted) return { ok: true, waitMs: 0 };
    if (answer.kind === 'unanswered') {
      report(answer.reason);
      const { status: code, reason } = answer;
      if (code === 401 || code === 403) options.onAnswer?.({ status: code, reason });
      return { ok: false, retryAfterMs: answer.retryAfterMs };
    }
    if (answer.kind === 'unchanged') confirm();
    else if (!(await takeUp(answer.signed, answer.etag))) return { ok: false, retryAfterMs: null };
    if (!answer.isHeld) return { ok: true, waitMs: roundMs };
    if (answer.kind === 'config') return { ok: true, waitMs: pauseMs.afterNews };
    // Held for all the time it was allowed, or given up sooner: no more questions than without.
    const restMs = roundMs - (performance.now() - beganMs);
    return { ok: true, waitMs: Math.max(pauseMs.afterNone, restMs) };
  };

  const pollForEver = async () => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      let outcome: Polled;
      try {
        outcome = await poll();
      } catch (error) {
        report((error as Error).message);
        outcome = { ok: false, retryAfterMs: null };
      }
      failures = outcome.ok ? 0 : failures + 1;
      const waitMs = outcome.ok
        ? outcome.waitMs
        : Math.max(
            outcome.retryAfterMs ?? 0,
            backoffMs(failures, {
              firstMs: Math.min(1_000, intervalMs),
              capMs: Math.max(intervalMs, 60_000),
            }),
          );
      await sleep(waitMs, stopping.signal);
    }
  };
  const ended = pollForEver();

  return {
    current: () => current,
    status: () => ({ ...status }),
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
};

const hasRequests = (config: unknown): boolean =>
  (config as { requests?: unknown }).requests !== undefined;

type Polled = { ok: true; waitMs: number } | { ok: false; retryAfterMs: number | null };

/** Whole seconds, as the header has them; 0 says that one can take what comes to those who wait. */
const waitSecondsOf = (intervalMs: number): number =>
  Math.min(longestWaitSeconds, Math.floor(intervalMs / 1_000));

const readKept = async (file: string) => {
  try {
    const kept = check(Kept, parseJson(await readFile(file, 'utf8')));
    return kept.ok ? kept.value : undefined;
  } catch {
    return undefined;
  }
};

type Read<T> = { ok: true; config: T } | { ok: false; reason: string };

/** The signature first: nothing unsigned is looked at. */
const readConfig = async <S extends TSchema>(
  { caCertificatePem, schema, refuse }: ConfigSyncOptions<S>,
  signed: SignedConfig,
): Promise<Read<Static<S>>> => {
  if (!(await verifyText(caCertificatePem, signed.payload, signed.signature))) {
    return { ok: false, reason: 'its signature is not the collector’s' };
  }
  const checked = checkOpen(schema, parseJson(signed.payload));
  if (!checked.ok) return { ok: false, reason: explain(checked.mistakes) };
  const reason = refuse?.(checked.value);
  return reason === undefined ? { ok: true, config: checked.value } : { ok: false, reason };
};
