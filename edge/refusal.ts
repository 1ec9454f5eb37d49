/** Error words of RFC 9209 (Proxy-Status) that an edge gives. */
export type ProxyError =
  | 'http_request_denied'
  | 'destination_ip_prohibited'
  | 'dns_error'
  | 'dns_timeout'
  | 'connection_refused'
  | 'connection_timeout'
  | 'connection_terminated'
  | 'destination_unavailable'
  | 'connection_limit_reached'
  | 'http_request_error'
  | 'http_protocol_error'
  | 'proxy_configuration_error';

/** Why a flow was not opened: what its client is told. */
export type Refusal = { status: number; error: ProxyError; details: string };

export const refusalStatus = {
  http_request_denied: 403,
  destination_ip_prohibited: 403,
  dns_error: 502,
  dns_timeout: 504,
  connection_refused: 502,
  connection_timeout: 504,
  connection_terminated: 502,
  destination_unavailable: 502,
  connection_limit_reached: 429,
  http_request_error: 400,
  http_protocol_error: 502,
  proxy_configuration_error: 503,
} as const satisfies Record<ProxyError, number>;

export const refuse = (error: ProxyError, details: string): Refusal => ({
  status: refusalStatus[error],
  error,
  details,
});

/** Header fields of a refusal, beside its status. */
export const refusalHeaders = (edgeId: string, refusal: Refusal): Record<string, string> => ({
  'proxy-status': `${structuredName(edgeId)}; error=${refusal.error}; details=${quoted(refusal.details)}`,
  'content-type': 'text/plain; charset=utf-8',
  ...(refusal.status === 407
    ? { 'proxy-authenticate': 'Basic realm="whyslow", charset="UTF-8"' }
    : {}),
  ...(refusal.status === 429 || refusal.status === 503 ? { 'retry-after': '1' } : {}),
});

/** RFC 8941: a token begins with a letter; anything else goes as a string. */
const structuredName = (name: string): string =>
  /^[a-z*][a-z0-9_.*-]*$/i.test(name) ? name : quoted(name);

const quoted = (text: string): string =>
  `"${text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&')
    .slice(0, 200)}"`;
