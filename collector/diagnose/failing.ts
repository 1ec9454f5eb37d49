import type { FailureType } from '#contract/failure.ts';
import type { Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';

/**
 * Where each failure lies. `null`: it says nothing about a segment (policy, permissions, the agent
 * itself). A failure type added to the contract fails to compile until it has its line here.
 */
const segmentOfFailure = {
  'dns.name_not_resolved': 'dns',
  'dns.unreachable': 'dns',
  'dns.timed_out': 'dns',
  'dns.refused': 'dns',
  'tcp.timed_out': 'client-edge',
  'tcp.refused': 'server',
  'tcp.reset': 'server',
  'tcp.aborted': 'device',
  'tcp.address_unreachable': 'client-edge',
  'tcp.failed': 'client-edge',
  'tls.timed_out': 'tls',
  'tls.reset': 'tls',
  'tls.version_or_cipher_mismatch': 'tls',
  'tls.cert.name_invalid': 'tls',
  'tls.cert.date_invalid': 'tls',
  'tls.cert.authority_invalid': 'tls',
  'tls.cert.invalid': 'tls',
  'tls.protocol.error': 'tls',
  'tls.context_failed': null,
  'http.error': 'server',
  'http.method_not_allowed': 'server',
  'http.rate_limited': 'server',
  'http.timed_out': 'server',
  'http.reset': 'server',
  'http.aborted': 'device',
  'http.refused': 'server',
  'http.protocol.error': 'server',
  'http.response.redirect_loop': 'server',
  'http.response.too_large': 'server',
  'http.response.body_mismatch': 'server',
  'proxy.unreachable': 'device',
  'proxy.reset': 'client-edge',
  'proxy.aborted': 'device',
  'proxy.refused': 'in-edge',
  'proxy.bad_response': 'in-edge',
  'tunnel.down': 'client-edge',
  'tunnel.timed_out': 'client-edge',
  'edge.dns_failed': 'dns',
  'edge.dial_failed': 'edge-origin',
  'edge.overloaded': 'in-edge',
  'policy.blocked': null,
  'tunnel.bypassed': null,
  'voice.no_answer': null,
  'voice.no_reflector': null,
  'path.not_reached': null,
  'path.not_permitted': null,
  'path.network_changed': null,
  'browser.missing': null,
  'browser.ca_not_trusted': null,
  'browser.crashed': null,
  'browser.timed_out': 'page',
  'browser.navigation_failed': 'page',
  'browser.step_failed': 'page',
  'agent.overrun': null,
  'agent.network_down': null,
  'agent.captive_portal': null,
  'agent.dns_hijacked': null,
  'agent.not_permitted': null,
  'agent.out_of_resources': null,
  'agent.secret_missing': null,
  'agent.internal': null,
  'probe.bad_url': null,
  'probe.bad_config': null,
  abandoned: null,
} as const satisfies Record<FailureType, Segment | null>;

/** The segment that a type of failure points at; null: it says nothing about one, or is none. */
export const segmentOfFailureType = (type: string): Segment | null =>
  Object.hasOwn(segmentOfFailure, type) ? segmentOfFailure[type as FailureType] : null;

/** An edge that is refused has reached the machine: it is the application's, not the way's (RFC 9209 words). */
export const failureTypeOf = (type: string, message: string | null): string =>
  type === 'edge.dial_failed' && /refused/i.test(message ?? '') ? 'tcp.refused' : type;

/** The segment a failed run points at. */
export const failedSegment = (run: Point<'http'> | Point<'page_load'>): Segment | null =>
  segmentOfFailureType(failureTypeOf(run.tags.failure_type, run.fields.failure_message));
