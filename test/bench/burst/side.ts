import type { DeviceApplicationView } from '#collector/triage/views.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { Verdict } from '#contract/verdict.ts';
import { sleep } from '#runtime/backoff.ts';
import { type Behaviour, startOrigin } from '../../support/origin.ts';
import { startUp, type Up } from '../../support/whyslow-up.ts';

export type FaultTimes = {
  fault: Fault['name'];
  /** From the fault to the end of the planned run that met it first. */
  seenMs: number;
  /** From the fault to the right verdict. */
  totalMs: number;
  /** Verdicts that named something else before, or an application without a fault meanwhile. */
  wrong: string[];
};

type Fault = { name: 'slow' | 'failing'; does: Behaviour; isRight(verdict: Verdict): boolean };

const healthy: Behaviour = { body: 'hello from the shop\n' };
const slowByMs = 400;
const slow: Fault = {
  name: 'slow',
  does: { ...healthy, thinkMs: slowByMs },
  isRight: ({ state, segment, addedMs }) =>
    state === 'slow' && segment === 'server' && Math.abs((addedMs ?? 0) - slowByMs) <= 100,
};
const failing: Fault = {
  name: 'failing',
  does: { fault: 'reset' },
  isRight: ({ state, segment }) => state === 'failing' && segment === 'server',
};

/** Each has rest while the others have their faults. */
const shopIds = ['shop-1', 'shop-2', 'shop-3', 'shop-4'] as const;
/** Five are asked of a probe before anything of it is odd; and some for a spread. */
const learnedRuns = 8;
/** What is usual is learned faster than it is measured with. */
const learningSeconds = 10;

type Shop = { id: string; origin: Awaited<ReturnType<typeof startOrigin>> };

/** Starts everything, learns what is usual, and makes one fault after the other. */
export const measureSide = async (options: {
  intervalSeconds: number;
  faultCount: number;
  bursts: boolean;
  port: number;
  say: (text: string) => void;
}): Promise<FaultTimes[]> => {
  const { intervalSeconds, faultCount, say } = options;
  const shops: Shop[] = [];
  for (const id of shopIds) {
    const origin = await startOrigin();
    origin.on('/', healthy);
    shops.push({ id, origin });
  }
  const up = await startUp({ intervalSeconds, port: options.port });
  try {
    const { document } = await up.api<{ document: Organisation }>('/v1/organisation');
    const declare = (everySeconds: number) =>
      up.api('/v1/organisation', {
        method: 'PUT',
        body: withShops(document, shops, everySeconds, options.bursts),
      });
    const collector = watch(up, options.intervalSeconds);
    const fast = Math.min(learningSeconds, intervalSeconds);
    say(`learning what is usual, ${learnedRuns} runs ${fast} s apart`);
    await declare(fast);
    for (const { id } of shops) {
      await collector.until(async () => (await collector.plannedRuns(id)).length >= learnedRuns);
    }
    await declare(intervalSeconds);

    const times: FaultTimes[] = [];
    const calm = new Set(shops);
    for (let i = 0; i < faultCount; i += 1) {
      const shop = shops[i % shops.length] as Shop;
      const fault = i % 2 === 0 ? slow : failing;
      const delayMs = ((i + 0.5) / faultCount) * intervalSeconds * 1_000;
      times.push(await makeFault({ collector, shops, calm, shop, fault, delayMs }));
      say(JSON.stringify(times.at(-1)));
    }
    return times;
  } finally {
    await up.stop();
    up.remove();
    for (const { origin } of shops) await origin.stop();
  }
};

const makeFault = async (parts: {
  collector: Collector;
  shops: readonly Shop[];
  /** Of which no fault is left to be seen the end of. */
  calm: Set<Shop>;
  shop: Shop;
  fault: Fault;
  /** From a planned run of the shop's to the fault. */
  delayMs: number;
}): Promise<FaultTimes> => {
  const { collector, shop, fault } = parts;
  await collector.until(async () => (await collector.verdict(shop.id))?.state === 'ok');
  const before = (await collector.plannedRuns(shop.id))[0]?.at ?? 0;
  let ranAt = before;
  await collector.until(async () => {
    ranAt = (await collector.plannedRuns(shop.id))[0]?.at ?? 0;
    return ranAt > before;
  });
  await sleep(Math.max(0, ranAt + parts.delayMs - Date.now()));

  const beganAt = Date.now();
  shop.origin.on('/', fault.does);
  parts.calm.delete(shop);
  const wrong = new Set<string>();
  await collector.until(async () => {
    for (const each of parts.shops) {
      const said = await collector.verdict(each.id);
      if (each === shop && said !== undefined && fault.isRight(said)) return true;
      if (each !== shop && said?.state === 'ok') parts.calm.add(each);
      const isNews = each === shop || parts.calm.has(each);
      if (isNews && (said?.state === 'slow' || said?.state === 'failing')) {
        wrong.add(`${each.id} ${said.state} ${said.segment}`);
      }
    }
    return false;
  });
  const namedAt = Date.now();
  const odd = (await collector.plannedRuns(shop.id)).filter(({ at }) => at >= beganAt).at(-1);
  shop.origin.on('/', healthy);
  const seenAt = odd === undefined ? namedAt : odd.at + (odd.totalMs ?? 0);
  return {
    fault: fault.name,
    seenMs: seenAt - beganAt,
    totalMs: namedAt - beganAt,
    wrong: [...wrong],
  };
};

const withShops = (
  document: Organisation,
  shops: readonly Shop[],
  intervalSeconds: number,
  bursts: boolean,
): Organisation => ({
  ...document,
  // The sample that is slow from the beginning would have a burst of its own now and then.
  applications: [
    ...document.applications.filter(({ id }) => id === 'intranet'),
    ...shops.map(({ id, origin }) => ({
      id,
      name: id,
      hosts: [`${id}.test`],
      private: true,
      addresses: { [`${id}.test`]: '127.0.0.1' },
      probes: [
        {
          type: 'http' as const,
          url: `http://${id}.test:${origin.port}/`,
          via: 'tunnel' as const,
          intervalSeconds,
        },
      ],
    })),
  ],
  // More faults an hour than an organisation has: each is to have its burst.
  burst: { enabled: bursts, perHour: 60 },
});

type Collector = ReturnType<typeof watch>;

/** What the collector's API says, asked four times a second. */
const watch = (up: Up, intervalSeconds: number) => {
  const verdict = async (appId: string): Promise<Verdict | undefined> => {
    const { items } = await up.api<{ items: { verdict: Verdict }[] }>(`/v1/verdicts?app=${appId}`);
    return items[0]?.verdict;
  };
  return {
    verdict,
    /** Newest first; those of bursts are left out. */
    async plannedRuns(appId: string): Promise<DeviceApplicationView['runs']> {
      const newest = await verdict(appId);
      if (newest === undefined) return [];
      const path = `/v1/devices/${newest.deviceId}/applications/${appId}`;
      const { runs } = await up.api<DeviceApplicationView>(path);
      return runs.filter(({ burstId }) => burstId === '');
    },
    async until(isSo: () => Promise<boolean>): Promise<void> {
      const untilMs = performance.now() + Math.max(60_000, 10 * intervalSeconds * 1_000);
      while (!(await isSo())) {
        if (performance.now() > untilMs) throw new Error(`not so in time\n${up.logs()}`);
        await sleep(250);
      }
    },
  };
};
