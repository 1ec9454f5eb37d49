import type { HttpProbe } from '#contract/plan.ts';
import type { Request } from './conversation.ts';
import { showUrl } from './redirect.ts';

/** The request as the probe has it, with what every request of ours says. */
export const firstRequest = (probe: HttpProbe, userAgent: string): Request => {
  const { method } = probe;
  const url = new URL(probe.url);
  const body = probe.requestBody ? Buffer.from(probe.requestBody, 'utf8') : undefined;
  const named = Object.entries(probe.headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    url,
    shownUrl: showUrl(url),
    method,
    body,
    headers: {
      'user-agent': userAgent,
      accept: '*/*',
      // Bytes on the wire are what is counted and timed.
      'accept-encoding': 'identity',
      ...(body || meansContent.has(method) ? { 'content-length': String(body?.length ?? 0) } : {}),
      ...(url.username === '' ? {} : { authorization: basicOf(url) }),
      ...Object.fromEntries(named),
    },
  };
};

/** RFC 9110 §8.6: with these a server may expect content, and is told that there is none. */
const meansContent = new Set<HttpProbe['method']>(['POST', 'PUT', 'PATCH']);

const basicOf = ({ username, password }: URL): string => {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
};
