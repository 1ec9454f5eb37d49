/**
 * What a key is the history of. `owner` is whose it is, `floorMs` below which its spread is never
 * taken, `timed` that the device's clock and event loop measured it, so that the loop's delay comes
 * off it, `reference` that it stands for a whole path, so that it alone may start a suspicion.
 */
type Kind = {
  owner: 'device' | 'path' | 'place' | 'edge' | 'application' | 'third-party';
  floorMs: number;
  timed?: boolean;
  reference?: boolean;
  /** Look-ups are short or long by whether they were cached: the middle flips, the low end does not. */
  lowEnd?: boolean;
  /** Pooled over devices, and over three bins where one holds few. */
  pooled?: boolean;
};

const kindTable = {
  lag: { owner: 'device', floorMs: 0.4, reference: true },
  gateway: { owner: 'device', floorMs: 0.6, timed: true, reference: true },
  /** By edge. */
  underlay: { owner: 'device', floorMs: 0.8, timed: true, reference: true },
  tunnel: { owner: 'device', floorMs: 0.8, timed: true, reference: true },
  queue: { owner: 'device', floorMs: 0.3, reference: true },
  runRoundTrip: { owner: 'device', floorMs: 1, timed: true, reference: true },
  /** By application and way. A busy device is slow for its user, so its delay stays in. */
  total: { owner: 'device', floorMs: 10 },
  /** By application. */
  directConnect: { owner: 'device', floorMs: 0.8, timed: true, reference: true },
  render: { owner: 'device', floorMs: 10 },
  pageTotal: { owner: 'device', floorMs: 10 },
  /** By TTL on one path; by address on any path of the device. */
  pathHop: { owner: 'path', floorMs: 0.8, timed: true },
  deviceHop: { owner: 'device', floorMs: 0.8, timed: true },
  pathRtt: { owner: 'path', floorMs: 0.8, timed: true, reference: true },
  deviceRtt: { owner: 'device', floorMs: 0.8, timed: true, reference: true },
  /** Leg 2, by edge, application and address: the edge's own measurements and those in runs. */
  ownConnect: { owner: 'place', floorMs: 0.5 },
  runConnect: { owner: 'place', floorMs: 0.5, pooled: true },
  ownDns: { owner: 'place', floorMs: 0.5, lowEnd: true },
  onwardRtt: { owner: 'place', floorMs: 0.5 },
  onwardHop: { owner: 'place', floorMs: 0.5 },
  inEdge: { owner: 'place', floorMs: 0.5, pooled: true },
  dns: { owner: 'place', floorMs: 0.8, lowEnd: true, pooled: true },
  tls: { owner: 'place', floorMs: 1, pooled: true },
  server: { owner: 'place', floorMs: 1, pooled: true },
  transfer: { owner: 'place', floorMs: 1, pooled: true },
  edgeLag: { owner: 'edge', floorMs: 0.4 },
  edgeQueue: { owner: 'edge', floorMs: 0.3 },
  pageRender: { owner: 'application', floorMs: 5 },
  thirdParty: { owner: 'third-party', floorMs: 5, pooled: true },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kindTable;
export const kindNames = Object.keys(kindTable) as KindName[];
export const kinds: readonly Kind[] = Object.values(kindTable);
export const kindOf = Object.fromEntries(kindNames.map((name, i) => [name, i])) as {
  [K in KindName]: number;
};
