import { alwaysDirect, type Command, command, type ProxyPlatform } from './platform.ts';

const schema = 'org.gnome.system.proxy';

/** Mode comes last: what it switches to is complete by then. */
const keys = [
  [schema, 'autoconfig-url'],
  [schema, 'ignore-hosts'],
  [`${schema}.http`, 'host'],
  [`${schema}.http`, 'port'],
  [`${schema}.https`, 'host'],
  [`${schema}.https`, 'port'],
  [`${schema}.socks`, 'host'],
  [`${schema}.socks`, 'port'],
  [schema, 'mode'],
] as const;

/**
 * GNOME's settings, which GTK programs, Chromium and Firefox ("use system proxy settings") follow. Its
 * values are written as it reads them, GVariant text, so that a value goes back as it came.
 */
export const linuxProxy: ProxyPlatform = {
  places: undefined,
  reads: () => keys.map(([of, key]) => command('gsettings', 'get', of, key)),
  apply: (_places, wanted) => {
    if (wanted.kind === 'pac') {
      return [
        set(schema, 'autoconfig-url', quoted(wanted.url)),
        set(schema, 'mode', quoted('auto')),
      ];
    }
    const { http, socks } = wanted;
    const proxies = { http, https: http, socks: socks ?? { host: '', port: 0 } };
    return [
      ...Object.entries(proxies).flatMap(([name, { host, port }]) => [
        set(`${schema}.${name}`, 'host', quoted(host)),
        set(`${schema}.${name}`, 'port', String(port)),
      ]),
      set(schema, 'ignore-hosts', `[${alwaysDirect.map(quoted).join(', ')}]`),
      set(schema, 'mode', quoted('manual')),
    ];
  },
  revert: (_places, before) =>
    keys.flatMap(([of, key], index) => {
      const value = before[index]?.trim();
      return value === undefined ? [] : [set(of, key, value)];
    }),
};

/** What a person writes where there is no such desktop; we do not write to /etc. */
export const environmentHint = (http: string, socks: string | undefined): string[] => [
  `http_proxy=http://${http}/`,
  `https_proxy=http://${http}/`,
  ...(socks === undefined ? [] : [`all_proxy=socks5h://${socks}`]),
  `no_proxy=${alwaysDirect.join(',')}`,
];

const set = (of: string, key: string, value: string): Command =>
  command('gsettings', 'set', of, key, value);

/** GVariant text format: a string in single quotes. */
const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
