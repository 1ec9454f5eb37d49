import {
  type AnyArray,
  at,
  type ColumnSpec,
  createColumns,
  type SparePages,
  slotOf,
} from './columns.ts';

/** What came in for one bin, as it came. Nothing in here depends on the order of arrival. */
export type OpenBin = ReturnType<typeof createOpenBin>;

export const sampleColumns = { key: 'u32', ms: 'f32' } as const satisfies ColumnSpec;

/** Sent and lost packets of a row of `losses`; where only their share was told, that (else NaN). */
const lossColumns = {
  row: 'u32',
  sent: 'u16',
  lost: 'u16',
  ratio: 'f32',
} as const satisfies ColumnSpec;

/** A device met a place (edge, application, address). */
const meetingColumns = { place: 'u32', device: 'u32' } as const satisfies ColumnSpec;

/** A load of a page waited for a third party. */
const visitColumns = { third: 'u32', device: 'u32' } as const satisfies ColumnSpec;

/** What is known of a device besides what it times: the newest of the bin. */
const deviceColumns = {
  /** 0: none. */
  deviceTime: 'f64',
  cpuRatio: 'f32',
  memoryRatio: 'f32',
  signalDbm: 'f32',
  linkType: 'u8',
  site: 'u32',
  tunnelTime: 'f64',
  edge: 'u32',
  /** Only runs said it. */
  runTime: 'f64',
  runEdge: 'u32',
  /** 0: not known, 1: no, 2: yes. */
  sameFlow: 'u8',
  reconnects: 'u16',
  traces: 'u16',
  seen: 'u8',
} as const satisfies ColumnSpec;

const edgeColumns = {
  time: 'f64',
  cpuRatio: 'f32',
  sessions: 'u32',
  seen: 'u8',
} as const satisfies ColumnSpec;

/** One device, application and way. */
const runColumns = {
  pair: 'u32',
  runs: 'u16',
  ok: 'u16',
  pages: 'u16',
  okPages: 'u16',
  failureTime: 'f64',
  failure: 'u32',
  pageFailureTime: 'f64',
  pageFailure: 'u32',
  /** Newest run that was ok; 0: none. */
  time: 'f64',
  lasted: 'f32',
  dns: 'f32',
  connect: 'f32',
  proxyConnect: 'f32',
  tls: 'f32',
  wait: 'f32',
  receive: 'f32',
  lag: 'f32',
  edgeQueue: 'f32',
  edgeDns: 'f32',
  edgeConnect: 'f32',
  edgeWaited: 'f32',
  bodyBytes: 'f64',
  probe: 'u32',
  dnsSource: 'u32',
  remoteAddress: 'u32',
  edgeAddress: 'u32',
  tlsProtocol: 'u32',
  edge: 'u32',
  /** Place + 1 of the newest run that told it. */
  place: 'u32',
  placeTime: 'f64',
  /** 1: the edge said something, 2: asked for. */
  marks: 'u8',
} as const satisfies ColumnSpec;

export const traceColumns = {
  /** Kind of what is traced and whose: see paths. */
  kind: 'u8',
  owner: 'u32',
  target: 'u32',
  time: 'f64',
  rttMs: 'f32',
  sent: 'u16',
  /** Of the target's own packets; NaN: not told. */
  lossRatio: 'f32',
  mtuBytes: 'u32',
  marks: 'u8',
  firstHop: 'u32',
  hops: 'u8',
} as const satisfies ColumnSpec;

export const hopColumns = {
  ttl: 'u8',
  address: 'u32',
  asn: 'u32',
  sent: 'u8',
  received: 'u8',
  rttMs: 'f32',
  rttMinMs: 'f32',
} as const satisfies ColumnSpec;

export const openBinColumns = {
  planned: sampleColumns,
  beside: sampleColumns,
  losses: lossColumns,
  meetings: meetingColumns,
  visits: visitColumns,
  devices: deviceColumns,
  edges: edgeColumns,
  runs: runColumns,
  traces: traceColumns,
  hops: hopColumns,
} as const;

/** Memory of the bins before, for those to come. */
export const createSpareBins = () => ({
  samples: [] as SparePages<typeof sampleColumns>,
  losses: [] as SparePages<typeof lossColumns>,
  meetings: [] as SparePages<typeof meetingColumns>,
  devices: [] as SparePages<typeof deviceColumns>,
  runs: [] as SparePages<typeof runColumns>,
  traces: [] as SparePages<typeof traceColumns>,
  hops: [] as SparePages<typeof hopColumns>,
});

