import type { Reading } from '#collector/diagnose/fleet/reading.ts';
import { edgeApplicationId } from '#contract/edge-path.ts';

/** Stored is whatever an enrolled device names; judged is what the organisation has. */
export const knownOnly = (
  readings: readonly Reading[],
  has: { applications: ReadonlySet<string>; edges: ReadonlySet<string> },
): Reading[] =>
  readings.flatMap((reading) =>
    isDeclared(reading, has.applications) ? (ofKnownEdge(reading, has.edges) ?? []) : [],
  );

const isDeclared = (reading: Reading, declared: ReadonlySet<string>): boolean =>
  !('appId' in reading) || reading.appId === edgeApplicationId || declared.has(reading.appId);

/** An edge that nobody let in is none; a trace to it leads nowhere. */
const ofKnownEdge = (reading: Reading, edges: ReadonlySet<string>): Reading | undefined => {
  if (reading.kind === 'path' && reading.toEdgeId !== null && !edges.has(reading.toEdgeId)) {
    return undefined;
  }
  if (!('edgeId' in reading) || reading.edgeId === null || edges.has(reading.edgeId))
    return reading;
  if (reading.kind === 'edge' || reading.kind === 'onward') return undefined;
  return reading.kind === 'http'
    ? { ...reading, edgeId: null, edge: null }
    : { ...reading, edgeId: null };
};
