import type { Agent } from 'node:https';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { ArtefactKind } from '#contract/artefact.ts';
import { checkOpen, explain, type Mistake } from '#contract/check.ts';
import { SignedConfig } from '#contract/policy.ts';
import { Acknowledgement } from '#contract/telemetry.ts';
import {
  type CollectorAnswer,
  collectorEndpoint,
  createCollectorAgent,
  type Dial,
  describeProblem,
  parseJson,
  readProblem,
  readRetryAfterMs,
  requestCollector,
} from './collector-request.ts';
import type { Identity } from './identity.ts';
import type { Log } from './log.ts';

/** Not answered, or not usefully. `status` null: no answer at all. */
export type Unanswered = {
  kind: 'unanswered';
  status: number | null;
  reason: string;
  retryAfterMs: number | null;
};

/** `isHeld`: the collector keeps such questions until there is news. */
export type ConfigAnswer =
  | { kind: 'unchanged'; isHeld: boolean }
  | { kind: 'config'; signed: SignedConfig; etag: string | undefined; isHeld: boolean }
  | Unanswered;

/** One batch as JSON text; the id is inside it as well. */
export type Upload = { id: string; text: string };

export type UploadAnswer =
  | { kind: 'stored'; acknowledgement: Acknowledgement }
  /** The rest is stored and acknowledged; pointers are into the batch (`/records/3/durationMs`). */
  | { kind: 'partly-refused'; acceptedCount: number; rejectedCount: number; mistakes: Mistake[] }
  /** Nothing of it was taken, and sending it again will not help. */
  | { kind: 'refused'; reason: string; mistakes: Mistake[] }
  | { kind: 'too-large' }
  | { kind: 'not-allowed'; status: number; reason: string }
  | Unanswered;

/** What a run made beside its figures, ready to travel. */
export type ArtefactUpload = {
  resultId: string;
  appId: string;
  kind: ArtefactKind;
  mediaType: string;
  encoding: 'gzip' | 'identity';
  body: Buffer;
};

export type ArtefactAnswer =
  | { kind: 'stored' }
  /** Sending it again will not help; an older collector knows no artefacts. */
  | { kind: 'refused'; reason: string }
  | Unanswered;

export type CollectorClient = {
  /**
   * `waitSeconds`: how long the collector may hold the question; left out: not at all. It says too that
   * we take what older programs refuse: requests, and what bursts on suspicion need.
   */
  fetchConfig(
    etag: string | undefined,
    signal?: AbortSignal,
    waitSeconds?: number,
  ): Promise<ConfigAnswer>;
  postBatch(upload: Upload, signal?: AbortSignal): Promise<UploadAnswer>;
  putArtefact(upload: ArtefactUpload, signal?: AbortSignal): Promise<ArtefactAnswer>;
  stop(): Promise<void>;
};

/** Of a question that is answered at once. */
const configTimeoutMs = 30_000;

const compress = promisify(gzip);

