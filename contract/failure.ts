import { type Static, Type } from '@sinclair/typebox';
import { closed, OneOf, Text } from './scalar.ts';

/**
 * The closed list of ways a run can fail, in the words of W3C Network Error Logging, with our own
 * for what lies between device and application. Low cardinality: it is a stored tag and equals
 * OpenTelemetry's `error.type`.
 */
export const failureTypes = [
  'dns.name_not_resolved',
  'dns.unreachable',
  'dns.timed_out',
  'dns.refused',
  'tcp.timed_out',
  'tcp.refused',
  'tcp.reset',
  'tcp.aborted',
  'tcp.address_unreachable',
  'tcp.failed',
  'tls.timed_out',
  'tls.reset',
  'tls.version_or_cipher_mismatch',
  'tls.cert.name_invalid',
  'tls.cert.date_invalid',
  'tls.cert.authority_invalid',
  'tls.cert.invalid',
  'tls.protocol.error',
  'tls.context_failed',
  'http.error',
  'http.method_not_allowed',
  'http.rate_limited',
  'http.timed_out',
  'http.reset',
  'http.aborted',
  'http.refused',
  'http.protocol.error',
  'http.response.redirect_loop',
  'http.response.too_large',
  'http.response.body_mismatch',
  'proxy.unreachable',
  'proxy.reset',
  'proxy.aborted',
  'proxy.refused',
  'proxy.bad_response',
  'tunnel.down',
  'tunnel.timed_out',
  'tunnel.bypassed',
  'edge.dns_failed',
  'edge.dial_failed',
  'edge.overloaded',
  'policy.blocked',
  'voice.no_answer',
  'voice.no_reflector',
  'path.not_reached',
  'path.not_permitted',
  'path.network_changed',
  'browser.missing',
  'browser.ca_not_trusted',
  'browser.crashed',
  'browser.timed_out',
  'browser.navigation_failed',
  'browser.step_failed',
  'agent.overrun',
  'agent.network_down',
  'agent.captive_portal',
  'agent.dns_hijacked',
  'agent.not_permitted',
  'agent.out_of_resources',
  'agent.secret_missing',
  'agent.internal',
  'probe.bad_url',
  'probe.bad_config',
  'abandoned',
] as const;

export type FailureType = (typeof failureTypes)[number];

/** Who is at fault. `none`: the run says nothing about the application (asleep, no permission). */
export const failureSources = [
  'target',
  'resolver',
  'path',
  'edge',
  'agent',
  'policy',
  'none',
] as const;
export type FailureSource = (typeof failureSources)[number];

/** The step during which it failed, in the order in which a run goes through them. */
export const failurePhases = [
  'prepare',
  'dns',
  'connect',
  'proxy-connect',
  'tls',
  'request',
  'wait',
  'receive',
  'render',
] as const;
export type FailurePhase = (typeof failurePhases)[number];

export const Failure = Type.Object(
  {
    type: OneOf(failureTypes),
    source: OneOf(failureSources),
    phase: OneOf(failurePhases),
    /** What happened, for a person; no secrets, no page content. */
    message: Text(500),
    /** What to do about it, for a person. */
    action: Text(500),
  },
  { ...closed, $id: 'Failure' },
);
export type Failure = Static<typeof Failure>;

/** Everything there is to say about a failure type that does not depend on the run. */
export type FailureFacts = { source: FailureSource; action: string };

/**
 * The party at fault and the advice for each type. The advice is one a helpdesk person can follow;
 * a type added above fails to compile until it has its line here.
 */
