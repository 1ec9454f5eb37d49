import {
  type Failure,
  type FailurePhase,
  type FailureType,
  failureFacts,
} from '#contract/failure.ts';
import { type ProxyStatus, parseProxyStatus } from './proxy-status.ts';

/** Why a run was cut short: its own deadline, or an agent that is stopping. */
export type CutShort = 'timed-out' | 'abandoned';

/** A failure with the facts of its type; `message` is scrubbed and bounded here, once for all. */
export const failureOf = (type: FailureType, phase: FailurePhase, message: string): Failure => ({
  type,
  phase,
  source: failureFacts[type].source,
  message: scrub(message),
  action: failureFacts[type].action,
});

/** What an error thrown or emitted during `phase` means. Pure: the same error, the same answer. */
export const classifyError = (
  phase: FailurePhase,
  error: unknown,
  cutShort?: CutShort | undefined,
): Failure => {
  const end = cutShort ?? cutShortBy(error);
  if (end !== undefined) return classifyCutShort(phase, end);
  const code = codeOf(error);
  const type = typeOf(phase, code);
  return failureOf(type, phase, describe(type, code, error));
};

/** The run ended from our side: which phase it was in says who kept it waiting. */
export const classifyCutShort = (phase: FailurePhase, end: CutShort): Failure =>
  end === 'abandoned'
    ? failureOf('abandoned', phase, 'the run was given up before it ended')
    : failureOf(timedOut[phase], phase, `no end of the ${phase} phase before the deadline`);

/** An answer whose status is not among the expected ones. */
export const classifyStatus = (status: number): Failure =>
  failureOf(
    failureByStatus.get(status) ?? 'http.error',
    'wait',
    `the application answered with status ${status}`,
  );

/** RFC 9110 §15.5.6 and §15.6.2: not this method; RFC 6585 §4: too many requests. */
const failureByStatus = new Map<number, FailureType>([
  [405, 'http.method_not_allowed'],
  [501, 'http.method_not_allowed'],
  [429, 'http.rate_limited'],
]);

/**
 * A refused CONNECT. `Proxy-Status` (RFC 9209) says whose refusal it is and why; a proxy that sends
 * none is judged by its status, and only where that is unmistakable.
 */
export const classifyRefusal = (status: number, proxyStatusHeader: string | undefined): Failure => {
  const told = parseProxyStatus(proxyStatusHeader);
  const type = (told && refusalByError(told)) ?? refusalByStatus.get(status) ?? 'proxy.refused';
  const why = told === null ? '' : `, ${told.by}: ${[told.error, told.details].join(' ').trim()}`;
  return failureOf(type, 'proxy-connect', `CONNECT was refused with status ${status}${why}`);
};

/** Name of the agent in its own `Proxy-Status`: its refusals are about the tunnel, not the edge. */
const agentName = 'whyslow-agent';

const refusalByStatus = new Map<number, FailureType>([
  [403, 'policy.blocked'],
  [429, 'edge.overloaded'],
]);

const refusalByError = ({ by, error }: ProxyStatus): FailureType | undefined => {
  if (by === agentName && !policyErrors.has(error)) {
    return error.endsWith('_timeout') ? 'tunnel.timed_out' : 'tunnel.down';
  }
  if (policyErrors.has(error)) return 'policy.blocked';
  if (error.startsWith('dns_')) return 'edge.dns_failed';
  if (error === 'connection_limit_reached') return 'edge.overloaded';
  if (error.startsWith('connection_') || error.startsWith('destination_')) {
    return 'edge.dial_failed';
  }
  return undefined;
};

const policyErrors = new Set(['http_request_denied', 'destination_ip_prohibited']);

const timedOut = {
  prepare: 'agent.internal',
  dns: 'dns.timed_out',
  connect: 'tcp.timed_out',
  'proxy-connect': 'tunnel.timed_out',
  tls: 'tls.timed_out',
  request: 'http.timed_out',
  wait: 'http.timed_out',
  receive: 'http.timed_out',
  render: 'browser.timed_out',
} as const satisfies Record<FailurePhase, FailureType>;

const cutShortBy = (error: unknown): CutShort | undefined => {
  const name = error instanceof Error ? error.name : '';
  if (name === 'TimeoutError') return 'timed-out';
  return name === 'AbortError' ? 'abandoned' : undefined;
};

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
};

