import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { StoreUnavailable } from './store.ts';

export type DuckdbEngine = { instance: DuckDBInstance; writer: DuckDBConnection };

/** An engine that could not be opened again is not tried for each of those who wait. */
const reopenPauseMs = 1_000;

/**
 * The engine, opened anew where an error ended it: a checkpoint that finds no room on the disk makes
 * DuckDB refuse everything until then ("invalidated"), although what was committed is in its log.
 */
export const keepOpen = async (open: () => Promise<DuckdbEngine>) => {
  let engine: DuckdbEngine | undefined = await open();
  let failedAtMs = Number.NEGATIVE_INFINITY;
  let ended = false;
  let stopped = false;
  let reopening: Promise<DuckdbEngine> | undefined;
  const running = new Set<Promise<unknown>>();

  const close = () => {
    engine?.writer.disconnectSync();
    engine?.instance.closeSync();
    engine = undefined;
  };

  const reopen = async (): Promise<DuckdbEngine> => {
    // Whatever still runs on it fails at once.
    await Promise.allSettled(running);
    close();
    if (performance.now() - failedAtMs < reopenPauseMs) {
      throw new StoreUnavailable('store engine: DuckDB could not be opened again');
    }
    try {
      engine = await open();
    } catch (error) {
      failedAtMs = performance.now();
      throw error;
    }
    ended = false;
    return engine;
  };

  const current = (): Promise<DuckdbEngine> | DuckdbEngine => {
    if (engine !== undefined && !ended) return engine;
    reopening ??= reopen().finally(() => {
      reopening = undefined;
    });
    return reopening;
  };

  const attempt = async <T>(work: (engine: DuckdbEngine) => Promise<T>): Promise<T> => {
    if (stopped) throw new StoreUnavailable('the store is stopped');
    const open = await current();
    const outcome = work(open);
    running.add(outcome);
    try {
      return await outcome;
    } catch (error) {
      if (open === engine && hasEnded(error)) ended = true;
      throw error;
    } finally {
      running.delete(outcome);
    }
  };

  return {
    /** Every failure that is about the machine, not about what was asked, is StoreUnavailable. */
    use: async <T>(work: (engine: DuckdbEngine) => Promise<T>): Promise<T> => {
      try {
        return await attempt(work);
      } catch (error) {
        throw asStoreError(error);
      }
    },
    async stop(): Promise<void> {
      stopped = true;
      await Promise.allSettled([...running, reopening]);
      close();
    },
  };
};

export type KeptEngine = Awaited<ReturnType<typeof keepOpen>>;

const hasEnded = (error: unknown): boolean =>
  error instanceof Error && /has been invalidated|^FATAL/i.test(error.message);

/** The kinds of DuckDB error that are about the machine. An appender puts words of its own before. */
const machineTrouble =
  /^(Failed to append: )?(IO|FATAL|Out of Memory|INTERNAL|INTERRUPT|Connection|TransactionContext|Failed: database)|No space left/i;

export const asStoreError = (error: unknown): unknown =>
  error instanceof Error &&
  !(error instanceof StoreUnavailable) &&
  machineTrouble.test(error.message)
    ? new StoreUnavailable(`store engine: DuckDB: ${error.message.slice(0, 300)}`, { cause: error })
    : error;
