import type { CensusRows } from '../control/census-rows.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Metrics } from './metrics.ts';

/** Two scrapers, or one in a hurry, cost the engines no more than one. */
const freshMs = 10_000;
/** Prometheus gives up after 10 s by default: an engine that hangs must not take the page with it. */
const timeoutMs = 2_000;

/**
 * What only the engines know, read when the page is asked for. An engine that does not answer in time
 * is `engine_up 0` and its figures are left out: old ones would look like news.
 */
export const createCensus = (parts: {
  metrics: Metrics;
  store: { ping(): Promise<void> };
  jobs: Pick<Jobs, 'counts'>;
  rows: CensusRows;
  now: () => number;
}) => {
  const { metrics, store, jobs, rows, now } = parts;
  const { census } = metrics;

  const ask = async (engine: string, question: () => Promise<void>, gauges: Clearable[]) => {
    const answered = await within(question(), timeoutMs);
    census.up.set({ engine }, answered ? 1 : 0);
    if (!answered) for (const gauge of gauges) gauge.clear();
  };

  const askJobs = async (): Promise<void> => {
    for (const [queue, counts] of Object.entries(await jobs.counts())) {
      for (const [state, count] of Object.entries(counts)) {
        census.jobs.set({ queue, state }, count);
      }
    }
  };

  const askState = async (): Promise<void> => {
    const found = await rows.count();
    census.incidents.set({}, found.openIncidents);
    census.shared.set({}, found.liveShared);
    census.deliveries.set({}, found.waitingDeliveries);
    if (found.furthestBehindMs === null) census.bin.clear();
    else census.bin.set({}, Math.max(0, now() - found.furthestBehindMs) / 1_000);
  };

  const ofState = [census.incidents, census.shared, census.deliveries, census.bin];
  const take = async (): Promise<void> => {
    await Promise.all([
      ask('store', () => store.ping(), []),
      ask('jobs', askJobs, [census.jobs]),
      ask('state', askState, ofState),
    ]);
  };

  let takenAtMs = Number.NEGATIVE_INFINITY;
  let taking: Promise<void> | undefined;
  return (): Promise<void> => {
    if (taking === undefined && performance.now() - takenAtMs >= freshMs) {
      taking = take().finally(() => {
        takenAtMs = performance.now();
        taking = undefined;
      });
    }
    return taking ?? Promise.resolve();
  };
};

export type Census = ReturnType<typeof createCensus>;

type Clearable = { clear(): void };

const within = async (work: Promise<void>, ms: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const answered = work.then(
    () => true,
    () => false,
  );
  const first = await Promise.race([answered, late]);
  clearTimeout(timer);
  return first;
};
