import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

/** What this machine's own links say, without asking anybody. */
export type LinkFacts = {
  /** An interface has an address beyond this machine. */
  hasAddress: boolean;
  /** Interfaces that have such an address and no carrier (cable out, Wi-Fi not associated). */
  withoutCarrier: readonly string[];
  /** Some interface with an address has a carrier, or the system does not tell. */
  hasCarrier: boolean;
  /** Where the network says that its portal is (RFC 8910), as systemd-networkd keeps it. */
  portal: string | null;
};

export const readLinks = (
  folders = { links: '/sys/class/net', networkd: '/run/systemd/netif/links' },
  interfaces = networkInterfaces(),
): LinkFacts => {
  const addressed = Object.entries(interfaces)
    .filter(([, addresses]) =>
      addresses?.some((one) => !one.internal && !one.address.startsWith('fe80:')),
    )
    .map(([name]) => name);
  const withoutCarrier = addressed.filter((name) => lacksCarrier(folders.links, name));
  return {
    hasAddress: addressed.length > 0,
    withoutCarrier,
    hasCarrier: addressed.length > withoutCarrier.length,
    portal: readPortal(folders.networkd),
  };
};

/** 0 without a carrier; an interface that was set down refuses to say (EINVAL). */
const lacksCarrier = (folder: string, name: string): boolean => {
  try {
    return readFileSync(join(folder, name, 'carrier'), 'utf8').trim() === '0';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EINVAL';
  }
};

/** RFC 8910 §2: this URN says that there is no portal. */
const unrestricted = 'urn:ietf:params:capport:unrestricted';

const readPortal = (folder: string): string | null => {
  try {
    for (const file of readdirSync(folder)) {
      const [, portal] =
        /^CAPTIVE_PORTAL=(\S+)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
      if (portal !== undefined && portal !== unrestricted) return portal;
    }
  } catch {
    // Another manager of networks, or none: nothing is known.
  }
  return null;
};
