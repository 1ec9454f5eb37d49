import type { Request } from './conversation.ts';

/**
 * What an answer asks for next. `broken`: it redirects to where no probe can follow; `refused`: to
 * where this one may not.
 */
export type NextStep =
  | { kind: 'done' }
  | { kind: 'follow'; request: Request }
  | { kind: 'refused'; message: string }
  | { kind: 'broken'; message: string };

/** A redirect whose status is among the expected ones is the answer (`expectStatus: [302]`). */
export const decideNext = (
  request: Request,
  status: number,
  location: string | null,
  expectStatus: readonly number[],
): NextStep => {
  if (!redirectStatuses.has(status) || location === null || expectStatus.includes(status)) {
    return { kind: 'done' };
  }
  if (!URL.canParse(location, request.url)) {
    return { kind: 'broken', message: 'the redirect’s Location is not a URL' };
  }
  const url = new URL(location, request.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return {
      kind: 'broken',
      message: `the redirect leads to ${url.protocol}, not to http or https`,
    };
  }
  const isSameOrigin = url.origin === request.url.origin;
  const method = methodAfter(status, request.method);
  const keepsBody = method === request.method;
  if (!isSameOrigin && keepsBody && request.body !== undefined) {
    return {
      kind: 'refused',
      message: `status ${status} sends the request’s body on to ${url.origin}, which is not who it was meant for`,
    };
  }
  const allowed = isSameOrigin ? request.headers : harmless(request.headers);
  const headers = keepsBody ? allowed : withoutContent(allowed);
  const body = keepsBody ? request.body : undefined;
  return { kind: 'follow', request: { url, shownUrl: showRedirect(url), method, headers, body } };
};

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** RFC 9110 §15.4: 303 asks for a GET; 301 and 302 in practice too after a POST; 307 and 308 never. */
const methodAfter = (status: number, method: Request['method']): Request['method'] => {
  if (status === 303 && method !== 'HEAD') return 'GET';
  return method === 'POST' && status <= 302 ? 'GET' : method;
};

const withoutContent = (headers: Request['headers']): Request['headers'] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')));

/** Any header may hold a credential (`X-Api-Key`), meant for the first host alone: these do not. */
const harmless = (headers: Request['headers']): Request['headers'] =>
  Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => /^accept(-|$)/.test(name) || harmlessNames.has(name),
    ),
  );

const harmlessNames = new Set(['user-agent', 'content-type', 'content-length']);

/** As the operator wrote it, but for a password. */
export const showUrl = (url: URL): string => {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  return shown.href.slice(0, urlLimit);
};

/** Log-in redirects carry session state in their query, which must not be stored. */
const showRedirect = (url: URL): string =>
  `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`.slice(0, urlLimit);

const urlLimit = 2_048;
