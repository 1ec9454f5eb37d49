import { randomUUID } from 'node:crypto';
import { knownNames } from '#contract/known-names.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { RunOrder, RunRequest } from '#contract/run-request.ts';
import type { RunReport, TelemetryRecord } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import type { Measuring } from '../measuring.ts';
import type { RunLedger } from '../run-ledger.ts';
import { type BudgetLimits, openBudget } from './budget.ts';
import { makeRuns, type OrderEnd } from './make-runs.ts';
import { openRemembered } from './remembered.ts';

export type OnDemand = {
  /** Of a config the collector just gave; those known or too late are passed over. */
  take(config: { requests?: readonly RunRequest[]; issuedAt: number }): void;
  /** For somebody at the device, until the signal; rejects with UnknownProbe. */
  run(order: RunOrder, onResult: (result: Result) => void, signal?: AbortSignal): Promise<OrderEnd>;
  /** Under way or waiting. */
  requests(): Progress[];
  /** Begins nothing more; runs under way are the scheduler's to end. */
  stop(): void;
  /** After both have stopped: all has been told. */
  ended(): Promise<void>;
};

export class UnknownProbe extends Error {
  override name = 'UnknownProbe';
}

/** Progress is told at most this often; the end at once. */
const reportEveryMs = 2_000;
const endDeadlineMs = 2_000;

type Request = {
  id: string;
  order: RunOrder;
  onResult?: (result: Result) => void;
  signal?: AbortSignal | undefined;
};
type Progress = { id: string; madeCount: number; lostCount: number };

/**
 * Runs that somebody asked for, one request after the other. What the collector asks is told back as
 * reports, and its results are ordinary ones with the request's id.
 */
export const startOnDemand = async (parts: {
  deviceId: string;
  folder: string;
  measuring: Pick<Measuring, 'plan' | 'makeExtra'>;
  ledger: Pick<RunLedger, 'count'>;
  limits: BudgetLimits;
  append: (record: TelemetryRecord) => Promise<boolean>;
  log: Log;
}): Promise<OnDemand> => {
  const { measuring, ledger, append, log } = parts;
  const remembered = await openRemembered(parts.folder);
  const stopping = new AbortController();
  const progress = new Map<string, Progress>();
  let queue = Promise.resolve();

  const report = (
    requestId: string,
    state: RunReport['state'],
    { madeCount, lostCount, reason }: OrderEnd,
  ): Promise<boolean> =>
    append({
      kind: 'run-report',
      id: randomUUID(),
      deviceId: parts.deviceId,
      requestId,
      at: Date.now(),
      state,
      madeCount,
      lostCount,
      reason: plainText(reason.slice(0, 300)),
    });

  for (const id of remembered.open()) {
    await report(id, 'done', { ...nothing, reason: 'the agent was restarted before it was done' });
    await remembered.end(id);
  }

  /** Runs it when all before it have ended. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work);
    queue = done.then(
      () => {},
      () => {},
    );
    return done;
  };

  const makeOrder = async ({ id, order, onResult, signal }: Request): Promise<OrderEnd> => {
    const probes = chosen(measuring.plan(), order);
    const at: Progress = { id, madeCount: 0, lostCount: 0 };
    progress.set(id, at);
    const lastsMs = (order.burst?.forSeconds ?? 0) * 1_000;
    try {
      return await makeRuns({
        probes,
        burst: order.burst,
        budget: openBudget(parts.limits, lastsMs),
        make: (turn) => measuring.makeExtra(turn, { requestId: id }),
        onLost: (probe, reason, count) => {
          at.lostCount += count;
          ledger.count(probe.id, reason, count);
        },
        onResult: (result) => {
          at.madeCount += 1;
          onResult?.(result);
        },
        signal: signal ? AbortSignal.any([stopping.signal, signal]) : stopping.signal,
      });
    } finally {
      progress.delete(id);
    }
  };

  /** Of the collector: from "picked up" to "done". */
  const serve = async ({ id, order }: RunRequest): Promise<void> => {
    if (stopping.signal.aborted) return;
    await report(id, 'running', nothing);
    const timer = setInterval(() => {
      const at = progress.get(id);
      if (at !== undefined) void report(id, 'running', { ...at, reason: '' });
    }, reportEveryMs);
    const end = await makeOrder({ id, order })
      .catch((error: unknown): OrderEnd => ({ ...nothing, reason: (error as Error).message }))
      .finally(() => clearInterval(timer));
    log.info({ component: 'on-demand', requestId: id, ...end }, 'requested runs done');
    await report(id, 'done', end);
    await remembered.end(id);
  };

  const pickUp = async (request: RunRequest): Promise<void> => {
    await remembered.begin(request.id);
    await report(request.id, 'picked-up', nothing);
    log.info({ component: 'on-demand', requestId: request.id }, 'runs were asked for');
    await inTurn(() => serve(request));
  };

  return {
    take: ({ requests = [], issuedAt }) => {
      for (const request of requests) {
        const isLate = request.expiresAt <= issuedAt;
        if (isLate || stopping.signal.aborted || remembered.isKnown(request.id)) continue;
        pickUp(request).catch((error: unknown) =>
          log.error(
            { component: 'on-demand', requestId: request.id, err: error },
            'request failed',
          ),
        );
      }
    },
    run: (order, onResult, signal) =>
      inTurn(() => makeOrder({ id: randomUUID(), order, onResult, signal })),
    requests: () => [...progress.values()],
    stop: () => stopping.abort(),
    ended: async () => {
      await Promise.race([queue, sleep(endDeadlineMs)]);
    },
  };
};

const nothing: OrderEnd = { madeCount: 0, lostCount: 0, reason: '' };

/** What an error says may hold anything, and a cut may halve a pair: a report with that is refused. */
const plainText = (text: string): string => text.replace(/[\0\p{Surrogate}]/gu, '\ufffd');

/** The order's probes as the plan has them now. */
const chosen = (plan: readonly ProbeDefinition[], { probes, har }: RunOrder): ProbeDefinition[] =>
  probes.map((id) => {
    const probe = plan.find((each) => each.id === id);
    if (probe === undefined) {
      const known = knownNames(plan.map((each) => each.id));
      throw new UnknownProbe(`this device’s plan has no probe ${id}${known}`);
    }
    return har === true && probe.type === 'page-load' ? { ...probe, har: true } : probe;
  });
