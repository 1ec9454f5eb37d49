import type { ForwardingAction } from '#contract/forwarding.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import type { NetworkState } from '../control/network-state.ts';

/** All that decides what a device lets out. */
export type EnforcementFacts = {
  /** `expired`: off past the end of its certificate; `removed`: the collector knows it no more. */
  identity: 'none' | 'enrolled' | 'expired' | 'removed';
  /** The last one that was signed for this device; null: none yet. */
  policy: {
    mode: ForwardingPolicy['mode'];
    strict: boolean;
    whenTunnelDown: ForwardingPolicy['whenTunnelDown'];
    /** On the network the device is on. */
    networkAction: ForwardingAction;
  } | null;
  /** The program's config says so, or the strict table stands and no policy has taken it away. */
  strictWithoutPolicy: boolean;
  tunnel: { isUp: boolean; reason: string };
  network: { state: NetworkState; reason: string; portal?: string | null | undefined };
  /** Of the time to log in at a captive portal; 0: none was given, or it is over. */
  graceLeftMs: number;
};

export const enforcementStates = [
  'protected',
  'off-by-policy',
  'off-on-network',
  'waiting-for-policy',
  'open-not-enrolled',
  'open-expired',
  'open-removed',
  'open-tunnel-down',
  'closed-tunnel-down',
  'blocked-not-enrolled',
  'blocked-expired',
  'blocked-removed',
  'blocked-no-policy',
  'blocked-tunnel-down',
  'captive-portal',
  'captive-portal-over',
  'network-down',
] as const;
export type EnforcementState = (typeof enforcementStates)[number];

/** What is let out, and why, in words for the user. */
export type Enforcement = {
  state: EnforcementState;
  text: string;
  cause: string;
  /** What to do about it; empty: nothing. */
  remedy: string;
  /**
   * What the kernel lets past the agent. `absent`: all; `closed`: the exceptions only; `by-policy`:
   * these and the ranges that policy sends direct; `portal`: these and the captive portal's addresses.
   */
  fence: 'absent' | 'closed' | 'by-policy' | 'portal';
  /** Of a flow that no edge could be found for. */
  whenTunnelDown: ForwardingPolicy['whenTunnelDown'];
  /** What the agent itself connects past the tunnel: all that policy sends there, or the exceptions. */
  direct: 'by-policy' | 'exceptions';
  /** And the captive portal, for this long. */
  isPortalOpen: boolean;
  graceLeftMs: number;
};

/**
 * The one place that decides whether a device is open or shut: the kernel's fence, the local proxies,
 * captured flows and what the user reads all follow it. A pure function, so that a surprise can be
 * written down as facts.
 */
export const decideEnforcement = (facts: EnforcementFacts): Enforcement => {
  const { identity, policy, tunnel, network } = facts;
  const strict = isStrict(facts);
  if (identity === 'enrolled' && policy?.mode === 'off') return off('off-by-policy');
  if (identity === 'enrolled' && policy && keepsOut(policy.networkAction)) {
    return off('off-on-network', policy.networkAction);
  }
  if (identity === 'enrolled' && policy && tunnel.isUp) {
    return {
      ...sayings.protected,
      state: 'protected',
      cause: tunnel.reason,
      fence: strict ? 'by-policy' : 'absent',
      whenTunnelDown: strict ? 'closed' : policy.whenTunnelDown,
      direct: 'by-policy',
      isPortalOpen: false,
      graceLeftMs: 0,
    };
  }
  const isOpen = !strict && (identity !== 'enrolled' || policy?.whenTunnelDown === 'open');
  if (network.state === 'captive-portal') return atPortal(facts, strict, isOpen);
  if (network.state === 'down') return shut('network-down', network.reason, strict, isOpen);
  if (identity !== 'enrolled') {
    const state = `${strict ? 'blocked' : 'open'}-${lacking[identity]}` as const;
    return shut(state, sayings[state].cause, strict, isOpen);
  }
  if (policy === null) {
    const state = strict ? 'blocked-no-policy' : 'waiting-for-policy';
    return shut(state, sayings[state].cause, strict, false);
  }
  const state = strict ? 'blocked-tunnel-down' : isOpen ? 'open-tunnel-down' : 'closed-tunnel-down';
  return shut(state, tunnel.reason, strict, isOpen);
};

/** Who is not enrolled, or no more, is held by whatever was strict before. */
const isStrict = ({ identity, policy, strictWithoutPolicy }: EnforcementFacts): boolean => {
  if (identity === 'enrolled' && policy !== null) return policy.strict;
  return strictWithoutPolicy || policy?.strict === true;
};

const keepsOut = (action: ForwardingAction): boolean =>
  action === 'none' || action === 'enforce-proxy';

