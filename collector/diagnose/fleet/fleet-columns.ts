import type { ColumnSpec } from './columns.ts';

/** What is known of a device, and of an edge, besides its keys. */
export const deviceColumns = {
  firstBin: 'u32',
  bin: 'u32',
  /** Bit n: a reading n bins before `bin`. */
  history: 'u8',
  edge: 'u32',
  /** Bin in which a reading named it last. */
  edgeBin: 'u32',
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
  /** Names and the like that it brought up today. */
  minted: 'u16',
} as const satisfies ColumnSpec;

export const edgeColumns = {
  bin: 'u32',
  cpuRatio: 'f32',
  sessions: 'u32',
} as const satisfies ColumnSpec;
