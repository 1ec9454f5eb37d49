import type { Lab } from '../lab.ts';

/** What the kernel's own tools say of a lab, with names instead of addresses. */
export const kernelTools = (lab: Lab) => {
  const addressOf = (node: string, family: 4 | 6 = 4): string =>
    lab.addressesOf(node)[family === 4 ? 0 : 1] ?? '';
  const run = (node: string, command: string, ...args: string[]) =>
    lab.exec(node, command, args, { timeoutMs: 20_000 });
  const nameOf = (address: string): string => lab.nodeOf(address) ?? address;
  return {
    run,

    /** Least round trip (what waits on a busy machine does not make it shorter), mean, loss. */
    async ping(
      from: string,
      to: string,
      options: { count?: number; family?: 4 | 6; size?: number } = {},
    ) {
      const { count = 10, family = 4, size = 56 } = options;
      const { stdout } = await run(
        ...([from, 'ping', `-${family}`, '-n', '-q', '-c', String(count)] as const),
        ...['-i', '0.01', '-W', '1', '-M', 'do', '-s', String(size), addressOf(to, family)],
      );
      const [, minMs, meanMs, , deviationMs] =
        /= ([\d.]+)\/([\d.]+)\/([\d.]+)\/([\d.]+) ms/.exec(stdout) ?? [];
      return {
        minMs: Number(minMs),
        meanMs: Number(meanMs),
        deviationMs: Number(deviationMs),
        lossRatio: Number(/([\d.]+)% packet loss/.exec(stdout)?.[1]) / 100,
        text: stdout,
      };
    },

    /** Who answers on the way, hop by hop; `*` where nobody does. */
    async traceroute(from: string, to: string, ...args: string[]): Promise<string[]> {
      const { stdout } = await run(
        ...([from, 'traceroute', '-n', '-q', '1', '-w', '1', ...args, addressOf(to)] as const),
      );
      return [...stdout.matchAll(/^ *\d+ +(\S+)/gm)].map((hop) => nameOf(hop[1] ?? ''));
    },

    /** Each hop's share of unanswered probes and its least round trip, by mtr. */
    async mtr(from: string, to: string, count = 10) {
      const { stdout } = await run(
        ...([
          from,
          'mtr',
          '-n',
          '-4',
          '--json',
          '-c',
          String(count),
          '-i',
          '0.1',
          '-G',
          '1',
        ] as const),
        addressOf(to),
      );
      const { report } = JSON.parse(stdout) as {
        report: { hubs: { host: string; 'Loss%': number; Best: number }[] };
      };
      return report.hubs.map((hub) => ({
        node: nameOf(hub.host),
        lossRatio: hub['Loss%'] / 100,
        minMs: hub.Best,
      }));
    },

    async dig(from: string, ...args: string[]) {
      const { stdout } = await run(from, 'dig', '+tries=1', '+time=3', ...args);
      return {
        status: /status: (\w+)/.exec(stdout)?.[1],
        ms: Number(/Query time: (\d+) msec/.exec(stdout)?.[1]),
        addresses: [...stdout.matchAll(/\sA\s+([\d.]+)$/gm)].map((match) => nameOf(match[1] ?? '')),
      };
    },

    /** Times of a request as curl takes them, each from the end of the one before. */
    async curl(from: string, url: string, ...args: string[]) {
      const { stdout, code } = await run(
        ...([from, 'curl', '-s', '-o', '/dev/null', '--cacert', `${lab.folder}/ca.pem`] as const),
        ...['-m', '8', '-w', '%{json}', ...args, url],
      );
      const told = JSON.parse(stdout) as Record<string, number>;
      const at = (name: string) => (told[name] ?? 0) * 1_000;
      return {
        code,
        status: told['http_code'],
        lookupMs: at('time_namelookup'),
        connectMs: at('time_connect') - at('time_namelookup'),
        tlsMs: at('time_appconnect') - at('time_connect'),
        waitMs: at('time_starttransfer') - at('time_appconnect'),
        receiveMs: at('time_total') - at('time_starttransfer'),
        bytesPerSecond: told['speed_download'] ?? 0,
        bytes: told['size_download'] ?? 0,
        redirect: String(told['redirect_url'] ?? ''),
      };
    },

    /** Echo requests that have arrived at a node since it is there. */
    async echoesAt(node: string): Promise<number> {
      const { stdout } = await run(node, 'nstat', '-a', '-s', '-z', 'IcmpInEchos');
      return Number(/IcmpInEchos\s+(\d+)/.exec(stdout)?.[1]);
    },
  };
};
