import { readTextOrNothing } from './read-text.ts';
/** The way out of this machine: interface and, unless the link has none, the gateway's address. */
export type DefaultRoute = { interfaceName: string; gateway: string | null };

/** IPv4's default route, else IPv6's; null: there is none, or the system does not tell this way. */
export const readDefaultRoute = (): DefaultRoute | null =>
  parseIpv4Routes(readTextOrNothing('/proc/net/route')) ??
  parseIpv6Routes(readTextOrNothing('/proc/net/ipv6_route'));

/** proc(5) net/route: addresses are hexadecimal in host byte order (little-endian wherever Node runs). */
export const parseIpv4Routes = (text: string): DefaultRoute | null => {
  const routes = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , flags, , , , mask]) => {
      const isUp = (Number.parseInt(flags ?? '0', 16) & 1) === 1;
      return destination === '00000000' && mask === '00000000' && isUp;
    })
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  const [best] = routes;
  if (best?.[0] === undefined) return null;
  return { interfaceName: best[0], gateway: ipv4FromHex(best[2] ?? '') };
};

const ipv4FromHex = (hex: string): string | null => {
  const octets = hex.match(/../g)?.map((octet) => Number.parseInt(octet, 16)) ?? [];
  if (octets.length !== 4 || octets.every((octet) => octet === 0)) return null;
  return octets.reverse().join('.');
};

/** net/ipv6_route: destination, its length, source, its length, next hop, metric, …, interface. */
export const parseIpv6Routes = (text: string): DefaultRoute | null => {
  const routes = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([destination, length, , , , , , , flags, name]) => {
      // 0x200: RTF_REJECT, the kernel's "no route" entry on lo.
      const isUsable = name !== 'lo' && (Number.parseInt(flags ?? '0', 16) & 0x201) === 1;
      return /^0{32}$/.test(destination ?? '') && length === '00' && isUsable;
    })
    .sort((a, b) => Number.parseInt(a[5] ?? '0', 16) - Number.parseInt(b[5] ?? '0', 16));
  const [best] = routes;
  const interfaceName = best?.[9];
  if (interfaceName === undefined) return null;
  return { interfaceName, gateway: ipv6FromHex(best?.[4] ?? '', interfaceName) };
};

const ipv6FromHex = (hex: string, interfaceName: string): string | null => {
  if (hex.length !== 32 || /^0+$/.test(hex)) return null;
  const address = new URL(`http://[${hex.match(/.{4}/g)?.join(':')}]`).hostname.slice(1, -1);
  // A link-local gateway means nothing without its interface.
  return /^fe[89ab]/.test(address) ? `${address}%${interfaceName}` : address;
};
