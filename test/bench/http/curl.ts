import type { HttpPhases } from '#contract/body/http.ts';

export const phaseNames = ['dnsMs', 'connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const;
export type Phases = Record<(typeof phaseNames)[number], number>;

const times = 'namelookup connect appconnect starttransfer total'.split(' ');

/** Arguments of a request whose times curl prints, for `readPhases`. */
export const curlArguments = (url: string, caFile: string, ...more: string[]): string[] => [
  ...['-s', '--http1.1', '--cacert', caFile, '-o', '/dev/null'],
  ...['-w', times.map((name) => `%{time_${name}}`).join(' ')],
  ...more,
  url,
];

/** curl's times are since the start; its phases are their differences. */
export const readPhases = (stdout: string): Phases => {
  const [dns = 0, connect = 0, tls = 0, first = 0, total = 0] = stdout
    .split(' ')
    .map((seconds) => Number(seconds) * 1_000);
  const isSecure = tls > 0;
  return {
    dnsMs: dns,
    connectMs: connect - dns,
    tlsMs: isSecure ? tls - connect : 0,
    waitMs: first - (isSecure ? tls : connect),
    receiveMs: total - first,
  };
};

export const ownPhases = (phases: HttpPhases | undefined): Phases =>
  Object.fromEntries(phaseNames.map((name) => [name, phases?.[name] ?? 0])) as Phases;
