import type { Store } from '../store/store.ts';

export const shardings = ['organisation', 'edge'] as const;
export type Sharding = (typeof shardings)[number];

/** All there is in one. */
export const wholeShard = 'organisation';
/** By edge: the devices that were at none. */
export const directShard = 'direct';
const edgePrefix = 'edge:';

/** The shards there are, in a fixed order. */
export const shardNames = (shardBy: Sharding, edgeIds: readonly string[]): string[] =>
  shardBy === 'organisation'
    ? [wholeShard]
    : [...edgeIds.map((id) => `${edgePrefix}${id}`), directShard];

/** What of the store is a shard's. `null`: no limit. */
export type Members = { deviceIds: readonly string[] | null; edgeIds: readonly string[] | null };

type Range = { fromMs: number; toMs: number };

/** A device that has lost its tunnel belongs to the edge it was at; longer, and it is at none. */
const edgeHoldsMs = 86_400_000;
/** How far back the store is asked for the edge of a device that was never met: mostly it is near. */
const lookBackMs = [3_600_000, edgeHoldsMs] as const;
const devicesAtOnce = 400;

/**
 * Who is a shard's in one stretch of time. A device is where its tunnel was up most; so all that it
 * measured straight is there too, beside what it is compared with. While its tunnel is down it stays
 * where it was: an outage of an edge is to be seen by those who know the edge.
 */
export const createShards = (store: Pick<Store, 'aggregate' | 'tagValues'>) => {
  const lastEdges = createLastEdges(store);
  /** The newest answer: every shard asks the same of one bin. */
  let newest: { range: Range; edges: Promise<ReadonlyMap<string, string>> } | undefined;

  const edgesIn = (range: Range): Promise<ReadonlyMap<string, string>> => {
    const isKnown = newest?.range.fromMs === range.fromMs && newest.range.toMs === range.toMs;
    if (newest === undefined || !isKnown) {
      const edges = edgesOfDevices(store, range).then((seen) => lastEdges.complete(seen, range));
      newest = { range, edges };
      // A question that failed is asked again.
      edges.catch(() => {
        if (newest?.edges === edges) newest = undefined;
      });
    }
    return newest.edges;
  };

  return {
    async membersOf(shard: string, range: Range): Promise<Members> {
      if (shard === wholeShard) return { deviceIds: null, edgeIds: null };
      const edgeOf = await edgesIn(range);
      if (shard !== directShard) {
        const edgeId = shard.slice(edgePrefix.length);
        const own = [...edgeOf].filter(([, id]) => id === edgeId).map(([deviceId]) => deviceId);
        return { deviceIds: own.sort(), edgeIds: [edgeId] };
      }
      const present = await Promise.all([
        store.tagValues({ measurement: 'device', tag: 'device', ...range }),
        store.tagValues({ measurement: 'http', tag: 'device', ...range }),
      ]);
      const without = new Set(present.flat().filter((deviceId) => !edgeOf.has(deviceId)));
      return { deviceIds: [...without].sort(), edgeIds: [] };
    },
  };
};

/** `at`: where the tunnel was up, or tried to be. `lost`: devices that name no edge at all. */
type Seen = { at: Map<string, string>; lost: string[] };

const edgesOfDevices = async (
  store: Pick<Store, 'aggregate'>,
  range: Range,
  device?: readonly string[],
): Promise<Seen> => {
  const rows = await store.aggregate({
    measurement: 'tunnel',
    field: 'up',
    statistics: ['sum', 'count'],
    by: ['device', 'edge'],
    ...(device === undefined ? {} : { tags: { device } }),
    ...range,
  });
  const best = new Map<string, { edgeId: string; up: number; count: number }>();
  const all = new Set<string>();
  // Sorted by device and edge: of two edges with as many samples it is the first.
  for (const { tags, values } of rows) {
    const [deviceId, edgeId] = [tags['device'] ?? '', tags['edge'] ?? ''];
    const { up, count } = { up: values.sum ?? 0, count: values.count ?? 0 };
    all.add(deviceId);
    const known = best.get(deviceId) ?? { up: 0, count: 0 };
    const isMore = up > known.up || (up === known.up && count > known.count);
    if (edgeId !== '' && isMore) best.set(deviceId, { edgeId, up, count });
  }
  return {
    at: new Map([...best].map(([deviceId, { edgeId }]) => [deviceId, edgeId])),
    lost: [...all].filter((deviceId) => !best.has(deviceId)),
  };
};

/** Remembers where devices were; what it does not know, the store does. */
const createLastEdges = (store: Pick<Store, 'aggregate'>) => {
  /** '': nowhere. */
  const last = new Map<string, { edgeId: string; atMs: number }>();

  const lookUp = async (deviceIds: readonly string[], nowMs: number): Promise<void> => {
    let unknown = deviceIds;
    for (const backMs of lookBackMs) {
      const range = { fromMs: nowMs - backMs, toMs: nowMs };
      for (let from = 0; from < unknown.length; from += devicesAtOnce) {
        const device = unknown.slice(from, from + devicesAtOnce);
        const found = await edgesOfDevices(store, range, device);
        for (const [deviceId, edgeId] of found.at) last.set(deviceId, { edgeId, atMs: nowMs });
      }
      unknown = unknown.filter((deviceId) => !last.has(deviceId));
    }
    for (const deviceId of unknown) last.set(deviceId, { edgeId: '', atMs: nowMs });
  };

  return {
    /** With the devices that lost their edge at the one they had. */
    async complete({ at, lost }: Seen, range: Range): Promise<ReadonlyMap<string, string>> {
      for (const [deviceId, { atMs }] of last) {
        if (Math.abs(range.fromMs - atMs) > edgeHoldsMs) last.delete(deviceId);
      }
      for (const [deviceId, edgeId] of at) last.set(deviceId, { edgeId, atMs: range.fromMs });
      const unknown = lost.filter((deviceId) => !last.has(deviceId));
      if (unknown.length > 0) await lookUp(unknown, range.fromMs);
      const edges = new Map(at);
      for (const deviceId of lost) {
        const edgeId = last.get(deviceId)?.edgeId ?? '';
        if (edgeId !== '') edges.set(deviceId, edgeId);
      }
      return edges;
    },
  };
};
