import { parseAuthority } from '#contract/authority.ts';
import type { Mistake } from '#contract/check.ts';
import { parseTrafficRule, type TrafficSelection } from '#contract/forwarding.ts';
import { hostMistake, isAddressOrRange } from '#contract/host-pattern.ts';
import type { Organisation } from '#contract/organisation.ts';
import { pacMistakes } from '#contract/pac.ts';
import { checkHosts } from './host-check.ts';
import { pointerKey } from './json-pointer.ts';

type Forwarding = NonNullable<Organisation['forwarding']>;

/** What the shape of a forwarding policy cannot say. */
export const checkForwarding = (forwarding: Forwarding = {}): Mistake[] => [
  ...(forwarding.networks ?? []).flatMap((network, index) =>
    checkNetwork(network, `/forwarding/networks/${index}`),
  ),
  ...checkHosts(forwarding.bypass, '/forwarding/bypass'),
  ...checkHosts(forwarding.identityProviders, '/forwarding/identityProviders'),
  ...checkHosts(forwarding.vpnGateways, '/forwarding/vpnGateways'),
  ...checkHosts(forwarding.traffic?.names?.include, '/forwarding/traffic/names/include'),
  ...checkHosts(forwarding.traffic?.names?.exclude, '/forwarding/traffic/names/exclude'),
  ...checkTraffic(forwarding.traffic?.addresses),
  ...checkEnforcedProxy(forwarding),
  ...checkPac(forwarding.pac),
  ...checkHosts(forwarding.enforcement?.allow, '/forwarding/enforcement/allow'),
  ...checkStrict(forwarding),
];

const checkStrict = ({ mode, enforcement }: Forwarding): Mistake[] =>
  mode === 'off' && enforcement?.strict === true
    ? [
        {
          pointer: '/forwarding/enforcement/strict',
          message: 'with mode off there is no tunnel to enforce: leave one of the two out',
        },
      ]
    : [];

const criteria = ['dnsServers', 'searchDomains', 'hosts', 'ranges', 'gateways', 'egress'] as const;

const checkNetwork = (
  network: NonNullable<Forwarding['networks']>[number],
  pointer: string,
): Mistake[] => {
  if (criteria.every((name) => network[name] === undefined)) {
    return [{ pointer, message: `expected at least one of ${criteria.join(', ')}` }];
  }
  const lists = {
    dnsServers: network.dnsServers,
    ranges: network.ranges,
    gateways: network.gateways,
    egress: network.egress,
    ...Object.fromEntries(
      Object.entries(network.hosts ?? {}).map(([host, list]) => [
        `hosts/${pointerKey(host)}`,
        list,
      ]),
    ),
  };
  const names = [
    ...checkHosts(network.searchDomains, `${pointer}/searchDomains`, hostMistake),
    ...Object.keys(network.hosts ?? {}).flatMap((host) =>
      checkHosts([host], `${pointer}/hosts`, hostMistake).map((mistake) => ({
        ...mistake,
        pointer: `${pointer}/hosts/${pointerKey(host)}`,
      })),
    ),
  ];
  const addresses = Object.entries(lists).flatMap(([name, list]) =>
    (list ?? []).flatMap((address, index) =>
      isAddressOrRange(address)
        ? []
        : [
            {
              pointer: `${pointer}/${name}/${index}`,
              message: `“${address}” is neither an address nor a range such as 192.0.2.0/24`,
            },
          ],
    ),
  );
  return [...names, ...addresses];
};

const checkTraffic = (addresses: TrafficSelection['addresses'] = {}): Mistake[] =>
  (['include', 'exclude'] as const).flatMap((name) =>
    (addresses[name] ?? []).flatMap((text, index) => {
      const rule = parseTrafficRule(text);
      const pointer = `/forwarding/traffic/addresses/${name}/${index}`;
      return 'mistake' in rule ? [{ pointer, message: `“${text}”: ${rule.mistake}` }] : [];
    }),
  );

const checkEnforcedProxy = ({ onNetwork = {}, enforcedProxy }: Forwarding): Mistake[] => {
  const isUsed = Object.values(onNetwork).includes('enforce-proxy');
  const pointer = '/forwarding/enforcedProxy';
  if (enforcedProxy === undefined) {
    const message = 'onNetwork has enforce-proxy: name the proxy (host:port) or its PAC file’s URL';
    return isUsed ? [{ pointer, message }] : [];
  }
  const isUrl = /^https?:\/\//.test(enforcedProxy) && URL.canParse(enforcedProxy);
  return isUrl || parseAuthority(enforcedProxy) !== undefined
    ? []
    : [{ pointer, message: `“${enforcedProxy}” is neither host:port nor an http(s) URL` }];
};

/** Whether they compile, `whyslow apply` asks a sandbox, and the agents say. */
const checkPac = (pac: Forwarding['pac'] = {}): Mistake[] =>
  (['forwarding', 'application'] as const).flatMap((name) =>
    pacMistakes(pac[name] ?? 'FindProxyForURL').map((message) => ({
      pointer: `/forwarding/pac/${name}`,
      message,
    })),
  );
