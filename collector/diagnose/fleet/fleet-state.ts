import { type Learning, learningFor } from './baseline.ts';
import { type AnyArray, createColumns, type SavedColumns } from './columns.ts';
import { deviceColumns, edgeColumns } from './fleet-columns.ts';
import { createKeyTable, type KeyTable } from './key-table.ts';
import { createLateLog, type LateLog } from './late-log.ts';
import { createLosses, type Losses } from './losses.ts';
import { createNames, type Names } from './names.ts';
import { createOpenBin, createSpareBins, type OpenBin } from './open-bin.ts';
import { createPaths, type Paths } from './paths.ts';
import { createPlaces, type Places } from './places.ts';

/** All that is remembered from bin to bin. */
export type FleetState = {
  binMs: number;
  how: Learning;
  lagControl: boolean;
  deviceNames: Names;
  devices: ReturnType<typeof createColumns<typeof deviceColumns>>;
  edgeNames: Names;
  edges: ReturnType<typeof createColumns<typeof edgeColumns>>;
  appNames: Names;
  addresses: Names;
  /** Sites, probes, failure types and other words. */
  words: Names;
  /** Application, tab, host. */
  thirdParties: Names;
  keys: KeyTable;
  losses: Losses;
  places: Places;
  paths: Paths;
  /** By bin: not closed yet. And what came for closed ones. */
  open: Map<number, OpenBin>;
  late: LateLog;
  spare: ReturnType<typeof createSpareBins>;
  /** Values of pooled keys in the last bins, where they were few. */
  recent: Map<number, RecentValues[]>;
  /** Devices met in places in the last bins, where they were few. */
  met: Map<number, { bin: number; devices: number[] }[]>;
  /** Devices whose newest loads waited for a third party; which ones, where they were few. */
  visitors: Map<number, Visitors>;
  /** Last closed bin; -1: none. */
  closedThrough: number;
  /** Day of the last clearing up; 0: none. */
  evictedDay: number;
};
export type RecentValues = { bin: number; ms: number[] };
type Visitors = { count: number; recent: { bin: number; devices: number[] }[] };

type SavedHeader = {
  names: string[][];
  open: number[];
  recent: [number, RecentValues[]][];
  met: [number, { bin: number; devices: number[] }[]][];
  visitors?: [number, Visitors][];
  closedThrough: number;
  evictedDay: number;
};
type Restored = Record<string, Record<string, AnyArray>>;
export type SavedState = { header: SavedHeader; columns: Restored };

export const createState = (
  config: { binMs: number; seasonal: boolean; lagControl: boolean },
  saved?: SavedState,
): FleetState => {
  const names = (index: number): Names => createNames(saved?.header.names[index]);
  const columns = saved?.columns ?? {};
  const open = saved?.header.open ?? [];
  const spare = createSpareBins();
  const openAgain = (bin: number): [number, OpenBin] => [
    bin,
    createOpenBin(bin, spare, partsOf(columns, `open ${bin} `)),
  ];
  return {
    binMs: config.binMs,
    how: learningFor(config.binMs, config.seasonal),
    lagControl: config.lagControl,
    deviceNames: names(0),
    devices: createColumns(deviceColumns, columns['devices']),
    edgeNames: names(1),
    edges: createColumns(edgeColumns, columns['edges']),
    appNames: names(2),
    addresses: names(3),
    words: names(4),
    thirdParties: names(5),
    keys: createKeyTable(columns['keys']),
    losses: createLosses(config.binMs, columns['losses']),
    places: createPlaces(columns['places']),
    paths: createPaths(columns),
    open: new Map(open.map(openAgain)),
    late: createLateLog(partsOf(columns, 'late ')),
    spare,
    recent: new Map(saved?.header.recent ?? []),
    met: new Map(saved?.header.met ?? []),
    visitors: new Map(saved?.header.visitors ?? []),
    closedThrough: saved?.header.closedThrough ?? -1,
    evictedDay: saved?.header.evictedDay ?? 0,
  };
};

/** The arrays are those in use. */
export const saveState = (
  state: FleetState,
): { header: SavedHeader; columns: Record<string, SavedColumns> } => {
  const names = [
    state.deviceNames,
    state.edgeNames,
    state.appNames,
    state.addresses,
    state.words,
    state.thirdParties,
  ];
  const columns: Record<string, SavedColumns> = {
    devices: state.devices.save(),
    edges: state.edges.save(),
    keys: state.keys.rows.save(),
    losses: state.losses.rows.save(),
    places: state.places.rows.save(),
    ...state.paths.save(),
  };
  const put = (prefix: string, parts: Record<string, SavedColumns>): void => {
    for (const [part, values] of Object.entries(parts)) columns[`${prefix}${part}`] = values;
  };
  for (const bin of ascending(state.open)) put(`open ${bin} `, state.open.get(bin)?.save() ?? {});
  put('late ', state.late.save());
  return {
    header: {
      names: names.map((one) => one.save()),
      open: ascending(state.open),
      recent: [...state.recent].sort(byKey),
      met: [...state.met].sort(byKey),
      visitors: [...state.visitors].sort(byKey),
      closedThrough: state.closedThrough,
      evictedDay: state.evictedDay,
    },
    columns,
  };
};

const ascending = (bins: Map<number, unknown>): number[] => [...bins.keys()].sort((a, b) => a - b);
const byKey = (a: [number, unknown], b: [number, unknown]): number => a[0] - b[0];

const partsOf = (columns: Restored, prefix: string): Restored | undefined => {
  const parts = Object.entries(columns)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, values]) => [name.slice(prefix.length), values]);
  return parts.length === 0 ? undefined : Object.fromEntries(parts);
};
