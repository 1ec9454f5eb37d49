import { describe, expect, it } from 'vitest';
import { check } from '#contract/check.ts';
import { Failure, type FailurePhase, type FailureType } from '#contract/failure.ts';
import { classifyError, classifyRefusal, classifyStatus } from '#probes/classify.ts';

const error = (code: string, message = `${code} happened`) =>
  Object.assign(new Error(message), { code });

const cases: [FailurePhase, string, FailureType][] = [
  ['dns', 'ENOTFOUND', 'dns.name_not_resolved'],
  ['dns', 'ENODATA', 'dns.name_not_resolved'],
  ['dns', 'EAI_AGAIN', 'dns.unreachable'],
  ['dns', 'ECONNREFUSED', 'dns.unreachable'],
  ['dns', 'ENETUNREACH', 'dns.unreachable'],
  ['dns', 'ETIMEOUT', 'dns.timed_out'],
  ['dns', 'ECANCELLED', 'dns.timed_out'],
  ['dns', 'ESERVFAIL', 'dns.refused'],
  ['dns', 'EREFUSED', 'dns.refused'],
  ['connect', 'ECONNREFUSED', 'tcp.refused'],
  ['connect', 'ECONNRESET', 'tcp.reset'],
  ['connect', 'ECONNABORTED', 'tcp.aborted'],
  ['connect', 'ETIMEDOUT', 'tcp.timed_out'],
  ['connect', 'EHOSTUNREACH', 'tcp.address_unreachable'],
  ['connect', 'ENETUNREACH', 'tcp.address_unreachable'],
  ['connect', 'EADDRNOTAVAIL', 'tcp.address_unreachable'],
  ['connect', 'EPERM', 'agent.not_permitted'],
  ['connect', 'EPROTO', 'tcp.failed'],
  ['connect', 'ENETDOWN', 'agent.network_down'],
  ['connect', 'EMFILE', 'agent.out_of_resources'],
  ['proxy-connect', 'ECONNREFUSED', 'proxy.unreachable'],
  ['proxy-connect', 'ECONNRESET', 'proxy.reset'],
  ['proxy-connect', 'ECONNABORTED', 'proxy.aborted'],
  ['proxy-connect', 'HPE_INVALID_CONSTANT', 'http.protocol.error'],
  ['tls', 'ECONNRESET', 'tls.reset'],
  ['tls', 'EPROTO', 'tls.protocol.error'],
  ['tls', 'ERR_SSL_WRONG_VERSION_NUMBER', 'tls.protocol.error'],
  ['tls', 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'tls.protocol.error'],
  ['tls', 'ERR_SSL_UNSUPPORTED_PROTOCOL', 'tls.version_or_cipher_mismatch'],
  ['tls', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls.version_or_cipher_mismatch'],
  ['tls', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'tls.version_or_cipher_mismatch'],
  ['tls', 'CERT_HAS_EXPIRED', 'tls.cert.date_invalid'],
  ['tls', 'CERT_NOT_YET_VALID', 'tls.cert.date_invalid'],
  ['tls', 'ERR_TLS_CERT_ALTNAME_INVALID', 'tls.cert.name_invalid'],
  ['tls', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls.cert.authority_invalid'],
  ['tls', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls.cert.authority_invalid'],
  ['tls', 'SELF_SIGNED_CERT_IN_CHAIN', 'tls.cert.authority_invalid'],
  ['tls', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'tls.cert.authority_invalid'],
  ['tls', 'CERT_REVOKED', 'tls.cert.invalid'],
  ['wait', 'ECONNRESET', 'http.reset'],
  ['wait', 'EPIPE', 'http.reset'],
  ['wait', 'ETIMEDOUT', 'http.timed_out'],
  ['wait', 'ECONNABORTED', 'http.aborted'],
  ['wait', 'HPE_INVALID_CONSTANT', 'http.protocol.error'],
  ['receive', 'HPE_HEADER_OVERFLOW', 'http.protocol.error'],
  ['receive', 'ECONNRESET', 'http.reset'],
  ['prepare', 'ERR_INVALID_CHAR', 'probe.bad_config'],
  ['prepare', 'ERR_INVALID_URL', 'probe.bad_url'],
  ['prepare', 'ERR_SOMETHING', 'agent.internal'],
  ['render', 'UNKNOWN_THING', 'browser.navigation_failed'],
];

describe('classify', () => {
  it.each(cases)('calls %s %s %s', (phase, code, type) => {
    const failure = classifyError(phase, error(code));
    expect(failure).toMatchObject({ type, phase });
    expect(failure.message).toContain(code);
    expect(check(Failure, failure).ok).toBe(true);
  });

  it.each([
    ['dns', 'dns.timed_out'],
    ['connect', 'tcp.timed_out'],
    ['proxy-connect', 'tunnel.timed_out'],
    ['tls', 'tls.timed_out'],
    ['wait', 'http.timed_out'],
    ['receive', 'http.timed_out'],
    ['render', 'browser.timed_out'],
  ] as const)('blames a deadline that passes in phase %s on it: %s', (phase, type) => {
    expect(classifyError(phase, new Error('whatever'), 'timed-out').type).toBe(type);
    expect(classifyError(phase, AbortSignal.timeout(0).reason ?? timeoutError()).type).toBe(type);
  });

  it('blames nobody when the agent stops', () => {
    const aborted = new DOMException('This operation was aborted', 'AbortError');
    expect(classifyError('wait', aborted)).toMatchObject({ type: 'abandoned', source: 'none' });
    expect(classifyError('tls', error('ECONNRESET'), 'abandoned').type).toBe('abandoned');
  });

  it.each([
    [403, 'edge-1; error=http_request_denied; details="rule no-games"', 'policy.blocked'],
    [403, 'edge-1; error=destination_ip_prohibited', 'policy.blocked'],
    [502, 'edge-1; error=dns_error', 'edge.dns_failed'],
    [504, 'edge-1; error=dns_timeout', 'edge.dns_failed'],
    [502, 'edge-1; error=connection_refused', 'edge.dial_failed'],
    [502, 'edge-1; error=destination_unavailable', 'edge.dial_failed'],
    [504, 'edge-1; error=connection_timeout', 'edge.dial_failed'],
    [429, 'edge-1; error=connection_limit_reached', 'edge.overloaded'],
    [503, 'whyslow-agent; error=destination_unavailable; details="tunnel down"', 'tunnel.down'],
    [504, 'whyslow-agent; error=connection_timeout', 'tunnel.timed_out'],
    [502, 'edge-1; error=dns_error, whyslow-agent', 'edge.dns_failed'],
    [502, 'edge-1; details="a, b; error=dns_error"; error=connection_refused', 'edge.dial_failed'],
    [403, undefined, 'policy.blocked'],
    [429, undefined, 'edge.overloaded'],
    [407, undefined, 'proxy.refused'],
    [503, undefined, 'proxy.refused'],
  ] as const)('reads a CONNECT refused with %i and %s as %s', (status, header, type) => {
    expect(classifyRefusal(status, header)).toMatchObject({ type, phase: 'proxy-connect' });
  });

  it.each([
    [503, 'http.error'],
    [405, 'http.method_not_allowed'],
    [501, 'http.method_not_allowed'],
    [429, 'http.rate_limited'],
  ] as const)('calls an unexpected status %i of the application %s', (status, type) => {
    expect(classifyStatus(status)).toMatchObject({ type, source: 'target' });
  });

  it.each([
    ['connect ECONNREFUSED 192.0.2.7:443', '192.0.2.7'],
    ['connect EHOSTUNREACH 2001:db8::7:443 - Local (:::0)', '2001:db8'],
    ['bad answer from https://user:hunter2@app.test/a', 'hunter2'],
    ['cannot fetch https://app.test/login?code=abc123', 'abc123'],
    ['header "Authorization: Bearer abc.def" is invalid', 'abc.def'],
    ['token=s3cr3t-value was refused', 's3cr3t'],
    ['key 0123456789abcdef0123456789abcdef01234567 unknown', '0123456789abcdef'],
  ])('keeps addresses and secrets out of a message: %s', (message, hidden) => {
    expect(classifyError('connect', new Error(message)).message).not.toContain(hidden);
  });

  it('bounds the message', () => {
    const { message } = classifyError('wait', new Error('far too long '.repeat(500)));
    expect(message.length).toBeLessThanOrEqual(300);
  });
});

const timeoutError = () => new DOMException('timed out', 'TimeoutError');
