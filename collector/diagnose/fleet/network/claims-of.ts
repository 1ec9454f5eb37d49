import { edgeTunnelClaims } from '../causes/edge-tunnel.ts';
import { regionClaims } from '../causes/isp-region.ts';
import { lanClaims } from '../causes/lan.ts';
import { lastMileClaims } from '../causes/last-mile.ts';
import { pathElementClaims } from '../causes/path-element.ts';
import { tunnelClaims } from '../causes/tunnel.ts';
import type { Claim } from './claim.ts';
import type { Unit } from './unit.ts';

/** All causes of the network that would touch a unit. A key may come twice: then it shifts both. */
export const claimsOf = (unit: Unit): Claim[] => [
  ...lanClaims(unit),
  ...lastMileClaims(unit),
  ...regionClaims(unit),
  ...pathElementClaims(unit),
  ...tunnelClaims(unit),
  ...edgeTunnelClaims(unit),
];
