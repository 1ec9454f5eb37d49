import type { Jobs } from '../jobs/jobs.ts';
import { nextClosing } from './late-marks.ts';

/** Asks as each 5 minutes may be made; of N collectors' asking one job comes. */
export const startRollupTimer = (parts: {
  jobs: Pick<Jobs, 'enqueue'>;
  now: () => number;
  onError: (error: unknown) => void;
}) => {
  let timer: NodeJS.Timeout;
  const ask = (): void => {
    void parts.jobs.enqueue('rollup', {}, { id: 'rollup' }).catch(parts.onError);
    const nowMs = parts.now();
    const waitMs = nextClosing(nowMs) - nowMs;
    timer = setTimeout(ask, Math.max(1_000, waitMs));
  };
  ask();
  return { stop: () => clearTimeout(timer) };
};