/** The collector's device listener, as somebody enrolled sees it. What the network does is an answer. */
export const createCollectorClient = ({
  collectorUrl,
  identity,
  dial,
  log,
}: {
  collectorUrl: string;
  identity: () => Identity;
  /** Left out: Node's own way. */
  dial?: Dial;
  log: Log;
}): CollectorClient => {
  let connections: { certificatePem: string; agent: Agent } | undefined;

  /** A renewed certificate needs new connections; the old ones end once idle. */
  const agentNow = (): Agent => {
    const now = identity();
    if (connections?.certificatePem !== now.certificatePem) {
      connections?.agent.destroy();
      connections = { certificatePem: now.certificatePem, agent: createCollectorAgent(now, dial) };
      log.debug({ component: 'collector-client', notAfter: now.notAfter }, 'identity taken up');
    }
    return connections.agent;
  };

  const ask = async (
    request: Omit<Parameters<typeof requestCollector>[0], 'agent'>,
  ): Promise<CollectorAnswer | Unanswered> => {
    try {
      return await requestCollector({ ...request, agent: agentNow() });
    } catch (error) {
      return {
        kind: 'unanswered',
        status: null,
        reason: (error as Error).message,
        retryAfterMs: null,
      };
    }
  };

  return {
    fetchConfig: async (etag, signal, waitSeconds) => {
      const answer = await ask({
        url: collectorEndpoint(collectorUrl, 'v1/config'),
        method: 'GET',
        headers: {
          ...(etag === undefined ? {} : { 'if-none-match': etag }),
          ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}, burst` }),
        },
        signal,
        timeoutMs: configTimeoutMs + (waitSeconds ?? 0) * 1_000,
      });
      return 'kind' in answer ? answer : readConfigAnswer(answer);
    },
    postBatch: async ({ text }, signal) => {
      // Level 1: six times smaller than plain for a third of level 6's CPU time on our records.
      const body = await compress(text, { level: constants.Z_BEST_SPEED });
      const answer = await ask({
        url: collectorEndpoint(collectorUrl, 'v1/ingest'),
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body,
        signal,
      });
      return 'kind' in answer ? answer : readUploadAnswer(answer);
    },
    putArtefact: async ({ resultId, appId, kind, mediaType, encoding, body }, signal) => {
      const path = `v1/artefacts/${resultId}/${kind}?app=${encodeURIComponent(appId)}`;
      const answer = await ask({
        url: collectorEndpoint(collectorUrl, path),
        method: 'PUT',
        headers: {
          'content-type': mediaType,
          ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
        },
        body,
        signal,
      });
      return 'kind' in answer ? answer : readArtefactAnswer(answer);
    },
    stop: async () => {
      connections?.agent.destroy();
      connections = undefined;
    },
  };
};

const unanswered = (answer: CollectorAnswer, reason?: string): Unanswered => ({
  kind: 'unanswered',
  status: answer.status,
  reason: reason ?? describeProblem(answer.status, readProblem(answer.text)),
  retryAfterMs: readRetryAfterMs(answer.headers['retry-after']),
});

const readConfigAnswer = (answer: CollectorAnswer): ConfigAnswer => {
  const isHeld = /\bwait=[1-9]/.test(String(answer.headers['preference-applied'] ?? ''));
  if (answer.status === 304) return { kind: 'unchanged', isHeld };
  if (answer.status !== 200) return unanswered(answer);
  const signed = checkOpen(SignedConfig, parseJson(answer.text));
  if (!signed.ok) return unanswered(answer, `not a signed config: ${explain(signed.mistakes)}`);
  return { kind: 'config', signed: signed.value, etag: answer.headers.etag, isHeld };
};

const readArtefactAnswer = (answer: CollectorAnswer): ArtefactAnswer => {
  if (answer.status === 204) return { kind: 'stored' };
  if (answer.status >= 500 || answer.status === 429) return unanswered(answer);
  return {
    kind: 'refused',
    reason: describeProblem(answer.status, readProblem(answer.text)),
  };
};

const readUploadAnswer = (answer: CollectorAnswer): UploadAnswer => {
  if (answer.status === 200) {
    const acknowledgement = checkOpen(Acknowledgement, parseJson(answer.text));
    if (acknowledgement.ok) return { kind: 'stored', acknowledgement: acknowledgement.value };
    // Not an acknowledgement: somebody else answered. Never taken for one.
    return unanswered(answer, `not an acknowledgement: ${explain(acknowledgement.mistakes)}`);
  }
  if (answer.status === 413) return { kind: 'too-large' };
  const problem = readProblem(answer.text);
  const reason = describeProblem(answer.status, problem);
  if (answer.status === 401 || answer.status === 403) {
    return { kind: 'not-allowed', status: answer.status, reason };
  }
  if (answer.status !== 400) return unanswered(answer);
  const mistakes = problem.errors ?? [];
  if (problem.acceptedCount === undefined) return { kind: 'refused', reason, mistakes };
  return {
    kind: 'partly-refused',
    acceptedCount: problem.acceptedCount,
    rejectedCount: problem.rejectedCount ?? mistakes.length,
    mistakes,
  };
};
