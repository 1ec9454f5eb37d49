import { JobsUnavailable } from '../jobs/jobs.ts';
import { isStateUnavailable } from '../state/unavailable.ts';
import { StoreUnavailable } from '../store/store.ts';
import { Problem, type ProblemName } from './problems.ts';

/** What fastify itself refuses, by its error codes. */
const fastifyProblems: Record<string, { problem: ProblemName; detail: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { problem: 'body-too-large', detail: 'the body exceeds the limit' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    problem: 'unsupported-media-type',
    detail: 'see /openapi.json for the media types of this route',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { problem: 'bad-request', detail: 'the body is empty' },
  FST_ERR_CTP_INVALID_JSON_BODY: { problem: 'bad-request', detail: 'the body is not JSON' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    problem: 'bad-request',
    detail: 'the body is not as long as Content-Length says',
  },
  FST_ERR_BAD_URL: { problem: 'bad-request', detail: 'the path is not valid percent-encoding' },
  FST_ERR_NOT_FOUND: { problem: 'not-found', detail: 'no such route' },
};

/** At least; see outages.ts. */
const retryAfterSeconds = 2;

const engineAway = (name: string, error: unknown): Problem => {
  const detail = speaksOfRoom(error) ? `${name}: it has no room left` : name;
  return new Problem('engine-unavailable', { detail, retryAfterSeconds });
};

/** Disk (ENOSPC, SQLSTATE 53100), or Redis above its maxmemory. */
const speaksOfRoom = (error: unknown): boolean => {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ((at as { code?: unknown }).code === '53100') return true;
    if (/no space left|disk full|\bOOM\b/i.test(at.message)) return true;
  }
  return false;
};

/** The problem an error is answered as. What is not foreseen stays inside: `internal`. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (error instanceof StoreUnavailable) return engineAway('the series store', error);
  if (error instanceof JobsUnavailable) return engineAway('the queue of jobs', error);
  if (isStateUnavailable(error)) return engineAway('the state', error);
  const known = fastifyProblems[String((error as { code?: unknown } | null)?.code)];
  if (known) return new Problem(known.problem, { detail: known.detail });
  if (error instanceof SyntaxError && (error as { statusCode?: number }).statusCode === 400) {
    return new Problem('bad-request', { detail: 'the body is not JSON' });
  }
  return new Problem('internal');
};
