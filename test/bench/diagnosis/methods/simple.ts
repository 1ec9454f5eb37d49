import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Method } from '../finding.ts';
import { createBlameIt } from './blame-it.ts';
import { createSharedFeatures } from './features.ts';
import { createLargestHop } from './largest-hop.ts';
import { createLastHop } from './last-hop.ts';
import { createMaxCoverage } from './max-coverage.ts';
import { createSegmentDelta } from './segment-delta.ts';
import { createStaticThresholds } from './static-thresholds.ts';

/** Everything the engine is compared with; they share one reading of the records. */
export const createSimpleMethods = (facts: Facts): Method[] => {
  const featuresOf = createSharedFeatures();
  return [
    createSegmentDelta(featuresOf),
    createStaticThresholds(featuresOf, facts),
    createLargestHop(featuresOf),
    createLastHop(featuresOf),
    createBlameIt(featuresOf),
    createMaxCoverage(featuresOf),
  ];
};
