import type { CauseFamily } from '#contract/verdict.ts';
import type { Fault, FaultKind, Impact } from '#test/simulator/truth.ts';
import type { Cause } from '../finding.ts';

/**
 * Finer than the contract's segments where a person would call somebody else: the access network is
 * not the transit behind it, an edge's resolver is not an application's name server.
 */
const fineSegments = [
  'device',
  'lan',
  'last mile',
  'isp',
  'peering',
  'transit',
  'tunnel',
  'edge',
  'inspection',
  'edge dns',
  'app dns',
  'leg 2',
  'tls',
  'app',
  'transfer',
  'mtu',
  'page',
] as const;
type FineSegment = (typeof fineSegments)[number];

const fineOfFault = {
  'device-cpu': 'device',
  'device-memory': 'device',
  'wifi-delay': 'lan',
  'wifi-loss': 'lan',
  'office-gateway': 'lan',
  'last-mile-delay': 'last mile',
  'last-mile-loss': 'last mile',
  'isp-aggregation': 'isp',
  'isp-core': 'isp',
  'isp-loss': 'isp',
  'peering-link': 'peering',
  'transit-router': 'transit',
  detour: 'transit',
  'tunnel-client': 'tunnel',
  'tunnel-version': 'tunnel',
  'tunnel-platform': 'tunnel',
  'tunnel-profile': 'tunnel',
  'edge-overload': 'edge',
  'edge-tunnel': 'edge',
  'edge-inspection': 'inspection',
  'edge-resolver': 'edge dns',
  'application-dns': 'app dns',
  'leg2-link-delay': 'leg 2',
  'leg2-link-loss': 'leg 2',
  'application-border': 'leg 2',
  application: 'app',
  'front-end': 'app',
  'application-tls': 'tls',
  'slow-line': 'transfer',
  'mtu-hole': 'mtu',
  'page-release': 'page',
  'third-party': 'page',
} as const satisfies Record<FaultKind, FineSegment>;

/** Families that name it, whatever their element. */
const familiesOf: Record<FineSegment, readonly CauseFamily[]> = {
  device: ['device'],
  lan: ['wifi', 'gateway'],
  'last mile': ['last-mile'],
  isp: ['isp-region', 'link', 'router', 'as'],
  peering: ['link', 'router', 'as'],
  transit: ['link', 'router', 'as'],
  tunnel: ['tunnel-client', 'tunnel-cohort'],
  edge: ['edge'],
  // Inspection is work on TLS that the edge does: both names send a person to the same machine.
  inspection: ['tls', 'edge'],
  'edge dns': ['edge-dns'],
  'app dns': ['application-dns'],
  'leg 2': ['link', 'router', 'as'],
  tls: ['tls'],
  app: ['application', 'front-end'],
  transfer: ['transfer'],
  mtu: ['mtu'],
  page: ['page', 'third-party'],
};

const pathFamilies: readonly CauseFamily[] = ['link', 'router', 'as', 'isp-region'];
const isOnPath = (family: CauseFamily): boolean => pathFamilies.includes(family);

/** Which AS is an access network: told by the facts that every method gets. */
export type Networks = { accessAsns: ReadonlySet<number>; asnOf(address: string): number | null };

/**
 * The cause names the right fine segment. Stretches of a path are told apart by leg and by whose
 * network they lie in; one that holds the faulty place is right, whatever it is called.
 */
export const isRightSegment = (
  cause: Cause,
  fault: Fault,
  impact: Impact,
  isRightElement: boolean,
  networks: Networks,
): boolean => {
  const fine = fineOfFault[fault.kind];
  if (!isOnPath(cause.family)) return familiesOf[fine].includes(cause.family);
  if (!impact.segments.includes(cause.segment)) return false;
  if (isRightElement) return isOnPath(fault.family) || fault.family === 'last-mile';
  if (!familiesOf[fine].includes(cause.family)) return false;
  if (fine === 'isp') return cause.family === 'isp-region' || ownerOf(cause, networks) !== 'other';
  if (fine === 'transit') return ownerOf(cause, networks) !== 'access';
  return true;
};

const ownerOf = ({ element }: Cause, networks: Networks): 'access' | 'other' | 'unknown' => {
  const asn = element.asn ?? (element.to === null ? null : networks.asnOf(element.to));
  if (asn === null) return 'unknown';
  return networks.accessAsns.has(asn) ? 'access' : 'other';
};
