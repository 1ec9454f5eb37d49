import { isIP } from 'node:net';
import {
  parseTrafficRule,
  type TrafficProtocol,
  type TrafficRule,
  type TrafficSelection,
} from '#contract/forwarding.ts';
import { compileHostPatterns } from '#contract/host-pattern.ts';
import { createRangeIndex } from '#contract/range-index.ts';

export type SelectedFlow = {
  /** A name or an address literal, normalised. */
  host: string;
  port: number;
  protocol: TrafficProtocol;
};

/** Says whether a flow is carried, and which rule says so; undefined: none does. */
export type SelectTraffic = (flow: SelectedFlow) => { carried: boolean; rule: string } | undefined;

/**
 * Never of use beyond the device's own network, and refused by edges: private (RFC 1918, RFC 4193),
 * link-local and multicast addresses. An include of the same length or longer overrules it.
 */
export const excludedByDefault: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
];

/** Made once for a policy. Rules that cannot be read were refused when it was declared. */
export const compileTrafficSelection = (selection: TrafficSelection): SelectTraffic => {
  const byName = compileNames(selection.names ?? {});
  const byAddress = compileAddresses(selection.addresses);
  return (flow) => (isIP(flow.host) === 0 ? byName(flow) : byAddress(flow));
};

const compileNames = (names: NonNullable<TrafficSelection['names']>): SelectTraffic => {
  const include = names.include ?? [];
  const matchInclude = compileHostPatterns(include);
  const matchExclude = compileHostPatterns(names.exclude ?? []);
  return ({ host }) => {
    const included = matchInclude(host);
    const excluded = matchExclude(host);
    if (included !== undefined && (excluded === undefined || names.excludeWins !== true)) {
      return { carried: true, rule: `include ${included}` };
    }
    if (excluded !== undefined) return { carried: false, rule: `exclude ${excluded}` };
    return include.length === 0 ? undefined : { carried: false, rule: 'not included' };
  };
};

type Ranked = { rule: TrafficRule; carried: boolean; isDefault: boolean };

const compileAddresses = (addresses: TrafficSelection['addresses'] = {}): SelectTraffic => {
  const include = addresses.include ?? [];
  const ranked = [
    ...ranksOf(include, true, false),
    ...ranksOf(addresses.exclude ?? [], false, false),
    ...ranksOf(excludedByDefault, false, true),
  ].sort(byPrecedence);
  const index = createRangeIndex<number>();
  for (const [rank, { rule }] of ranked.entries()) {
    index.add(`${rule.address}/${rule.prefixBits}`, rank);
  }
  return (flow) => {
    const ranks = index.find(flow.host).sort((a, b) => a - b);
    const first = ranks.find((rank) => applies(ranked[rank], flow));
    const found = first === undefined ? undefined : ranked[first];
    if (found !== undefined) {
      const word = found.carried ? 'include' : found.isDefault ? 'local address' : 'exclude';
      return { carried: found.carried, rule: `${word} ${found.rule.text}` };
    }
    return include.length === 0 ? undefined : { carried: false, rule: 'not included' };
  };
};

const ranksOf = (texts: readonly string[], carried: boolean, isDefault: boolean): Ranked[] =>
  texts.flatMap((text) => {
    const rule = parseTrafficRule(text);
    return 'mistake' in rule ? [] : [{ rule, carried, isDefault }];
  });

/** The longest prefix first, then what says more about the flow, then what includes. */
const byPrecedence = (a: Ranked, b: Ranked): number =>
  b.rule.prefixBits - a.rule.prefixBits ||
  fieldCount(b.rule) - fieldCount(a.rule) ||
  Number(b.carried) - Number(a.carried);

const fieldCount = ({ ports, protocol }: TrafficRule): number =>
  Number(ports !== undefined) + Number(protocol !== undefined);

/** Of one whose range the address is in. */
const applies = (ranked: Ranked | undefined, { port, protocol }: SelectedFlow): boolean => {
  if (ranked === undefined) return false;
  const { rule } = ranked;
  return (
    (rule.protocol === undefined || rule.protocol === protocol) &&
    (rule.ports === undefined || (port >= rule.ports.from && port <= rule.ports.to))
  );
};
