import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { ArtefactRows } from '#collector/control/artefact-rows.ts';
import type { Point } from '#collector/store/schema.ts';
import type { Store, TagFilter } from '#collector/store/store.ts';
import { PageProblem, PageStepResult } from '#contract/body/page-load.ts';
import { check } from '#contract/check.ts';
import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { RunLine } from './views.ts';
import type { Window } from './window.ts';

type RunMeasurement = 'http' | 'page_load' | 'path' | 'dns' | 'tcp' | 'tls' | 'voice';

/** The newest runs of every type for one device and application, newest first. */
export const recentRuns = async (
  store: Store,
  window: Window,
  tags: { device: string; app: string } | { device: string; probe: readonly string[] },
  limit: number,
): Promise<RunLine[]> => {
  const read = <M extends RunMeasurement>(measurement: M) =>
    store.select<M>({
      measurement,
      fromMs: window.fromMs,
      toMs: window.toMs,
      tags: tags as TagFilter<M>,
      order: 'newest-first',
      limit,
    });
  const [http, pages, paths, lookups, connections, handshakes, calls] = await Promise.all([
    read('http'),
    read('page_load'),
    read('path'),
    read('dns'),
    read('tcp'),
    read('tls'),
    read('voice'),
  ]);
  return [
    ...http.map((point) => runLine(point, 'http', point.fields.duration_ms, httpDetail(point))),
    ...pages.map(pageLine),
    ...paths.map((point) => runLine(point, 'path', point.fields.rtt_median_ms, pathDetail(point))),
    ...lookups.map((point) => runLine(point, 'dns', point.fields.duration_ms, dnsDetail(point))),
    ...connections.map((point) =>
      runLine(point, 'tcp', point.fields.duration_ms, tcpDetail(point)),
    ),
    ...handshakes.map((point) => runLine(point, 'tls', point.fields.duration_ms, tlsDetail(point))),
    ...calls.map((point) =>
      runLine(point, 'voice', point.fields.rtt_median_ms, voiceDetail(point)),
    ),
  ]
    .sort((a, b) => b.at - a.at)
    .slice(0, limit);
};

const runLine = (
  { timeMs, tags, fields }: Point<RunMeasurement>,
  type: RunLine['type'],
  totalMs: number | null,
  detail: string,
): RunLine => ({
  at: timeMs,
  type,
  probeId: tags.probe,
  via: tags.via,
  edgeId: tags.edge,
  ok: fields.ok === 1,
  totalMs,
  detail,
  failure:
    tags.failure_type === ''
      ? null
      : {
          type: tags.failure_type,
          source: fields.failure_source ?? '',
          message: fields.failure_message ?? '',
          action: adviceFor(tags.failure_type),
        },
  distortion: fields.distorted === 1 ? (fields.distortion ?? 'distorted') : '',
  repeats: fields.repeats ?? '',
  requestId: fields.request_id ?? '',
  burstId: fields.burst_id ?? '',
  resultId: fields.result_id,
  artefacts: [],
  edgeFlowId: 'edge_flow_id' in fields ? fields.edge_flow_id : null,
  edgeFlow: null,
  steps: [],
  problems: [],
});

const pageLine = (point: Point<'page_load'>): RunLine => ({
  ...runLine(point, 'page-load', point.fields.load_ms, pageDetail(point)),
  steps: readList(PageStepResult, point.fields.steps),
  problems: readList(PageProblem, point.fields.problems),
});

/** As it was stored; what an older or newer version wrote otherwise is not shown. */
const readList = <T extends TSchema>(item: T, text: string | null): Static<T>[] => {
  if (text === null) return [];
  try {
    const checked = check(Type.Array(item), JSON.parse(text));
    return checked.ok ? (checked.value as Static<T>[]) : [];
  } catch {
    return [];
  }
};

/** Says of each run what is kept of it beside its figures. */
export const withArtefacts = async (
  artefacts: Pick<ArtefactRows, 'kindsOf'>,
  deviceId: string,
  runs: readonly RunLine[],
): Promise<RunLine[]> => {
  const ids = runs.flatMap(({ type, resultId }) =>
    type === 'page-load' && resultId !== null ? [resultId] : [],
  );
  const kept = await artefacts.kindsOf(deviceId, ids);
  return runs.map((run) => ({
    ...run,
    artefacts: kept.filter(({ resultId }) => resultId === run.resultId).map(({ kind }) => kind),
  }));
};

/** The advice depends on the type alone, so it is not stored with every run. */
const adviceFor = (type: string): string =>
  Object.hasOwn(failureFacts, type) ? failureFacts[type as FailureType].action : '';

const httpDetail = ({ fields }: Point<'http'>): string =>
  fields.status === null ? 'no answer' : `status ${fields.status}`;

const pageDetail = ({ fields }: Point<'page_load'>): string =>
  [
    fields.lcp_ms === null ? null : `largest paint ${Math.round(fields.lcp_ms)} ms`,
    fields.request_count === null ? null : `${fields.request_count} requests`,
    fields.failed_request_count ? `${fields.failed_request_count} failed` : null,
    fields.step_count && fields.failed_step === null
      ? `${fields.step_count} ${fields.step_count === 1 ? 'step' : 'steps'} passed`
      : null,
  ]
    .filter((part) => part !== null)
    .join(', ');

const pathDetail = ({ fields }: Point<'path'>): string =>
  [
    fields.reached === 1 ? 'reached' : 'not reached',
    fields.hop_count ? `${fields.hop_count} ${fields.hop_count === 1 ? 'hop' : 'hops'}` : null,
    fields.loss_ratio === null ? null : `${Math.round(fields.loss_ratio * 100)} % unanswered`,
  ]
    .filter((part) => part !== null)
    .join(', ');

const dnsDetail = ({ fields }: Point<'dns'>): string =>
  [
    `${fields.record_type ?? ''} ${fields.name ?? ''}: ${fields.answer_count ?? 0} answers`.trim(),
    fields.agree === 0 ? 'the servers asked differ' : null,
  ]
    .filter((part) => part !== null)
    .join(', ');

const tcpDetail = ({ fields }: Point<'tcp'>): string =>
  short([fields.target, fields.remote_address]);

const tlsDetail = ({ fields }: Point<'tls'>): string => {
  const days = fields.certificate_days_left;
  return short([
    fields.target,
    fields.protocol,
    days === null
      ? null
      : `${Math.floor(days)} days left${fields.expires_soon === 1 ? ': renew' : ''}`,
  ]);
};

const voiceDetail = ({ fields }: Point<'voice'>): string =>
  short([
    fields.mos === null ? null : `opinion score ${fields.mos.toFixed(2)}`,
    fields.loss_ratio === null ? null : `${(fields.loss_ratio * 100).toFixed(1)} % lost`,
    fields.jitter_ms === null ? null : `jitter ${fields.jitter_ms.toFixed(1)} ms`,
  ]);

/** Names of hosts may be longer than a line of the table. */
const short = (parts: readonly (string | null)[]): string =>
  parts
    .filter((part) => part !== null)
    .join(', ')
    .slice(0, 200);
