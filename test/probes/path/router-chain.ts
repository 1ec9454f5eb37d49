import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A host, `routerCount` routers and a target in namespaces of their own, joined by veth pairs:
 * link i is 10.77.i.0/24 and fd77:(i+1)::/64, its left end .1, its right end .2. Needs root.
 */
export const createRouterChain = async (routerCount: number) => {
  const tag = `wsp${process.pid.toString(36)}${randomBytes(2).toString('hex')}`;
  const names = Array.from({ length: routerCount + 2 }, (_, index) => `${tag}-${index}`);
  const last = routerCount + 1;
  const nameOf = (index: number): string => names[index] ?? '';
  const inside = (index: number, command: string, ...args: string[]) =>
    run('ip', ['netns', 'exec', nameOf(index), command, ...args], { maxBuffer: 1e7 });
  const ip = (index: number, line: string) => run('ip', ['-n', nameOf(index), ...line.split(' ')]);

  const remove = async (): Promise<void> => {
    for (const name of names) await run('ip', ['netns', 'del', name]).catch(() => {});
  };

  const build = async (): Promise<void> => {
    for (const [index, name] of names.entries()) {
      await run('ip', ['netns', 'add', name]);
      await inside(index, 'sysctl', '-q', '-w', ...sysctls);
      await ip(index, 'link set lo up');
    }
    for (let link = 0; link < last; link += 1) {
      await ip(link, `link add name right type veth peer name left netns ${nameOf(link + 1)}`);
      for (const [index, end, host] of [
        [link, 'right', 1],
        [link + 1, 'left', 2],
      ] as const) {
        await ip(index, `addr add 10.77.${link}.${host}/24 dev ${end}`);
        await ip(index, `-6 addr add fd77:${link + 1}::${host}/64 dev ${end} nodad`);
        await ip(index, `link set ${end} up`);
      }
    }
    for (let index = 0; index <= last; index += 1) {
      for (let link = 0; link < last; link += 1) {
        if (link === index || link === index - 1) continue;
        const [v4, v6] =
          link > index
            ? [`10.77.${index}.2`, `fd77:${index + 1}::2`]
            : [`10.77.${index - 1}.1`, `fd77:${index}::1`];
        await ip(index, `route add 10.77.${link}.0/24 via ${v4}`);
        await ip(index, `-6 route add fd77:${link + 1}::/64 via ${v6}`);
      }
    }
    // The first IPv6 packets of a new link wait for neighbour discovery.
    await inside(0, 'ping', '-c1', '-W2', `10.77.${last - 1}.2`).catch(() => {});
    await inside(0, 'ping', '-6', '-c1', '-W2', `fd77:${last}::2`).catch(() => {});
  };

  try {
    await build();
  } catch (error) {
    await remove();
    throw error;
  }

  return {
    target4: `10.77.${last - 1}.2`,
    target6: `fd77:${last}::2`,
    /** What each router answers with, in order, then the target. */
    hops4: Array.from({ length: last }, (_, link) => `10.77.${link}.2`),
    hops6: Array.from({ length: last }, (_, link) => `fd77:${link + 1}::2`),
    /** 0 is the host, 1..routerCount the routers, then the target. */
    inside,
    targetIndex: last,
    nameOf,
    /** Adds one rule to the output chain of a namespace; the returned function takes it away. */
    async filterOutput(index: number, rule: string) {
      const table = `inet t${randomBytes(3).toString('hex')}`;
      const chain = 'out { type filter hook output priority 0; }';
      await inside(index, 'nft', `add table ${table}; add chain ${table} ${chain}`);
      await inside(index, 'nft', `add rule ${table} out ${rule}`);
      return async () => void (await inside(index, 'nft', `delete table ${table}`));
    },
    remove,
  };
};

export type RouterChain = Awaited<ReturnType<typeof createRouterChain>>;

/** No limit on what routers say about expired TTLs, so that a silent hop is silent on purpose. */
const sysctls = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv4.conf.all.rp_filter=0',
];
