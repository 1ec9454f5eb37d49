import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { DeviceSample } from '#contract/telemetry.ts';
import { readTextOrNothing } from './read-text.ts';

export type Link = NonNullable<DeviceSample['link']>;

/** Kind and speed of an interface, from sysfs; `other` where the system does not tell. */
export const readLink = (name: string, folder = '/sys/class/net'): Link => {
  const at = (file: string) => join(folder, name, file);
  return { name: name.slice(0, 64), type: linkType(at), speedMbps: readSpeed(at('speed')) };
};

const linkType = (at: (file: string) => string): Link['type'] => {
  if (existsSync(at('wireless')) || existsSync(at('phy80211'))) return 'wifi';
  // ARP hardware types (linux/if_arp.h): 1 Ethernet, 772 loopback.
  const type = readNumber(at('type'));
  if (type === 772) return 'loopback';
  return type === 1 ? 'wired' : 'other';
};

/** Virtual links say -1, Wi-Fi and links that are down refuse to answer. */
const readSpeed = (path: string): number | null => {
  const speed = readNumber(path);
  return speed === null || speed <= 0 ? null : speed;
};

/**
 * Of a Wi-Fi link, by the kernel's file of wireless extensions: interface, status, quality, level.
 * Null where there is none, and where the driver counts in units of its own.
 */
export const readSignalDbm = (name: string, file = '/proc/net/wireless'): number | null => {
  const line = readTextOrNothing(file)
    .split('\n')
    .map((each) => each.trim().split(/\s+/))
    .find(([label]) => label === `${name}:`);
  const level = Number.parseFloat(line?.[3] ?? '');
  // Drivers that give no dBm give 0 to 255.
  return Number.isFinite(level) && level < 0 && level > -200 ? level : null;
};

export type TrafficCounters = { receivedBytes: number; sentBytes: number };

/** Bytes since the interface came up. */
export const readTraffic = (name: string, folder = '/sys/class/net'): TrafficCounters | null => {
  const receivedBytes = readNumber(join(folder, name, 'statistics/rx_bytes'));
  const sentBytes = readNumber(join(folder, name, 'statistics/tx_bytes'));
  return receivedBytes === null || sentBytes === null ? null : { receivedBytes, sentBytes };
};

/** Without a default route to ask: the first interface with an address beyond this machine. */
export const firstExternalInterface = (): string | null => {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((address) => !address.internal)) return name;
  }
  return null;
};

const readNumber = (path: string): number | null => {
  try {
    const number = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isNaN(number) ? null : number;
  } catch {
    return null;
  }
};
