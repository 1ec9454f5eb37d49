import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
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
  /** Called with each config that is taken up, the one from disk included; errors refuse it. */
  onChange: (config: Static<S>) => void;
  /** A reason to refuse a well-formed, well-signed config (made for another device). */
  refuse?: (config: Static<S>) => string | undefined;
  log: Log;
};

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

  const kept = await readKept(file);
  if (kept !== undefined) {
    const read = await readConfig(options, kept.signed);
    if (read.ok) {
      current = read.config;
      etag = kept.etag ?? undefined;
      onChange(read.config);
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
  };

  const takeUp = async (signed: SignedConfig, newEtag: string | undefined): Promise<boolean> => {
    const read = await readConfig(options, signed);
    if (!read.ok) {
      report(`refused: ${read.reason}`);
      return false;
    }
    await writeDurably(file, JSON.stringify({ etag: newEtag ?? null, signed }));
    const changed = JSON.stringify(current) !== JSON.stringify(read.config);
    current = read.config;
    etag = newEtag;
    confirm();
    if (changed) onChange(read.config);
    return true;
  };

  /** True when the collector gave a usable answer. */
  const poll = async (): Promise<{ ok: boolean; retryAfterMs: number | null }> => {
    const answer = await client.fetchConfig(etag, stopping.signal);
    if (stopping.signal.aborted) return { ok: true, retryAfterMs: null };
    if (answer.kind === 'unchanged') {
      confirm();
      return { ok: true, retryAfterMs: null };
    }
    if (answer.kind === 'config') {
      return { ok: await takeUp(answer.signed, answer.etag), retryAfterMs: null };
    }
    report(answer.reason);
    return { ok: false, retryAfterMs: answer.retryAfterMs };
  };

  const pollForEver = async () => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      let outcome: Awaited<ReturnType<typeof poll>>;
      try {
        outcome = await poll();
      } catch (error) {
        report((error as Error).message);
        outcome = { ok: false, retryAfterMs: null };
      }
      failures = outcome.ok ? 0 : failures + 1;
      const waitMs = outcome.ok
        ? intervalMs * (0.9 + Math.random() * 0.2)
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
  const checked = check(schema, parseJson(signed.payload));
  if (!checked.ok) return { ok: false, reason: explain(checked.mistakes) };
  const reason = refuse?.(checked.value);
  return reason === undefined ? { ok: true, config: checked.value } : { ok: false, reason };
};