const typeOf = (phase: FailurePhase, code: string): FailureType =>
  anywhere.get(code) ??
  certificateTypes.get(code) ??
  (code.startsWith('ERR_SSL_') ? tlsType(code) : undefined) ??
  (code.startsWith('HPE_') ? 'http.protocol.error' : undefined) ??
  byPhase[phase].get(code) ??
  unknownIn[phase];

/** The device's own limits, whatever the phase. */
const anywhere = new Map<string, FailureType>([
  ['EMFILE', 'agent.out_of_resources'],
  ['ENFILE', 'agent.out_of_resources'],
  ['ENOMEM', 'agent.out_of_resources'],
  ['ENOBUFS', 'agent.out_of_resources'],
  ['ENETDOWN', 'agent.network_down'],
]);

/** X.509 verification results by OpenSSL's names, as Node gives them. */
const certificateTypes = new Map<string, FailureType>([
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls.cert.name_invalid'],
  ['HOSTNAME_MISMATCH', 'tls.cert.name_invalid'],
  ['CERT_HAS_EXPIRED', 'tls.cert.date_invalid'],
  ['CERT_NOT_YET_VALID', 'tls.cert.date_invalid'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls.cert.authority_invalid'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'tls.cert.authority_invalid'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls.cert.authority_invalid'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls.cert.authority_invalid'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls.cert.authority_invalid'],
  ['CERT_UNTRUSTED', 'tls.cert.authority_invalid'],
  ['CERT_REVOKED', 'tls.cert.invalid'],
  ['CERT_REJECTED', 'tls.cert.invalid'],
  ['CERT_SIGNATURE_FAILURE', 'tls.cert.invalid'],
  ['CERT_CHAIN_TOO_LONG', 'tls.cert.invalid'],
  ['PATH_LENGTH_EXCEEDED', 'tls.cert.invalid'],
  ['INVALID_CA', 'tls.cert.invalid'],
  ['INVALID_PURPOSE', 'tls.cert.invalid'],
  ['CA_MD_TOO_WEAK', 'tls.cert.invalid'],
  ['EE_KEY_TOO_SMALL', 'tls.cert.invalid'],
]);

/** ERR_SSL_WRONG_VERSION_NUMBER is no version mismatch: it is what plain HTTP on the port looks like. */
const tlsType = (code: string): FailureType =>
  /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_SHARED_CIPHER|NO_CIPHERS|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|VERSION_TOO_LOW|NO_PROTOCOLS_AVAILABLE/.test(
    code,
  )
    ? 'tls.version_or_cipher_mismatch'
    : 'tls.protocol.error';

const dnsCodes = new Map<string, FailureType>([
  ['ENOTFOUND', 'dns.name_not_resolved'],
  ['ENODATA', 'dns.name_not_resolved'],
  ['EBADNAME', 'dns.name_not_resolved'],
  ['EAI_NONAME', 'dns.name_not_resolved'],
  ['ETIMEOUT', 'dns.timed_out'],
  ['ETIMEDOUT', 'dns.timed_out'],
  ['ECANCELLED', 'dns.timed_out'],
  // glibc says "temporary failure" when no server of its list answered.
  ['EAI_AGAIN', 'dns.unreachable'],
  ['ECONNREFUSED', 'dns.unreachable'],
  ['EHOSTUNREACH', 'dns.unreachable'],
  ['ENETUNREACH', 'dns.unreachable'],
  ['ESERVFAIL', 'dns.refused'],
  ['EREFUSED', 'dns.refused'],
  ['EFORMERR', 'dns.refused'],
  ['ENOTIMP', 'dns.refused'],
  ['EBADRESP', 'dns.refused'],
]);

/** Making a request: a header that cannot be sent. */
const prepareCodes = new Map<string, FailureType>([
  ['ERR_INVALID_CHAR', 'probe.bad_config'],
  ['ERR_INVALID_HTTP_TOKEN', 'probe.bad_config'],
  ['ERR_HTTP_INVALID_HEADER_VALUE', 'probe.bad_config'],
  ['ERR_UNESCAPED_CHARACTERS', 'probe.bad_url'],
  ['ERR_INVALID_URL', 'probe.bad_url'],
]);

const tcpCodes = new Map<string, FailureType>([
  // What a packet filter on the device itself says.
  ['EPERM', 'agent.not_permitted'],
  ['EACCES', 'agent.not_permitted'],
  ['ECONNREFUSED', 'tcp.refused'],
  ['ECONNRESET', 'tcp.reset'],
  ['EPIPE', 'tcp.reset'],
  ['ETIMEDOUT', 'tcp.timed_out'],
  ['ECONNABORTED', 'tcp.aborted'],
  ['EHOSTUNREACH', 'tcp.address_unreachable'],
  ['ENETUNREACH', 'tcp.address_unreachable'],
  ['EADDRNOTAVAIL', 'tcp.address_unreachable'],
]);

