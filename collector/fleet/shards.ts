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

/**
 * Who is a shard's in one stretch of time. A device is where its tunnel was up most; so all that it
 * measured straight is there too, beside what it is compared with.
 */
export const membersOf = async (
  store: Store,
  shard: string,
  range: { fromMs: number; toMs: number },
): Promise<Members> => {
  if (shard === wholeShard) return { deviceIds: null, edgeIds: null };
  const edgeOf = await edgesOfDevices(store, range);
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
};

const edgesOfDevices = async (
  store: Store,
  range: { fromMs: number; toMs: number },
): Promise<Map<string, string>> => {
  const rows = await store.aggregate({
    measurement: 'tunnel',
    field: 'up',
    statistics: ['sum'],
    by: ['device', 'edge'],
    ...range,
  });
  const best = new Map<string, { edgeId: string; count: number }>();
  // Sorted by device and edge: of two edges with as many samples it is the first.
  for (const { tags, values } of rows) {
    const [deviceId, edgeId, count] = [tags['device'] ?? '', tags['edge'] ?? '', values.sum ?? 0];
    if (edgeId === '' || count <= (best.get(deviceId)?.count ?? 0)) continue;
    best.set(deviceId, { edgeId, count });
  }
  return new Map([...best].map(([deviceId, { edgeId }]) => [deviceId, edgeId]));
};
