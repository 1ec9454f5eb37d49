import type { Socket } from 'node:net';
import type { Libc } from './libc.ts';

/** linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h have the same number. */
const originalDestination = 80;
const ipLevel = 0;
const ipv6Level = 41;

/**
 * Where a connection that netfilter redirected was to go; undefined where nothing redirected it.
 * An IPv6 socket is asked in another way than an IPv4 one, and a mapped address by neither: so the
 * two families need listeners of their own.
 */
export const readOriginalDestination = (
  libc: Libc,
  socket: Socket,
): { host: string; port: number } | undefined => {
  const descriptor = descriptorOf(socket);
  if (descriptor === undefined) return undefined;
  if (socket.remoteFamily === 'IPv6') {
    // struct sockaddr_in6: family, port, flow, address, scope.
    const address = libc.getBytes(descriptor, ipv6Level, originalDestination, 28);
    return address && { host: ipv6Text(address.subarray(8, 24)), port: address.readUInt16BE(2) };
  }
  const address = libc.getBytes(descriptor, ipLevel, originalDestination, 16);
  return address && { host: address.subarray(4, 8).join('.'), port: address.readUInt16BE(2) };
};

/** Node has no public name for it; libuv's handles carry it since Node 0.11. */
const descriptorOf = (socket: Socket): number | undefined => {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
};

/** As RFC 5952 writes it; the URL parser does. */
const ipv6Text = (bytes: Buffer): string => {
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
};
