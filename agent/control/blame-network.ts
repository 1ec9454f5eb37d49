import { type Failure, type FailureType, failureFacts } from '#contract/failure.ts';
import type { NetworkFinding } from './network-state.ts';

/** Failures in which nobody answered: what a network that is not there looks like. */
const unanswered: readonly FailureType[] = [
  'dns.unreachable',
  'dns.timed_out',
  'dns.name_not_resolved',
  'tcp.timed_out',
  'tcp.address_unreachable',
  'tcp.failed',
  'tunnel.down',
  'tunnel.timed_out',
  'path.not_reached',
  'voice.no_answer',
];

/** Failures that a portal answering in everyone's name brings about as well. */
const intercepted: readonly FailureType[] = [
  ...unanswered,
  'tcp.refused',
  'tcp.reset',
  'tls.timed_out',
  'tls.reset',
  'tls.version_or_cipher_mismatch',
  'tls.cert.name_invalid',
  'tls.cert.authority_invalid',
  'tls.cert.invalid',
  'tls.protocol.error',
  'http.protocol.error',
  'http.response.body_mismatch',
  'http.response.redirect_loop',
];

/**
 * A failed run's failure, seen with what is established about the network around the device: behind
 * a captive portal or without a network it says nothing about the application. Nor where it went to
 * an address (of those it tried) that the name server gives for names that do not exist.
 */
export const blameNetwork = (
  failure: Failure,
  finding: NetworkFinding,
  addresses: readonly string[] = [],
): Failure => {
  if (finding.state === 'captive-portal' && intercepted.includes(failure.type)) {
    return agentFailure('agent.captive_portal', failure, finding.reason);
  }
  if (finding.state === 'down' && unanswered.includes(failure.type)) {
    return agentFailure('agent.network_down', failure, finding.reason);
  }
  const hijacked = addresses.some((address) => finding.hijackAddresses?.includes(address));
  if (finding.state === 'dns-hijacked' && hijacked) {
    return agentFailure('agent.dns_hijacked', failure, finding.reason);
  }
  return failure;
};

/** Whether the state of the network could change what the failure means. */
export const mayBeNetwork = (failure: Failure): boolean =>
  intercepted.includes(failure.type) || answered.includes(failure.type);

/** What a server put in an application's place by a lying resolver may say. */
const answered: readonly FailureType[] = ['http.error', 'http.method_not_allowed', 'http.refused'];

const agentFailure = (type: FailureType, seen: Failure, reason: string): Failure => ({
  type,
  phase: seen.phase,
  source: failureFacts[type].source,
  message: `${reason}; the run itself saw ${seen.type}: ${seen.message}`.slice(0, 500),
  action: failureFacts[type].action,
});
