import { type Command, InvalidArgumentError } from 'commander';
import type { RunOrder } from '#contract/run-request.ts';
import { type Api, type ApiOptions, connectApi, withApiOptions } from './api.ts';
import { findDevice } from './find-device.ts';
import { UsageError } from './usage-error.ts';

/** `whyslow run DEVICE APP`: measure now, with the caller on the line. */
export const registerRun = (program: Command): void => {
  withBurstOptions(
    withApiOptions(
      program
        .command('run')
        .description('have a device measure now, beside its plan: once, or in a burst')
        .argument('<device>', 'its name or id')
        .argument('[application]', 'all its probes; or name some with --probe')
        .option('--probe <id>', 'one probe of the device’s plan; may be repeated', collect, []),
    ),
  )
    .option('--wait', 'stay until it is done and show each result; exit with 1 when one failed')
    .option('--json', 'for a program to read')
    .action(async (device: string, application: string | undefined, options: RunOptions) => {
      await run(connectApi(options), device, application, options);
    });
};

export type BurstOptions = { burst?: number; for?: number; har?: true };

/** What an order can say beside which probes; shared with `whyslow agent run`. */
export const withBurstOptions = (command: Command): Command =>
  command
    .option('--burst <interval>', 'again and again, this far apart: 1s', readSeconds)
    .option('--for <time>', 'how long a burst lasts, at most 5m (default 30s)', readSeconds)
    .option('--har', 'record page loads whole (HTTP archive)');

const defaultBurstSeconds = 30;

export const orderOf = ({
  burst,
  for: forSeconds,
  har,
}: BurstOptions): Omit<RunOrder, 'probes'> => {
  if (burst === undefined && forSeconds !== undefined) {
    throw new UsageError('--for needs --burst: how far apart the runs are to be');
  }
  return {
    ...(burst === undefined
      ? {}
      : { burst: { everySeconds: burst, forSeconds: forSeconds ?? defaultBurstSeconds } }),
    ...(har === true ? { har } : {}),
  };
};

type RunOptions = ApiOptions & BurstOptions & { probe: string[]; wait?: true; json?: true };

const collect = (value: string, before: string[]): string[] => [...before, value];

/** `1s`, `500ms`, `2m`, or a plain number of seconds. */
const readSeconds = (text: string): number => {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('a time like 1s, 30s or 2m');
  return Number(number) * { ms: 0.001, s: 1, m: 60 }[unit as 'ms' | 's' | 'm'];
};

type Run = {
  resultId: string | null;
  at: number;
  probeId: string;
  via: string;
  ok: boolean;
  totalMs: number | null;
  detail: string;
  failure: { type: string; message: string } | null;
  distortion: string;
};

/** The API's answer about a request; `runs` only when asked for one. */
export type RequestState = {
  id: string;
  deviceId: string;
  state: 'queued' | 'picked-up' | 'running' | 'done' | 'expired';
  runCount: number;
  madeCount: number;
  lostCount: number;
  reason: string;
  runs?: Run[];
};

const run = async (
  api: Api,
  device: string,
  application: string | undefined,
  options: RunOptions,
): Promise<void> => {
  const { id: deviceId } = await findDevice(api, device);
  const state = await api.call<RequestState>('POST', `/v1/devices/${deviceId}/runs`, {
    ...orderOf(options),
    ...(options.probe.length > 0 ? { probes: options.probe } : { application }),
  });
  const last = options.wait === true ? await follow(api, state, options.json === true) : state;
  if (options.json === true) console.log(JSON.stringify(last, null, 2));
  else if (options.wait !== true) console.log(describeQueued(last));
  else console.log(describeEnd(last));
  const isFailed = last.runs?.some(({ ok }) => !ok) ?? false;
  if (last.state === 'expired' || isFailed) process.exitCode = 1;
};

const describeQueued = ({ id, deviceId, runCount }: RequestState): string =>
  [
    `${count(runCount)} asked for; the device begins when it next asks for its config (at once, if it waits for it)`,
    `see /v1/devices/${deviceId}/runs/${id}, or add --wait`,
  ].join('\n');

const lookEveryMs = 1_000;
/** Records are shipped within a second or two of the report that all is done. */
const stragglersMs = 10_000;

/** Shows each result as it is stored, until the device says that it is done and all are here. */
const follow = async (api: Api, first: RequestState, isQuiet: boolean): Promise<RequestState> => {
  const shown = new Set<string>();
  let said = '';
  let doneMs: number | undefined;
  const say = (text: string) => {
    if (!isQuiet && text !== said) console.error(text);
    said = text;
  };
  for (;;) {
    const state = await api.call<RequestState>(
      'GET',
      `/v1/devices/${first.deviceId}/runs/${first.id}`,
    );
    const runs = [...(state.runs ?? [])].sort((a, b) => a.at - b.at);
    for (const each of runs) {
      const key = each.resultId ?? `${each.at}${each.probeId}`;
      if (!shown.has(key) && !isQuiet) console.log(describeRun(each));
      shown.add(key);
    }
    say(stateWords[state.state]);
    if (state.state === 'expired') return state;
    if (state.state === 'done') {
      doneMs ??= performance.now();
      const isLate = performance.now() - doneMs > stragglersMs;
      if (shown.size >= state.madeCount || isLate) return state;
    }
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
};

const stateWords = {
  queued: 'waiting for the device …',
  'picked-up': 'the device has it …',
  running: 'running …',
  done: 'done',
  expired: 'expired',
} as const satisfies Record<RequestState['state'], string>;

const describeRun = ({ at, probeId, via, ok, totalMs, detail, failure, distortion }: Run): string =>
  describeLine({
    at,
    probeId,
    via,
    isOk: ok,
    ms: totalMs,
    what: failure === null ? detail : `${failure.type}: ${failure.message}`,
    distortion,
  });

/** One result on a line. */
export const describeLine = (line: {
  at: number;
  probeId: string;
  via: string;
  isOk: boolean;
  ms: number | null;
  what: string;
  distortion: string;
}): string => {
  const time = new Date(line.at).toISOString().slice(11, 23);
  const ms = line.ms === null ? '–' : `${line.ms.toFixed(line.ms < 10 ? 1 : 0)} ms`;
  const doubt = line.distortion === '' ? '' : ` (distorted: ${line.distortion})`;
  return `${time} ${line.isOk ? '✓' : '✕'} ${ms.padStart(9)}  ${line.probeId} ${line.via}  ${line.what}${doubt}`;
};

const describeEnd = ({ state, madeCount, lostCount, runCount, reason }: RequestState): string => {
  if (state === 'expired') {
    return 'expired: the device did not ask for it within five minutes. Is it on, and its agent running?';
  }
  const lost = lostCount === 0 ? '' : `, ${lostCount} not made`;
  return `${madeCount} of ${count(runCount)} made${lost}${reason === '' ? '' : `: ${reason}`}`;
};

const count = (runs: number): string => `${runs} ${runs === 1 ? 'run' : 'runs'}`;
