import { describe, expect, test } from 'vitest';
import {
  decideEnforcement,
  type EnforcementFacts,
  enforcementStates,
} from '#agent/enforcement/decide.ts';
import { forwardingActions } from '#contract/forwarding.ts';

type Policy = NonNullable<EnforcementFacts['policy']>;

const policies: EnforcementFacts['policy'][] = [
  null,
  ...(['tunnel', 'off'] as const).flatMap((mode) =>
    [true, false].flatMap((strict) =>
      (['open', 'closed'] as const).flatMap((whenTunnelDown) =>
        forwardingActions.map((networkAction) => ({ mode, strict, whenTunnelDown, networkAction })),
      ),
    ),
  ),
];
const networkStates = ['ok', 'captive-portal', 'dns-hijacked', 'down', 'unknown'] as const;

/** 4 × 33 × 2 × 2 × 5 × 2. */
const everything: EnforcementFacts[] = (
  ['none', 'enrolled', 'expired', 'removed'] as const
).flatMap((identity) =>
  policies.flatMap((policy) =>
    [true, false].flatMap((strictWithoutPolicy) =>
      [true, false].flatMap((isUp) =>
        networkStates.flatMap((state) =>
          [0, 240_000].map((graceLeftMs) => ({
            identity,
            policy,
            strictWithoutPolicy,
            tunnel: { isUp, reason: 'no answer to 3 pings' },
            network: { state, reason: 'as found', portal: 'http://portal.test' },
            graceLeftMs,
          })),
        ),
      ),
    ),
  ),
);

const isStrict = ({ identity, policy, strictWithoutPolicy }: EnforcementFacts): boolean =>
  identity === 'enrolled' && policy !== null
    ? policy.strict
    : strictWithoutPolicy || policy?.strict === true;

const policySaysOff = ({ identity, policy }: EnforcementFacts): boolean =>
  identity === 'enrolled' &&
  policy !== null &&
  (policy.mode === 'off' || ['none', 'enforce-proxy'].includes(policy.networkAction));

const isCarried = (facts: EnforcementFacts): boolean =>
  facts.identity === 'enrolled' && facts.policy !== null && facts.tunnel.isUp;

describe('for every combination of facts', () => {
  const decided = everything.map((facts) => ({ facts, ...decideEnforcement(facts) }));

  test('there is a state with a text and a cause, and every state is reached by some', () => {
    expect(decided).toHaveLength(4 * 33 * 2 * 2 * 5 * 2);
    expect(decided.filter(({ text, cause }) => text === '' || cause === '')).toEqual([]);
    expect(new Set(decided.map(({ state }) => state))).toEqual(new Set(enforcementStates));
  });

  test('the kernel shuts exactly where it is strict and policy does not keep the agent out', () => {
    const wrong = decided.filter(
      ({ facts, fence }) => (fence !== 'absent') !== (isStrict(facts) && !policySaysOff(facts)),
    );
    expect(wrong).toEqual([]);
  });

  test('what the kernel shuts the agent does not open, and the other way round', () => {
    const wrong = decided.filter(({ fence, direct, whenTunnelDown, isPortalOpen }) => {
      if (fence === 'absent') return direct !== 'by-policy';
      if (fence === 'portal' && !isPortalOpen) return true;
      const isByPolicy = fence === 'by-policy';
      return whenTunnelDown !== 'closed' || (direct === 'by-policy') !== isByPolicy;
    });
    expect(wrong).toEqual([]);
  });

  test('ranges that policy sends direct leave past the kernel’s fence only while the tunnel is up', () => {
    const wrong = decided.filter(({ facts, fence }) => fence === 'by-policy' && !isCarried(facts));
    expect(wrong).toEqual([]);
  });

  test('protected is said only of an enrolled device with a policy and a tunnel that is up', () => {
    const wrong = decided.filter(
      ({ facts, state }) => (state === 'protected') !== (isCarried(facts) && !policySaysOff(facts)),
    );
    expect(wrong).toEqual([]);
  });

  test('whoever reads blocked or closed, or is asked to do something, is told what', () => {
    const wrong = decided.filter(
      ({ state, remedy }) => /blocked|closed|portal|down|waiting/.test(state) && remedy === '',
    );
    expect(wrong).toEqual([]);
  });

  test('a captive portal is let out to only while there is time, and only where all else is shut', () => {
    const wrong = decided.filter(
      ({ facts, isPortalOpen, fence }) =>
        (isPortalOpen || fence === 'portal') &&
        (facts.graceLeftMs === 0 || facts.network.state !== 'captive-portal'),
    );
    expect(wrong).toEqual([]);
  });

  test('the time to log in changes nothing where there is no portal', () => {
    const without = everything.filter(({ network }) => network.state !== 'captive-portal');
    for (const facts of without.filter(({ graceLeftMs }) => graceLeftMs === 0)) {
      expect(decideEnforcement({ ...facts, graceLeftMs: 9e5 })).toEqual(decideEnforcement(facts));
    }
  });
});