const proxyCodes = new Map<string, FailureType>([
  ['ECONNREFUSED', 'proxy.unreachable'],
  ['EHOSTUNREACH', 'proxy.unreachable'],
  ['ENETUNREACH', 'proxy.unreachable'],
  ['ENOTFOUND', 'proxy.unreachable'],
  ['ETIMEDOUT', 'tunnel.timed_out'],
  ['ECONNRESET', 'proxy.reset'],
  ['EPIPE', 'proxy.reset'],
  ['ECONNABORTED', 'proxy.aborted'],
]);

const tlsCodes = new Map<string, FailureType>([
  ['ECONNRESET', 'tls.reset'],
  ['EPIPE', 'tls.reset'],
  ['ETIMEDOUT', 'tls.timed_out'],
  ['EHOSTUNREACH', 'tcp.address_unreachable'],
  ['ENETUNREACH', 'tcp.address_unreachable'],
]);

const httpCodes = new Map<string, FailureType>([
  ['ECONNRESET', 'http.reset'],
  ['EPIPE', 'http.reset'],
  ['ECONNABORTED', 'http.aborted'],
  ['ETIMEDOUT', 'http.timed_out'],
  ['EPROTO', 'tls.protocol.error'],
  ['EHOSTUNREACH', 'tcp.address_unreachable'],
  ['ENETUNREACH', 'tcp.address_unreachable'],
]);

const byPhase = {
  prepare: prepareCodes,
  dns: dnsCodes,
  connect: tcpCodes,
  'proxy-connect': proxyCodes,
  tls: tlsCodes,
  request: httpCodes,
  wait: httpCodes,
  receive: httpCodes,
  render: new Map(),
} as const satisfies Record<FailurePhase, Map<string, FailureType>>;

const unknownIn = {
  prepare: 'agent.internal',
  dns: 'dns.unreachable',
  connect: 'tcp.failed',
  'proxy-connect': 'proxy.bad_response',
  tls: 'tls.protocol.error',
  request: 'http.protocol.error',
  wait: 'http.protocol.error',
  receive: 'http.protocol.error',
  render: 'browser.navigation_failed',
} as const satisfies Record<FailurePhase, FailureType>;

/** The short words of a type with the system's code; unknown errors keep their own text, scrubbed. */
const describe = (type: FailureType, code: string, error: unknown): string => {
  const words = type.replace(/[._]/g, ' ');
  const text = error instanceof Error ? error.message : String(error);
  const said = text.replace(/^error:[0-9A-F]+:/, '').trim();
  return `${words}${code === '' ? '' : ` (${code})`}${said === '' ? '' : `: ${said}`}`;
};

/** The patterns below take time by the square of the length. */
const inputLimit = 4_000;

/** Ends with a whole word: the first part of one may not look like what is to be taken out. */
const beginningOf = (message: string): string =>
  message.length <= inputLimit
    ? message
    : message.slice(0, inputLimit).replace(/(?<=\s)\S*$|^\S*$/, '…');

/** Longer than any sentence of ours; the contract allows 500. */
const messageLimit = 300;

/**
 * Takes out what must not be stored: addresses (a failure is compared across devices), what follows
 * `?` in a URL, `user:password@`, credentials by name, and anything that looks like a token.
 */
export const scrub = (message: string): string => {
  const clean = beginningOf(message)
    .replace(/\s+/g, ' ')
    .replace(/([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]*@/gi, '$1')
    .replace(/(https?:\/\/[^\s?#]*)[?#]\S*/gi, '$1?…')
    .replace(/\b(bearer|basic)\s+\S+/gi, '$1 …')
    .replace(
      /\b(authorization|cookie|token|password|passwd|secret|api[-_]?key)(["']?\s*[:=]\s*)("[^"]*"|\S+)/gi,
      '$1$2…',
    )
    .replace(
      /(?<![\w:])\[?(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:%\w+)?(?:\d{0,3}(?:\.\d{1,3}){3})?\]?(?::\d+)?(?![\w:])/gi,
      '[address]',
    )
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '[address]')
    .replace(/\b(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])[\w+/=-]{32,}|\b[0-9A-F]{32,}\b/g, '[token]');
  return clean.length <= messageLimit ? clean : `${clean.slice(0, messageLimit - 1)}…`;
};