export const createOpenBin = (
  number: number,
  spare: ReturnType<typeof createSpareBins>,
  saved?: Record<string, Record<string, AnyArray>>,
) => {
  const parts = {
    planned: createColumns(sampleColumns, saved?.['planned'], spare.samples),
    beside: createColumns(sampleColumns, saved?.['beside']),
    losses: createColumns(lossColumns, saved?.['losses'], spare.losses),
    meetings: createColumns(meetingColumns, saved?.['meetings'], spare.meetings),
    visits: createColumns(visitColumns, saved?.['visits']),
    devices: createColumns(deviceColumns, saved?.['devices'], spare.devices),
    edges: createColumns(edgeColumns, saved?.['edges']),
    runs: createColumns(runColumns, saved?.['runs'], spare.runs),
    traces: createColumns(traceColumns, saved?.['traces'], spare.traces),
    hops: createColumns(hopColumns, saved?.['hops'], spare.hops),
  };
  /** Pair → row of `runs` + 1. */
  let rowOfPair = new Uint32Array(64);
  const remember = (pair: number, row: number): void => {
    if (pair >= rowOfPair.length) {
      const longer = new Uint32Array(Math.max(pair + 1, rowOfPair.length * 2));
      longer.set(rowOfPair);
      rowOfPair = longer;
    }
    rowOfPair[pair] = row + 1;
  };
  for (let row = 0; row < parts.runs.count; row += 1) {
    remember(at(parts.runs.page(row).pair, slotOf(row)), row);
  }

  return {
    isLate: false as const,
    bin: number,
    ...parts,
    /** Its memory is the next bin's from here on, but for the runs: verdicts are made of those. */
    release(): void {
      rowOfPair = new Uint32Array();
      for (const columns of Object.values(parts)) if (columns !== parts.runs) columns.empty();
    },
    releaseRuns(): void {
      parts.runs.empty();
    },
    sample(key: number, ms: number, beside: boolean): void {
      const log = beside ? parts.beside : parts.planned;
      const row = log.add();
      const page = log.page(row);
      page.key[slotOf(row)] = key;
      page.ms[slotOf(row)] = ms;
    },
    /** `ratio`: only this was told; `sent` is what is usual until the row knows better. */
    loss(row: number, sent: number, lost: number, ratio = Number.NaN): void {
      if (sent <= 0) return;
      const added = parts.losses.add();
      const page = parts.losses.page(added);
      page.row[slotOf(added)] = row;
      page.sent[slotOf(added)] = Math.min(65_535, sent);
      // A sender that has lost more than it sent has lost all.
      page.lost[slotOf(added)] = Math.min(65_535, sent, lost);
      page.ratio[slotOf(added)] = ratio;
    },
    meet(place: number, device: number): void {
      const row = parts.meetings.add();
      const page = parts.meetings.page(row);
      page.place[slotOf(row)] = place;
      page.device[slotOf(row)] = device;
    },
    visit(third: number, device: number): void {
      const row = parts.visits.add();
      const page = parts.visits.page(row);
      page.third[slotOf(row)] = third;
      page.device[slotOf(row)] = device;
    },
    deviceRow(device: number): number {
      while (parts.devices.count <= device) parts.devices.add();
      return device;
    },
    edgeRow(edge: number): number {
      while (parts.edges.count <= edge) parts.edges.add();
      return edge;
    },
    traceRow: (): number => parts.traces.add(),
    runRow(pair: number): number {
      const known = rowOfPair[pair] ?? 0;
      if (known > 0) return known - 1;
      const row = parts.runs.add();
      parts.runs.page(row).pair[slotOf(row)] = pair;
      remember(pair, row);
      return row;
    },
    /** After rows of keys have moved. */
    moveKeys(next: (key: number) => number): void {
      for (const log of [parts.planned, parts.beside]) {
        for (let row = 0; row < log.count; row += 1) {
          const page = log.page(row);
          page.key[slotOf(row)] = next(at(page.key, slotOf(row)));
        }
      }
      rowOfPair.fill(0);
      for (let row = 0; row < parts.runs.count; row += 1) {
        const page = parts.runs.page(row);
        const pair = next(at(page.pair, slotOf(row)));
        page.pair[slotOf(row)] = pair;
        remember(pair, row);
      }
    },
    save: () =>
      Object.fromEntries(Object.entries(parts).map(([name, columns]) => [name, columns.save()])),
  };
};
