const kib = 1_024;
const mib = 1_048_576;

/** What a stream may have under way before anything is known of the path. */
export const startWindowBytes = mib;

const smallest = 256 * kib;
const largest = 8 * mib;
/** What all streams together may have waiting here, while nobody reads them. */
const waitingBytes = 256 * mib;
/** Programs at both ends take their turn too: a window of the path's own few microseconds starves. */
const shortestRttMs = 4;

/**
 * The window for the streams of a session, by the bandwidth-delay product: twice what arrived in one
 * round trip. A path that fills its window is given a larger one each time; one that does not is
 * brought back, as what it has too much would wait in the way of others. Halves and doubles only, so
 * that a settled path is left alone. `bytesPerSecond`: of the busiest second lately, 0 when idle.
 */
export const windowFor = (path: {
  currentBytes: number;
  bytesPerSecond: number;
  /** Without queues: the smallest of the control session. */
  rttMs: number;
  streamCount: number;
}): number => {
  const bound = Math.max(smallest, Math.min(largest, waitingBytes / Math.max(1, path.streamCount)));
  const product = (path.bytesPerSecond * Math.max(shortestRttMs, path.rttMs)) / 1_000;
  const { currentBytes } = path;
  if (currentBytes > bound) return Math.floor(bound);
  if (path.bytesPerSecond === 0) return Math.min(startWindowBytes, Math.floor(bound));
  if (product * 2 > currentBytes) return Math.min(currentBytes * 2, Math.floor(bound));
  if (product * 8 < currentBytes) return Math.max(smallest, currentBytes / 2);
  return currentBytes;
};
