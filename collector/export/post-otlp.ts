import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** `later`: the receiver, or the way to it, is not there now. `never`: it will not take this. */
export type Sent =
  | { outcome: 'taken'; rejectedCount: number; message: string }
  | { outcome: 'later'; message: string; retryAfterMs: number | undefined }
  | { outcome: 'never'; message: string };

const timeoutMs = 10_000;
const maxRetryAfterMs = 300_000;
/** OTLP/HTTP: these and no others are to be tried again. */
const retryable = new Set([429, 502, 503, 504]);

/** One OTLP/HTTP request, JSON and gzip; never throws. */
export const postOtlp = async (
  to: { url: string; headers: Record<string, string> },
  request: unknown,
  signal: AbortSignal,
): Promise<Sent> => {
  try {
    const body = await promisify(gzip)(JSON.stringify(request), { level: 1 });
    const response = await fetch(to.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', ...to.headers },
      body,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = (await response.text()).slice(0, 4_096);
    if (response.ok) return { outcome: 'taken', ...partialSuccess(text) };
    const message = `${response.status} ${text.slice(0, 200)}`;
    if (!retryable.has(response.status)) return { outcome: 'never', message };
    return { outcome: 'later', message, retryAfterMs: retryAfter(response.headers) };
  } catch (error) {
    const { message, cause } = error as Error;
    const why = (cause as Error | undefined)?.message ?? message;
    return { outcome: 'later', message: why, retryAfterMs: undefined };
  }
};

/** 200 with `partialSuccess`: what was rejected must not be sent again. int64, so it may be a string. */
const partialSuccess = (text: string): { rejectedCount: number; message: string } => {
  try {
    const { partialSuccess: told } = JSON.parse(text) as {
      partialSuccess?: Record<string, unknown>;
    };
    const rejected = told?.['rejectedLogRecords'] ?? told?.['rejectedDataPoints'] ?? 0;
    const message = typeof told?.['errorMessage'] === 'string' ? told['errorMessage'] : '';
    return { rejectedCount: Number(rejected) || 0, message: message.slice(0, 200) };
  } catch {
    return { rejectedCount: 0, message: '' };
  }
};

/** RFC 9110 §10.2.3: seconds, or a date. */
const retryAfter = (headers: Headers): number | undefined => {
  const header = headers.get('retry-after');
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), maxRetryAfterMs) : undefined;
};
