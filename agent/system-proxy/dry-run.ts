import { commandText } from './command-text.ts';
import { environmentHint } from './linux.ts';
import { placeOf, type WantedProxy } from './platform.ts';
import { proxyPlatforms } from './system-proxy.ts';

export const dryRunPlatforms = { macos: 'darwin', windows: 'win32', linux: 'linux' } as const;
export type DryRunPlatform = keyof typeof dryRunPlatforms;

/** An example of what a Mac answers, where there is none to ask. */
const exampleServices =
  'An asterisk (*) denotes that a network service is disabled.\nWi-Fi\nUSB 10/100/1000 LAN\n';

/**
 * The commands, as text, that would set the system's proxy or give back settings that were never
 * made: on this machine nothing is read and nothing runs.
 */
export const dryRun = (name: DryRunPlatform, wanted: WantedProxy | 'revert'): string => {
  const platform = proxyPlatforms[dryRunPlatforms[name]];
  const isWindows = name === 'windows';
  const comment = isWindows ? 'rem' : '#';
  const lines = (commands: Parameters<typeof commandText>[0][]) =>
    commands.map((each) => commandText(each, isWindows));
  const places = name === 'macos' ? exampleServices : '';
  const reads = platform.reads(places);
  if (wanted === 'revert') {
    const before = emptyAnswers[name](reads.length);
    return [
      `${comment} from what was saved before; here: nothing was set`,
      ...lines(platform.revert(places, before)),
    ].join('\n');
  }
  return [
    `${comment} reads, whose answers are saved to be given back later`,
    ...(platform.places === undefined ? [] : lines([platform.places])),
    ...(name === 'macos' ? [`${comment} for each service it names; here as for two`] : []),
    ...lines(reads),
    `${comment} sets`,
    ...lines(platform.apply(places, wanted)),
    ...(name === 'linux' && wanted.kind === 'manual'
      ? [
          `${comment} without a GNOME desktop, for /etc/environment, by hand:`,
          ...environmentHint(placeOf(wanted.http), wanted.socks && placeOf(wanted.socks)).map(
            (line) => `${comment}   ${line}`,
          ),
        ]
      : []),
  ].join('\n');
};

const nothingOnMac = [
  'URL: (null)\nEnabled: No\n',
  ...Array.from({ length: 3 }, () => 'Enabled: No\nServer: \nPort: 0\n'),
  "There aren't any bypass domains set.\n",
];
const nothingOnGnome = [
  "''",
  "['localhost', '127.0.0.0/8', '::1']",
  "''",
  '8080',
  "''",
  '0',
  "''",
  '0',
  "'none'",
];

const emptyAnswers: Record<DryRunPlatform, (count: number) => (string | undefined)[]> = {
  macos: (count) => Array.from({ length: count }, (_, at) => nothingOnMac[at % 5]),
  windows: (count) => Array.from({ length: count }, () => undefined),
  linux: () => nothingOnGnome,
};