const lacking = { none: 'not-enrolled', expired: 'expired', removed: 'removed' } as const;

const off = (
  state: 'off-by-policy' | 'off-on-network',
  action?: ForwardingAction,
): Enforcement => ({
  ...sayings[state],
  cause: action === undefined ? sayings[state].cause : `${sayings[state].cause} (${action})`,
  state,
  fence: 'absent',
  whenTunnelDown: 'open',
  direct: 'by-policy',
  isPortalOpen: false,
  graceLeftMs: 0,
});

const shut = (
  state: EnforcementState,
  cause: string,
  strict: boolean,
  isOpen: boolean,
): Enforcement => ({
  ...sayings[state],
  cause,
  state,
  fence: strict ? 'closed' : 'absent',
  whenTunnelDown: isOpen ? 'open' : 'closed',
  direct: strict ? 'exceptions' : 'by-policy',
  isPortalOpen: false,
  graceLeftMs: 0,
});

/** Where everything is open there is no time to measure: the user logs in and the tunnel comes up. */
const atPortal = (facts: EnforcementFacts, strict: boolean, isOpen: boolean): Enforcement => {
  const { network, graceLeftMs } = facts;
  const where = network.portal == null ? '' : ` at ${network.portal}`;
  if (isOpen) {
    const open = shut('captive-portal', network.reason, strict, isOpen);
    return { ...open, text: 'captive portal: open until you log in', remedy: `log in${where}` };
  }
  if (graceLeftMs <= 0) return shut('captive-portal-over', network.reason, strict, isOpen);
  return {
    ...shut('captive-portal', network.reason, strict, isOpen),
    text: `captive portal: ${minutes(graceLeftMs)} left to log in`,
    remedy: `log in${where}`,
    fence: strict ? 'portal' : 'absent',
    isPortalOpen: true,
    graceLeftMs,
  };
};

const minutes = (ms: number): string =>
  ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`;

const enrolAnew = 'ask for a new token and run `whyslow agent enroll TOKEN`';

/** Causes that depend on nothing else; where it is empty the facts give it. */
const sayings: Record<EnforcementState, { text: string; cause: string; remedy: string }> = {
  protected: { text: 'protected', cause: '', remedy: '' },
  'off-by-policy': {
    text: 'off by policy',
    cause: 'the organisation switched forwarding off',
    remedy: '',
  },
  'off-on-network': {
    text: 'off on this network',
    cause: 'policy keeps the agent out of networks of this kind',
    remedy: '',
  },
  'waiting-for-policy': {
    text: 'waiting for the first policy',
    cause: 'the collector has not answered; proxies refuse, all else is open',
    remedy: 'check that the collector can be reached',
  },
  'open-not-enrolled': {
    text: 'open: not enrolled',
    cause: 'this device has no identity yet',
    remedy: enrolAnew,
  },
  'open-expired': {
    text: 'open: enrolment expired',
    cause: 'the certificate ended before it could be renewed',
    remedy: enrolAnew,
  },
  'open-removed': {
    text: 'open: device removed',
    cause: 'the collector knows this device no more',
    remedy: enrolAnew,
  },
  'open-tunnel-down': {
    text: 'open: tunnel down',
    cause: '',
    remedy: 'none needed: traffic goes direct until an edge answers',
  },
  'closed-tunnel-down': {
    text: 'closed: tunnel down',
    cause: '',
    remedy: 'wait for an edge to answer; only what does not use the agent works',
  },
  'blocked-not-enrolled': {
    text: 'blocked: not enrolled',
    cause: 'strict enforcement: nothing goes out before enrolment',
    remedy: enrolAnew,
  },
  'blocked-expired': {
    text: 'blocked: enrolment expired',
    cause: 'the certificate ended before it could be renewed',
    remedy: enrolAnew,
  },
  'blocked-removed': {
    text: 'blocked: device removed',
    cause: 'strict enforcement: the collector knows this device no more',
    remedy: enrolAnew,
  },
  'blocked-no-policy': {
    text: 'blocked: no policy yet',
    cause: 'strict enforcement: the collector has not answered yet',
    remedy: 'check that the collector can be reached',
  },
  'blocked-tunnel-down': {
    text: 'blocked: tunnel down',
    cause: '',
    remedy: 'wait for an edge to answer, or change network; tell the helpdesk if it stays',
  },
  'captive-portal': { text: 'captive portal', cause: '', remedy: 'log in' },
  'captive-portal-over': {
    text: 'blocked: captive portal, time to log in is over',
    cause: '',
    remedy: 'use another network; here you can try again within the hour',
  },
  'network-down': {
    text: 'network down',
    cause: '',
    remedy: 'connect the cable or the Wi-Fi',
  },
};
