import type { Fault } from '../faults/fault.ts';
import type { Scenario } from './scenario.ts';

/**
 * Every fault, decoy and control of the catalogue by itself; mixtures are faults of the catalogue as
 * well. Those that only page loads show come last, together: they need another plan.
 */
export const allScenarios = (catalogue: readonly Fault[]): Scenario[] =>
  catalogue
    .map((fault) => ({
      name: fault.name,
      what: fault.what,
      faults: [fault.name],
      ...(fault.needs === 'page-load' ? { pages: true, observeSeconds: pageSeconds } : {}),
    }))
    .sort((a, b) => Number(a.pages === true) - Number(b.pages === true));

/** Two loads a device ten seconds apart, each with its turn, and the way to the verdict. */
const pageSeconds = 40;

/** What `npm test` runs: two that are told rightly, and a decoy, with which nobody is slow. */
export const shortList: readonly string[] = ['isp-a-delay', 'server-slow', 'late-icmp-isp'];

/** Right in the last whole sweep (docs/lab-results.md); `--gate` holds on to them. */
export const knownRight: readonly string[] = [
  'device-stalls',
  'device-link-down',
  'captive-portal',
  'wifi-latency',
  'office-network-delay',
  'access-bufferbloat',
  'isp-a-delay',
  'isp-a-peering',
  'isp-b-delay',
  'edge-link-delay',
  'edge-far-away',
  'edge-hangs',
  'edge-slow-connect',
  'edge-egress-delay',
  'transit-delay',
  'transit-detour',
  'hosting-link-delay',
  'private-wan-delay',
  'server-slow',
  'server-slow-tls',
  'server-slow-body',
  'server-errors',
  'server-refuses',
  'server-hangs',
  'server-certificate-expired',
  'private-server-slow',
  'resolver-slow',
  'resolver-far',
  'resolver-broken',
  'name-missing',
  'late-icmp-and-wifi',
  'silent-hop-and-peering',
  'hosting-link-and-server',
  'isp-and-server',
  'detour-and-old-rise',
  'healthy',
  'healthy-weather',
  'healthy-small-rise',
  'late-icmp-isp',
  'late-icmp-transit',
  'silent-exchange',
  'silent-isp',
  'lossy-icmp-isp',
  'limited-icmp-isp',
  'limited-icmp-transit',
  'straight-path-delay',
  'isp-resolver-slow',
  'far-edge-delay',
  'far-edge-gone',
  'equal-path-change',
  'collector-slow',
  'collector-cut',
  'answers-only-late',
  'clock-forward',
  'clock-back',
];
