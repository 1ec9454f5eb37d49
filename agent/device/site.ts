import { createHmac } from 'node:crypto';
import { readTextOrNothing } from './read-text.ts';

/**
 * The local network by its gateway's hardware address: devices with the organisation's key agree on a
 * name for it, and nobody else can look the address up. Undefined where the system does not tell
 * (IPv6's neighbours stand in no file), and for addresses that many networks share.
 */
export const siteIdOf = (
  gatewayAddress: string,
  siteKey: string,
  arpFile = '/proc/net/arp',
): string | undefined => {
  const hardwareAddress = hardwareAddressOf(gatewayAddress, readTextOrNothing(arpFile));
  if (hardwareAddress === undefined || isShared(hardwareAddress)) return undefined;
  return createHmac('sha256', Buffer.from(siteKey, 'hex'))
    .update(hardwareAddress)
    .digest('base64url')
    .slice(0, 22);
};

/** proc(5) net/arp: address, type, flags (0x2: complete), hardware address, mask, device. */
const hardwareAddressOf = (address: string, arp: string): string | undefined => {
  const entry = arp
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([ip, , flags]) => ip === address && (Number(flags) & 2) === 2);
  return entry?.[3]?.toLowerCase();
};

/**
 * Routers that stand in for one another answer under an address made of a group's number, and groups
 * are called 1 everywhere: VRRP (RFC 9568) and CARP, HSRP, HSRP 2, GLBP.
 */
const isShared = (hardwareAddress: string): boolean =>
  /^(00:00:5e:00:0[12]:|00:00:0c:07:ac:|00:00:0c:9f:f|00:07:b4:00:)/.test(hardwareAddress) ||
  hardwareAddress === '00:00:00:00:00:00';
