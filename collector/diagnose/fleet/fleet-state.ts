import { type Learning, learningFor } from './baseline.ts';
import { type AnyArray, type ColumnSpec, createColumns } from './columns.ts';
import { createKeyTable, type KeyTable } from './key-table.ts';
import { createLosses, type Losses } from './losses.ts';
import { createNames, type Names } from './names.ts';
import { createOpenBin, type OpenBin } from './open-bin.ts';
import { createPaths, type Paths } from './paths.ts';
import { createPlaces, type Places } from './places.ts';

const deviceColumns = {
  firstBin: 'u32',
  bin: 'u32',
  /** Bit n: a reading n bins before `bin`. */
  history: 'u8',
  edge: 'u32',
  site: 'u32',
  linkType: 'u8',
  cpuRatio: 'f32',
  memoryRatio: 'f32',
  signalDbm: 'f32',
  sameFlow: 'u8',
  reconnects: 'u16',
  lagExtraMs: 'f32',
  /** 1: hot, 2: ailing; in `bin`. */
  marks: 'u8',
  gatewayLoss: 'u32',
  underlayLoss: 'u32',
  tunnelLoss: 'u32',
} as const satisfies ColumnSpec;

const edgeColumns = { bin: 'u32', cpuRatio: 'f32', sessions: 'u32' } as const satisfies ColumnSpec;

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
  /** By bin: not closed yet; closed, but readings came late. */
  open: Map<number, OpenBin>;
  late: Map<number, OpenBin>;
  /** To be used again. */
  spare: OpenBin[];
  /** Values of pooled keys in the last bins, where they were few. */
  recent: Map<number, RecentValues[]>;
  /** Devices met in places in the last bins, where they were few. */
  met: Map<number, { bin: number; devices: number[] }[]>;
  /** Last closed bin; -1: none. */
  closedThrough: number;
  /** Day of the last clearing up; 0: none. */
  evictedDay: number;
};
export type RecentValues = { bin: number; ms: number[] };

export type SavedColumns = Record<string, AnyArray>;
export type SavedState = {
  header: {
    names: string[][];
    open: number[];
    late: number[];
    recent: [number, RecentValues[]][];
    met: [number, { bin: number; devices: number[] }[]][];
    closedThrough: number;
    evictedDay: number;
  };
  columns: Record<string, SavedColumns>;
};

export const createState = (
  config: { binMs: number; seasonal: boolean; lagControl: boolean },
  saved?: SavedState,
): FleetState => {
  const names = (index: number): Names => createNames(saved?.header.names[index]);
  const columns = saved?.columns ?? {};
  const bins = (list: 'open' | 'late'): Map<number, OpenBin> =>
    new Map((saved?.header[list] ?? []).map((bin) => [bin, openBinFrom(columns, list, bin)]));
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
    open: bins('open'),
    late: bins('late'),
    spare: [],
    recent: new Map(saved?.header.recent ?? []),
    met: new Map(saved?.header.met ?? []),
    closedThrough: saved?.header.closedThrough ?? -1,
    evictedDay: saved?.header.evictedDay ?? 0,
  };
};

export const openBinFor = (state: FleetState, bin: number): OpenBin => {
  const spare = state.spare.pop();
  if (spare === undefined) return createOpenBin(bin);
  spare.reuse(bin);
  return spare;
};

export const saveState = (state: FleetState): SavedState => {
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
  for (const list of ['open', 'late'] as const) {
    for (const [bin, one] of state[list]) {
      for (const [part, values] of Object.entries(one.save())) {
        columns[`${list} ${bin} ${part}`] = values;
      }
    }
  }
  return {
    header: {
      names: names.map((one) => one.save()),
      open: ascending(state.open),
      late: ascending(state.late),
      recent: [...state.recent].sort(byKey),
      met: [...state.met].sort(byKey),
      closedThrough: state.closedThrough,
      evictedDay: state.evictedDay,
    },
    columns,
  };
};

const ascending = (bins: Map<number, unknown>): number[] => [...bins.keys()].sort((a, b) => a - b);
const byKey = (a: [number, unknown], b: [number, unknown]): number => a[0] - b[0];

const openBinFrom = (columns: Record<string, SavedColumns>, list: string, bin: number): OpenBin => {
  const prefix = `${list} ${bin} `;
  const parts = Object.entries(columns)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, values]) => [name.slice(prefix.length), values]);
  return createOpenBin(bin, Object.fromEntries(parts));
};
