import { markedEdge } from '../marked-ids.ts';
import {
  type About,
  type Claim,
  commonPenaltyNats,
  nowhere,
  plainElement,
} from '../network/claim.ts';
import type { Unit } from '../network/unit.ts';

/** The rarest: an edge's tunnel end is one process, watched and shared by all its devices. */
const edgeNats = 3;

/** The tunnel's end at an edge: slow for all its devices, with neither queue nor way outside slow. */
export const edgeTunnelClaims = (unit: Unit): Claim[] => {
  const { device } = unit;
  if (device === null || device.edgeId === null || device.tunnel === null) return [];
  const { edgeId } = device;
  return [
    {
      key: `edge-tunnel:${edgeId}`,
      about: () => aboutEdge(edgeId),
      mask: (slots) => slots.tunnel,
    },
  ];
};

const aboutEdge = (edgeId: string): About => ({
  family: 'edge',
  scope: 'edge',
  elementId: `edge-tunnel:${edgeId}`,
  element: plainElement(edgeId, `tunnel at ${markedEdge(edgeId)}`),
  penaltyNats: commonPenaltyNats + edgeNats,
  sharedOnly: true,
  rank: 30,
  crosses: (unit, path) => (path.leg === 'leg1' && unit.device?.edgeId === edgeId ? nowhere : null),
});
