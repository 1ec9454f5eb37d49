import { BlockList, isIP } from 'node:net';
import {
  parseTrafficRule,
  type TrafficProtocol,
  type TrafficRule,
  type TrafficSelection,
} from '#contract/forwarding.ts';
import { addRange, compileHostPatterns, isInList } from '#contract/host-pattern.ts';

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

type Ranked = { rule: TrafficRule; carried: boolean; list: BlockList; isDefault: boolean };

const compileAddresses = (addresses: TrafficSelection['addresses'] = {}): SelectTraffic => {
  const include = addresses.include ?? [];
  const ranked = [
    ...ranksOf(include, true, false),
    ...ranksOf(addresses.exclude ?? [], false, false),
    ...ranksOf(excludedByDefault, false, true),
  ].sort(byPrecedence);
  return (flow) => {
    const found = ranked.find((each) => applies(each, flow));
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
    if ('mistake' in rule) return [];
    const list = new BlockList();
    addRange(list, `${rule.address}/${rule.prefixBits}`);
    return [{ rule, carried, list, isDefault }];
  });

/** The longest prefix first, then what says more about the flow, then what includes. */
const byPrecedence = (a: Ranked, b: Ranked): number =>
  b.rule.prefixBits - a.rule.prefixBits ||
  fieldCount(b.rule) - fieldCount(a.rule) ||
  Number(b.carried) - Number(a.carried);

const fieldCount = ({ ports, protocol }: TrafficRule): number =>
  Number(ports !== undefined) + Number(protocol !== undefined);

const applies = ({ rule, list }: Ranked, { host, port, protocol }: SelectedFlow): boolean =>
  (rule.protocol === undefined || rule.protocol === protocol) &&
  (rule.ports === undefined || (port >= rule.ports.from && port <= rule.ports.to)) &&
  isInList(list, host);
