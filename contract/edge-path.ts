/** The application id under which devices measure the way to their edges. */
export const edgeApplicationId = 'whyslow-edge';

const prefix = 'edge-path-';

/** The probe that measures the way to one edge. */
export const edgePathProbeId = (edgeId: string): string => `${prefix}${edgeId}`;

/** The edge that a run of the application above measured; null: the probe's id names none. */
export const tracedEdgeId = (probeId: string): string | null =>
  probeId.startsWith(prefix) && probeId.length > prefix.length
    ? probeId.slice(prefix.length)
    : null;
