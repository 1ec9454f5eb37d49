import type { Result } from '#contract/result.ts';
import { bytesOf } from './bytes.ts';

/** What runs asked for may cost the device: bytes a request, and the share of one core while it lasts. */
export type BudgetLimits = { maxBytes: number; maxCpuRatio: number };

export const defaultBudget: BudgetLimits = { maxBytes: 20_000_000, maxCpuRatio: 0.2 };

/** A page is loaded by processes of the browser's own: about 0.9 s of CPU time each (docs/probes-page-load.md). */
const cpuMsOfPageLoad = 1_000;
/** A request without a burst is over soon; this much of the CPU it may always have. */
const shortestMs = 10_000;

export type Budget = {
  charge(result: Result): void;
  /** Why no further run may begin; undefined: one may. */
  problem(): string | undefined;
};

/** Of one request. The CPU is the whole agent's: where the user's traffic needs it, bursts give way. */
export const openBudget = (
  limits: BudgetLimits,
  lastsMs: number,
  cpuUsedMs: () => number = processCpuMs,
): Budget => {
  const startedMs = cpuUsedMs();
  const allowedMs = limits.maxCpuRatio * Math.max(shortestMs, lastsMs);
  let bytes = 0;
  let largest = 0;
  let pageCount = 0;
  return {
    charge: (result) => {
      const cost = bytesOf(result);
      bytes += cost;
      largest = Math.max(largest, cost);
      if (result.type === 'page-load') pageCount += 1;
    },
    problem: () => {
      // The next run may cost as much as the dearest so far.
      if (bytes + largest > limits.maxBytes) {
        return `the budget of ${megabytes(limits.maxBytes)} is used up (${megabytes(bytes)} so far)`;
      }
      const spentMs = cpuUsedMs() - startedMs + pageCount * cpuMsOfPageLoad;
      if (spentMs <= allowedMs) return undefined;
      return `the budget of ${(allowedMs / 1_000).toFixed(1)} s of CPU time is used up: leave page loads out with --probe, or raise onDemand.maxCpuRatio`;
    },
  };
};

const processCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;
