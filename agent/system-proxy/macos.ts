import { alwaysDirect, type Command, command, type ProxyPlatform } from './platform.ts';

const tool = 'networksetup';

/** The three proxies of a service that have a host and a port. */
const kinds = ['webproxy', 'securewebproxy', 'socksfirewallproxy'] as const;

/** networksetup(8), for every service that is on: Wi-Fi, Ethernet and the like have each their own. */
export const macosProxy: ProxyPlatform = {
  places: command(tool, '-listallnetworkservices'),
  reads: (places) =>
    servicesIn(places).flatMap((service) => [
      command(tool, '-getautoproxyurl', service),
      ...kinds.map((kind) => command(tool, `-get${kind}`, service)),
      command(tool, '-getproxybypassdomains', service),
    ]),
  apply: (places, wanted) =>
    servicesIn(places).flatMap((service) => {
      if (wanted.kind === 'pac') {
        return [
          command(tool, '-setautoproxyurl', service, wanted.url),
          command(tool, '-setautoproxystate', service, 'on'),
          ...kinds.map((kind) => command(tool, `-set${kind}state`, service, 'off')),
        ];
      }
      const { http, socks } = wanted;
      return [
        command(tool, '-setwebproxy', service, http.host, String(http.port)),
        command(tool, '-setsecurewebproxy', service, http.host, String(http.port)),
        socks === undefined
          ? command(tool, '-setsocksfirewallproxystate', service, 'off')
          : command(tool, '-setsocksfirewallproxy', service, socks.host, String(socks.port)),
        command(tool, '-setproxybypassdomains', service, ...alwaysDirect),
        command(tool, '-setautoproxystate', service, 'off'),
      ];
    }),
  revert: (places, before) =>
    servicesIn(places).flatMap((service, index) => {
      const width = kinds.length + 2;
      const [auto, ...rest] = before.slice(index * width, (index + 1) * width);
      return [
        ...revertAuto(service, auto),
        ...kinds.flatMap((kind, at) => revertKind(service, kind, rest[at])),
        ...revertBypass(service, rest[kinds.length]),
      ];
    }),
};

/** The first line explains the star; a service with one is switched off. */
const servicesIn = (text: string): string[] =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('*'));

/** `Enabled: Yes`, `Server: proxy.test`, … */
const field = (text: string, name: string): string =>
  new RegExp(`^${name}: *(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';

const state = (text: string): 'on' | 'off' => (field(text, 'Enabled') === 'Yes' ? 'on' : 'off');

const revertAuto = (service: string, text: string | undefined): Command[] => {
  if (text === undefined) return [];
  const url = field(text, 'URL');
  return [
    ...(url === '' || url === '(null)' ? [] : [command(tool, '-setautoproxyurl', service, url)]),
    command(tool, '-setautoproxystate', service, state(text)),
  ];
};

const revertKind = (service: string, kind: string, text: string | undefined): Command[] => {
  if (text === undefined) return [];
  const server = field(text, 'Server');
  // Setting a server switches it on: the state comes after.
  return [
    ...(server === ''
      ? []
      : [command(tool, `-set${kind}`, service, server, field(text, 'Port') || '0')]),
    command(tool, `-set${kind}state`, service, state(text)),
  ];
};

const revertBypass = (service: string, text: string | undefined): Command[] => {
  if (text === undefined) return [];
  const domains = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  // "There aren't any bypass domains set on Wi-Fi."; "Empty" takes them all away.
  const isNone = domains.some((line) => line.includes(' '));
  return [command(tool, '-setproxybypassdomains', service, ...(isNone ? ['Empty'] : domains))];
};