export const failureFacts = {
  'dns.name_not_resolved': {
    source: 'resolver',
    action: 'Check the name for typing errors; ask the DNS operator whether the record exists.',
  },
  'dns.unreachable': {
    source: 'resolver',
    action: 'Check that the device reaches its DNS server; try another resolver.',
  },
  'dns.timed_out': {
    source: 'resolver',
    action: 'The DNS server did not answer in time: check its load and the path to it.',
  },
  'dns.refused': {
    source: 'resolver',
    action:
      'The DNS server refused or failed the query: check its configuration and its forwarders.',
  },
  'tcp.timed_out': {
    source: 'path',
    action: 'Nothing answered: look at the path for loss, and at firewalls on the way.',
  },
  'tcp.refused': {
    source: 'target',
    action: 'The server is up but nothing listens on this port: ask the application owner.',
  },
  'tcp.reset': {
    source: 'target',
    action: 'The connection was reset: ask the application owner, and check firewalls on the way.',
  },
  'tcp.aborted': {
    source: 'agent',
    action: 'The device gave the connection up: check for a VPN or network change at that moment.',
  },
  'tcp.address_unreachable': {
    source: 'path',
    action: 'No route to the address: check the device’s network and its default gateway.',
  },
  'tcp.failed': {
    source: 'path',
    action: 'The connection failed: see the message for the system’s own words.',
  },
  'tls.timed_out': {
    source: 'target',
    action:
      'The TLS handshake did not finish: check the server’s load, and for a path-MTU problem.',
  },
  'tls.reset': {
    source: 'target',
    action:
      'The connection was closed during the TLS handshake: check for an inspecting middlebox.',
  },
  'tls.version_or_cipher_mismatch': {
    source: 'target',
    action: 'No TLS version or cipher in common: update the server or the client.',
  },
  'tls.cert.name_invalid': {
    source: 'target',
    action:
      'The certificate is for another name: ask the application owner, or check for a portal or proxy.',
  },
  'tls.cert.date_invalid': {
    source: 'target',
    action:
      'The certificate has expired or is not yet valid: ask the application owner; check the device’s clock.',
  },
  'tls.cert.authority_invalid': {
    source: 'target',
    action:
      'The certificate’s issuer is not trusted: check for TLS inspection, or install the organisation’s CA.',
  },
  'tls.cert.invalid': {
    source: 'target',
    action: 'The certificate was refused: see the message; ask the application owner.',
  },
  'tls.protocol.error': {
    source: 'target',
    action: 'The server does not speak TLS as expected: check the port and any proxy on the way.',
  },
  'tls.context_failed': {
    source: 'none',
    action: 'TLS could not be set up on the device: check the extra CA files given to the agent.',
  },
  'http.error': {
    source: 'target',
    action:
      'The application answered with an error status: ask the application owner, with the time and the URL.',
  },
  'http.method_not_allowed': {
    source: 'target',
    action:
      'The application does not take this method at this URL: choose another method for the probe, or another URL.',
  },
  'http.rate_limited': {
    source: 'target',
    action:
      'The application limits how often it is asked: raise the probe’s interval, or ask its owner to except the probes.',
  },
  'http.timed_out': {
    source: 'target',
    action:
      'The server accepted the request and did not answer in time: ask the application owner.',
  },
  'http.reset': {
    source: 'target',
    action: 'The server closed the connection before it answered: ask the application owner.',
  },
  'http.aborted': {
    source: 'agent',
    action: 'The device gave the connection up: check for a VPN or network change at that moment.',
  },
  'http.refused': {
    source: 'target',
    action:
      'The server turned the request away before it looked at it (HTTP/2): check its load and its limits.',
  },
  'http.protocol.error': {
    source: 'target',
    action: 'The answer is not valid HTTP: check the port and any proxy on the way.',
  },
  'http.response.redirect_loop': {
    source: 'target',
    action: 'Too many redirects: check the URL and whether the application wants a log-in.',
  },
  'http.response.too_large': {
    source: 'target',
    action:
      'The answer is larger than the probe’s limit: raise the limit or choose a smaller page.',
  },
  'http.response.body_mismatch': {
    source: 'target',
    action: 'The page came but without the expected text: check it in a browser.',
  },
  'proxy.unreachable': {
    source: 'agent',
    action:
      'The agent’s local proxy does not answer: check that the agent runs (`whyslow agent status`).',
  },
  'proxy.reset': {
    source: 'edge',
    action:
      'The proxy closed the connection before it answered CONNECT: check the agent, the tunnel and the edge.',
  },
  'proxy.aborted': {
    source: 'agent',
    action: 'The device gave the connection up: check for a VPN or network change at that moment.',
  },
  'proxy.refused': {
    source: 'edge',
    action:
      'The proxy refused CONNECT without saying why: see the status in the message, and the proxy’s log.',
  },
  'proxy.bad_response': {
    source: 'edge',
    action: 'The proxy’s answer was not understood: check what listens on the proxy’s port.',
  },
  'tunnel.down': {
    source: 'edge',
    action: 'The device has no tunnel: check its network, then the edge (`whyslow agent status`).',
  },
  'tunnel.timed_out': {
    source: 'edge',
    action: 'The edge did not answer in time: check the path to the edge and its load.',
  },
  'tunnel.bypassed': {
    source: 'none',
    action:
      'The forwarding policy sends this destination straight from the device (the rule is in the message): probe it `via: direct`, or change the rule.',
  },
  'edge.dns_failed': {
    source: 'resolver',
    action: 'The edge could not resolve the name: check the edge’s resolver and the record.',
  },
  'edge.dial_failed': {
    source: 'target',
    action:
      'The edge could not connect to the application: check the application and the path behind the edge.',
  },
  'edge.overloaded': {
    source: 'edge',
    action:
      'The edge refused the flow because it is over a limit: check its load and the device’s number of flows.',
  },
  'policy.blocked': {
    source: 'policy',
    action:
      'The organisation’s policy does not allow this destination: ask the policy’s owner if it should.',
  },
  'voice.no_answer': {
    source: 'path',
    action:
      'No packet came back: check that UDP to the edge’s reflector port is let through by firewalls on the way.',
  },
  'voice.no_reflector': {
    source: 'none',
    action:
      'Give the edge a `reflectorPort` in its config (862 is the usual one) and open it for UDP.',
  },
  'path.not_reached': {
    source: 'path',
    action:
      'The target did not answer; it may drop this kind of packet. Try another protocol (TCP).',
  },
  'path.not_permitted': {
    source: 'none',
    action:
      'Give the agent CAP_NET_RAW (or run it as root) and install the raw socket add-on: see docs/probes-path.md.',
  },
  'path.network_changed': {
    source: 'none',
    action: 'The device changed networks during the run: the next run will tell.',
  },
  'browser.missing': {
    source: 'none',
    action: 'Install Chrome, Chromium or Edge, or set WHYSLOW_BROWSER to its path.',
  },
  'browser.ca_not_trusted': {
    source: 'none',
    action:
      'The browser could not be given the private CA: install certutil (Debian: libnss3-tools), or put the CA into the system’s store.',
  },
  'browser.crashed': {
    source: 'agent',
    action: 'The browser ended unexpectedly: check the device’s memory.',
  },
  'browser.timed_out': {
    source: 'target',
    action: 'The page did not finish loading: see its slowest resources.',
  },
  'browser.navigation_failed': {
    source: 'target',
    action: 'The browser could not open the page: see the message, and the HTTP probe beside it.',
  },
  'browser.step_failed': {
    source: 'target',
    action:
      'A step of the page did not do what was expected: see which in the message, the screenshot, and whether the page was changed.',
  },
  'agent.overrun': {
    source: 'agent',
    action: 'The run before had not ended: raise the interval or lower the timeout.',
  },
  'agent.network_down': {
    source: 'agent',
    action: 'The device has no network: check its cable or Wi-Fi.',
  },
  'agent.captive_portal': {
    source: 'agent',
    action: 'A captive portal answers instead of the network: log in to it in a browser.',
  },
  'agent.dns_hijacked': {
    source: 'agent',
    action:
      'The network’s DNS answers for names that do not exist: set another resolver, or leave that network.',
  },
  'agent.not_permitted': {
    source: 'agent',
    action:
      'The device forbids the connection: check its local firewall and its endpoint security.',
  },
  'agent.out_of_resources': {
    source: 'agent',
    action: 'The device has no memory or file handles left for the run: see what uses them.',
  },
  'agent.secret_missing': {
    source: 'agent',
    action:
      'Add the secret to the file that `secretsFile` of the agent’s config names (mode 0600), or correct the name in the step.',
  },
  'agent.internal': {
    source: 'agent',
    action: 'A fault in the agent: please report it with the agent’s log.',
  },
  'probe.bad_url': {
    source: 'none',
    action: 'The probe’s URL cannot be read: correct it in the organisation’s file.',
  },
  'probe.bad_config': {
    source: 'none',
    action: 'The probe cannot be carried out as declared: see the message, and correct it.',
  },
  abandoned: { source: 'none', action: 'The run was given up because the agent was stopping.' },
} as const satisfies Record<FailureType, FailureFacts>;
