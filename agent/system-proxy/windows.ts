import {
  attempt,
  type Command,
  command,
  type ProxyPlatform,
  placeOf,
  type WantedProxy,
} from './platform.ts';

const userKey = 'HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings';
const machineKey =
  'HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\Connections';

/** What WinINet reads for the user who is logged in, and WinHTTP's own value for services. */
const values = [
  [userKey, 'AutoConfigURL'],
  [userKey, 'ProxyServer'],
  [userKey, 'ProxyOverride'],
  [userKey, 'ProxyEnable'],
  [machineKey, 'WinHttpSettings'],
] as const;

/** INTERNET_OPTION_SETTINGS_CHANGED (39), then INTERNET_OPTION_REFRESH (37): programs look again. */
const tellPrograms = attempt(
  'powershell.exe',
  '-NoProfile',
  '-NonInteractive',
  '-Command',
  [
    'Add-Type -Namespace Whyslow -Name WinInet -MemberDefinition',
    `'[DllImport("wininet.dll")] public static extern bool InternetSetOption(IntPtr h, int o, IntPtr b, int l);';`,
    '39, 37 | ForEach-Object { [void][Whyslow.WinInet]::InternetSetOption(0, $_, 0, 0) }',
  ].join(' '),
);

export const windowsProxy: ProxyPlatform = {
  places: undefined,
  reads: () => values.map(([key, name]) => attempt('reg.exe', 'query', key, '/v', name)),
  apply: (_places, wanted) => [
    ...applyUser(wanted),
    tellPrograms,
    // Needs an administrator.
    attempt('netsh.exe', 'winhttp', 'import', 'proxy', 'source=ie'),
  ],
  revert: (_places, before) => [
    ...values.flatMap(([key, name], index) => restore(key, name, before[index])),
    tellPrograms,
  ],
};

const applyUser = (wanted: WantedProxy): Command[] => {
  if (wanted.kind === 'pac') {
    return [
      add(userKey, 'AutoConfigURL', 'REG_SZ', wanted.url),
      add(userKey, 'ProxyEnable', 'REG_DWORD', '0'),
    ];
  }
  const http = placeOf(wanted.http);
  const socks = wanted.socks === undefined ? [] : [`socks=${placeOf(wanted.socks)}`];
  return [
    add(userKey, 'ProxyServer', 'REG_SZ', [`http=${http}`, `https=${http}`, ...socks].join(';')),
    add(userKey, 'ProxyOverride', 'REG_SZ', 'localhost;127.0.0.1;[::1];<local>'),
    add(userKey, 'ProxyEnable', 'REG_DWORD', '1'),
    remove(userKey, 'AutoConfigURL'),
  ];
};

const add = (key: string, name: string, type: string, value: string): Command =>
  command('reg.exe', 'add', key, '/v', name, '/t', type, '/d', value, '/f');

const remove = (key: string, name: string): Command =>
  attempt('reg.exe', 'delete', key, '/v', name, '/f');

/** `    ProxyServer    REG_SZ    http=…`, or nothing where the value was not there. */
const restore = (key: string, name: string, text: string | undefined): Command[] => {
  const found = new RegExp(`^\\s+${name}\\s+(REG_\\w+)(?:[ \\t]+(.*?))?\\r?$`, 'm').exec(
    text ?? '',
  );
  if (found === null) return [remove(key, name)];
  const { argv } = add(key, name, found[1] ?? 'REG_SZ', found[2] ?? '');
  return [key === machineKey ? { argv, mayFail: true } : { argv }];
};
