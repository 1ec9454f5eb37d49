import type { CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';
import type { FaultKind } from './truth.ts';

export type Sort = {
  families: [CauseFamily, ...CauseFamily[]];
  segments: [Segment, ...Segment[]];
  scope: CauseScope;
  /** Mean milliseconds, or the share of round trips lost; drawn log-uniform (§16.2). */
  range: [number, number];
  cause?: 'loss';
  /** Against the others' 1. */
  weight: number;
  /** Not in §16.2. */
  isExtra?: true;
};

const stretch: [CauseFamily, ...CauseFamily[]] = ['link', 'router', 'as'];

/** Segment and family of each kind, in the contract's terms. A loss is drawn 3 times in 10. */
export const catalogue: Record<FaultKind, Sort> = {
  'device-cpu': sort(['device'], ['device'], 'device', [15, 80], 0.5),
  'device-memory': sort(['device'], ['device'], 'device', [15, 80], 0.5),
  'wifi-delay': sort(['wifi', 'gateway'], ['gateway'], 'device', [20, 300], 0.7),
  'wifi-loss': loss(['wifi', 'gateway'], ['gateway'], 'device', [0.04, 0.2], 0.3),
  'office-gateway': sort(['gateway'], ['gateway'], 'site', [20, 300], 1),
  'last-mile-delay': sort(['last-mile', 'link'], ['client-edge'], 'site', [20, 300], 0.7),
  'last-mile-loss': loss(['last-mile', 'link'], ['client-edge'], 'site', [0.04, 0.3], 0.3),
  'isp-aggregation': sort(['isp-region', ...stretch], ['client-edge'], 'region', [20, 300], 1),
  'isp-core': sort(stretch, ['client-edge'], 'network', [20, 300], 1),
  'isp-loss': loss(['isp-region', ...stretch], ['client-edge'], 'region', [0.02, 0.2], 1),
  'peering-link': sort(stretch, ['client-edge'], 'network', [20, 300], 1),
  'transit-router': sort(stretch, ['client-edge', 'edge-origin'], 'network', [20, 300], 1),
  detour: sort(stretch, ['client-edge'], 'network', [30, 150], 1),
  'tunnel-client': sort(['tunnel-client'], ['tunnel-queue'], 'device', [20, 300], 1),
  'tunnel-version': sort(['tunnel-cohort'], ['tunnel-queue'], 'cohort', [20, 120], 1),
  'tunnel-platform': extra(['tunnel-cohort'], ['tunnel-queue'], 'cohort', [20, 120]),
  'tunnel-profile': extra(['tunnel-cohort'], ['tunnel-queue'], 'cohort', [20, 120]),
  'edge-overload': sort(['edge'], ['in-edge'], 'edge', [40, 400], 1),
  'edge-tunnel': extra(['edge'], ['in-edge', 'tunnel-queue'], 'edge', [20, 150]),
  'edge-inspection': sort(['tls', 'edge'], ['tls', 'in-edge'], 'edge', [50, 400], 1),
  'edge-resolver': sort(['edge-dns'], ['dns'], 'edge', [50, 500], 1),
  'application-dns': sort(['application-dns'], ['dns'], 'application', [50, 500], 1),
  'leg2-link-delay': sort(stretch, ['edge-origin'], 'network', [20, 300], 0.7),
  'leg2-link-loss': loss(stretch, ['edge-origin'], 'network', [0.02, 0.15], 0.3),
  'application-border': sort(stretch, ['edge-origin', 'client-edge'], 'network', [20, 300], 1),
  application: sort(['application', 'front-end'], ['server'], 'application', [50, 500], 1),
  'front-end': sort(['front-end'], ['server'], 'front-end', [50, 500], 1),
  'application-tls': extra(['tls'], ['tls'], 'application', [50, 400]),
  'slow-line': extra(['transfer'], ['transfer'], 'device', [60, 600]),
  'mtu-hole': extra(['mtu'], ['edge-origin', 'client-edge'], 'network', [250, 1_000]),
  'page-release': sort(['page'], ['page'], 'application', [150, 900], 1),
  'third-party': sort(['third-party'], ['page'], 'application', [150, 900], 1),
};

function sort(
  families: Sort['families'],
  segments: Sort['segments'],
  scope: CauseScope,
  range: Sort['range'],
  weight: number,
): Sort {
  return { families, segments, scope, range, weight };
}

function loss(
  families: Sort['families'],
  segments: Sort['segments'],
  scope: CauseScope,
  range: Sort['range'],
  weight: number,
): Sort {
  return { ...sort(families, segments, scope, range, weight), cause: 'loss' };
}

/** What §16.2 does not have comes half as often as what it has. */
function extra(
  families: Sort['families'],
  segments: Sort['segments'],
  scope: CauseScope,
  range: Sort['range'],
): Sort {
  return { ...sort(families, segments, scope, range, 0.5), isExtra: true };
}
