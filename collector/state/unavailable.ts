import { StateUnavailable } from './state.ts';

/** SQLSTATE classes and codes that say "not now" rather than "not so" (PostgreSQL, appendix A). */
const sqlStates = [
  /^08/, // connection exception
  /^53/, // insufficient resources: too many connections, disk full
  /^57P/, // the server is shutting down, starting, or dropped us
  /^58/, // system error: I/O
  /^25006$/, // read-only transaction: we are on a standby
];

const systemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT', // a socket folder that is not there
]);

/** What pg and PGlite say without a code. */
const words =
  /^Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|not queryable|Cannot use a pool after|PGlite (is|failed)|ended/;

/**
 * Whether an error, or one it was caused by, means that the engine is gone or overwhelmed. Drizzle
 * wraps what the driver throws, so the chain of causes is walked.
 */
export const isStateUnavailable = (error: unknown): boolean => {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof StateUnavailable || speaksOfAbsence(at)) return true;
    if (at instanceof AggregateError && at.errors.some(isStateUnavailable)) return true;
  }
  return false;
};

const speaksOfAbsence = (error: Error): boolean => {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    return systemCodes.has(code) || sqlStates.some((pattern) => pattern.test(code));
  }
  return words.test(error.message);
};

/** The error as callers of the door know it. */
export const asStateError = (error: unknown): unknown =>
  isStateUnavailable(error) && !(error instanceof StateUnavailable)
    ? new StateUnavailable(`state engine: ${innermost(error).message}`, { cause: error })
    : error;

const innermost = (error: unknown): Error => {
  let at = error as Error;
  while (at.cause instanceof Error) at = at.cause;
  return at;
};
