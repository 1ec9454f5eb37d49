/**
 * How long it takes from a fault to its right verdict at 60-second probing, with every program a
 * process of its own: `npx tsx test/bench/burst.ts [--interval 60] [--faults 6] [--without]
 * [--json FILE]`. Half an hour; loopback only. Faults begin at moments spread over the interval, and
 * alternate between a slow server and one that resets. `--without` switches bursts off.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { DeviceApplicationView } from '#collector/triage/views.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { Verdict } from '#contract/verdict.ts';
import { sleep } from '#runtime/backoff.ts';
import { type Behaviour, startOrigin } from '../support/origin.ts';
import { startUp } from '../support/whyslow-up.ts';
import { percentile } from './rows.ts';

const { values } = parseArgs({
  options: {
    interval: { type: 'string', default: '60' },
    faults: { type: 'string', default: '6' },
    without: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const intervalSeconds = Number(values.interval);
const faultCount = Number(values.faults);
const longestMs = 5 * intervalSeconds * 1_000;

type Fault = { state: Verdict['state']; segment: Verdict['segment'] | undefined; does: Behaviour };
const slow: Fault = { state: 'slow', segment: 'server', does: { thinkMs: 400 } };
const failing: Fault = { state: 'failing', segment: undefined, does: { fault: 'reset' } };

const origin = await startOrigin();
const say = (text: string) => process.stdout.write(`${text}\n`);

const up = await startUp({ intervalSeconds, port: 18_920 });
try {
  const { document } = await up.api<{ document: Organisation }>('/v1/organisation');
  await up.api('/v1/organisation', { method: 'PUT', body: withShop(document) });
  say(`learning what is usual: ${Math.ceil((7 * intervalSeconds) / 60)} minutes`);
  await until(async () => (await plannedRuns()).filter(({ ok }) => ok).length >= 7);

  const rows: { fault: string; detectMs: number; verdictMs: number; totalMs: number }[] = [];
  for (let i = 0; i < faultCount; i += 1) {
    const fault = i % 2 === 0 ? slow : failing;
    // Spread over the interval, and calm for long enough before.
    await sleep((1 + (i + 0.5) / faultCount) * intervalSeconds * 1_000);
    await until(async () => (await verdict())?.state === 'ok');
    const beganAt = Date.now();
    origin.on('/', fault.does);
    await until(async () => {
      const newest = await verdict();
      const isNamed = fault.segment === undefined || newest?.segment === fault.segment;
      return newest?.state === fault.state && isNamed;
    });
    const namedAt = Date.now();
    const odd = (await plannedRuns()).filter(({ at }) => at >= beganAt).at(-1);
    const oddAt = odd === undefined ? namedAt : odd.at + (odd.totalMs ?? 0);
    origin.on('/', {});
    rows.push({
      fault: fault.state,
      detectMs: oddAt - beganAt,
      verdictMs: namedAt - oddAt,
      totalMs: namedAt - beganAt,
    });
    say(JSON.stringify(rows.at(-1)));
  }
  const figure = (name: 'detectMs' | 'verdictMs' | 'totalMs') => {
    const all = rows.map((row) => row[name] / 1_000);
    return `median ${percentile(all, 0.5).toFixed(1)} s, longest ${Math.max(...all).toFixed(1)} s`;
  };
  say(
    `bursts ${values.without ? 'off' : 'on'}, a run every ${intervalSeconds} s, ${faultCount} faults`,
  );
  say(`fault → first odd result:          ${figure('detectMs')}`);
  say(`first odd result → right verdict:  ${figure('verdictMs')}`);
  say(`fault → right verdict:             ${figure('totalMs')}`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ intervalSeconds, rows })}\n`);
} finally {
  await up.stop();
  up.remove();
  await origin.stop();
}

function withShop(document: Organisation): Organisation {
  const shop: Organisation['applications'][number] = {
    id: 'burst-shop',
    name: 'Shop',
    hosts: ['burst-shop.test'],
    private: true,
    addresses: { 'burst-shop.test': '127.0.0.1' },
    probes: [
      {
        type: 'http',
        url: `http://burst-shop.test:${origin.port}/`,
        via: 'tunnel',
        intervalSeconds,
      },
    ],
  };
  return {
    ...document,
    // The sample that is slow from the beginning would have a burst of its own now and then.
    applications: [...document.applications.filter(({ id }) => id === 'intranet'), shop],
    burst: { enabled: !values.without },
  };
}

async function verdict(): Promise<Verdict | undefined> {
  const { items } = await up.api<{ items: { verdict: Verdict }[] }>('/v1/verdicts?app=burst-shop');
  return items[0]?.verdict;
}

/** Newest first; those of bursts are left out. */
async function plannedRuns(): Promise<DeviceApplicationView['runs']> {
  const newest = await verdict();
  if (newest === undefined) return [];
  const path = `/v1/devices/${newest.deviceId}/applications/burst-shop`;
  const { runs } = await up.api<DeviceApplicationView>(path);
  return runs.filter(({ burstId }) => burstId === '');
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + Math.max(longestMs, 10 * intervalSeconds * 1_000);
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`not so in time\n${up.logs()}`);
    await sleep(250);
  }
}
