import { readDefaultRoute } from '../device/route.ts';
import { readLocalFacts } from '../network/read-facts.ts';

/**
 * Which network this is, for the time to log in to it: the way out and the name servers. The gateway's
 * hardware address would tell more, and comes and goes with the kernel's memory of neighbours. All of it
 * is the network's own word: the hour's graces are bounded beside (grace.ts).
 */
export const networkKey = (
  route = readDefaultRoute(),
  dnsServers: readonly string[] = readLocalFacts().dnsServers,
): string =>
  [route?.interfaceName ?? 'no default route', route?.gateway ?? '', ...dnsServers]
    .join(' ')
    .slice(0, 200);