const policy = (changes: Partial<Policy> = {}): Policy => ({
  mode: 'tunnel',
  strict: false,
  whenTunnelDown: 'open',
  networkAction: 'tunnel',
  ...changes,
});
const facts = (changes: Partial<EnforcementFacts>): EnforcementFacts => ({
  identity: 'enrolled',
  policy: policy(),
  strictWithoutPolicy: false,
  tunnel: { isUp: false, reason: 'edge e1 lost: no answer to 3 pings' },
  network: { state: 'ok', reason: 'the collector answered' },
  graceLeftMs: 0,
  ...changes,
});
const strict = policy({ strict: true });
const up = { isUp: true, reason: 'on edge e1' };
const portal = {
  state: 'captive-portal',
  reason: 'expected 204',
  portal: 'http://p.test',
} as const;

test.each([
  ['protected', { tunnel: up }],
  ['protected', { tunnel: up, policy: strict }],
  ['protected', { tunnel: up, network: portal }],
  ['off by policy', { policy: policy({ mode: 'off' }) }],
  ['off on this network', { policy: policy({ networkAction: 'none', strict: true }) }],
  ['waiting for the first policy', { policy: null }],
  ['blocked: no policy yet', { policy: null, strictWithoutPolicy: true, tunnel: up }],
  ['open: tunnel down', {}],
  ['closed: tunnel down', { policy: policy({ whenTunnelDown: 'closed' }) }],
  ['blocked: tunnel down', { policy: strict }],
  ['open: not enrolled', { identity: 'none', policy: null }],
  ['blocked: not enrolled', { identity: 'none', policy: null, strictWithoutPolicy: true }],
  ['blocked: not enrolled', { identity: 'none', policy: strict }],
  ['open: device removed', { identity: 'removed', tunnel: up }],
  ['blocked: device removed', { identity: 'removed', tunnel: up, policy: strict }],
  ['blocked: device removed', { identity: 'removed', strictWithoutPolicy: true }],
  ['blocked: enrolment expired', { identity: 'expired', policy: strict }],
  ['network down', { network: { state: 'down', reason: 'no link on eth0' } }],
  ['captive portal: open until you log in', { network: portal }],
  ['captive portal: 4 min left to log in', { network: portal, policy: strict, graceLeftMs: 2e5 }],
  ['captive portal: 20 s left to log in', { network: portal, policy: strict, graceLeftMs: 2e4 }],
  ['blocked: captive portal, time to log in is over', { network: portal, policy: strict }],
] as [string, Partial<EnforcementFacts>][])('a user reads “%s” for %j', (text, changes) => {
  expect(decideEnforcement(facts(changes)).text).toBe(text);
});

test('the portal’s address is in what to do', () => {
  const { remedy } = decideEnforcement(facts({ network: portal, policy: strict, graceLeftMs: 1 }));
  expect(remedy).toBe('log in at http://p.test');
});
