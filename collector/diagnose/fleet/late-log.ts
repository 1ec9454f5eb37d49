import { type AnyArray, type ColumnSpec, createColumns, slotOf } from './columns.ts';
import { hopColumns, type OpenBin, sampleColumns, traceColumns } from './open-bin.ts';

/**
 * What came for bins that are closed, all bins in one: of such a bin only samples and traces are of
 * use, and a device that was away for a day brings a thousand bins with little in each.
 */
export type LateLog = ReturnType<typeof createLateLog>;
/** Where readings go. */
export type Inlet = OpenBin | LateLog;

const sampleOfBin = { bin: 'u32', ...sampleColumns } as const satisfies ColumnSpec;
const traceOfBin = { bin: 'u32', ...traceColumns } as const satisfies ColumnSpec;

export const lateColumns = { samples: sampleOfBin, traces: traceOfBin, hops: hopColumns } as const;

/** With more of either it is learned from. */
const most = { samples: 32_768, hops: 16_384 } as const;

export const createLateLog = (saved?: Record<string, Record<string, AnyArray>>) => {
  const samples = createColumns(sampleOfBin, saved?.['samples']);
  const traces = createColumns(traceOfBin, saved?.['traces']);
  const hops = createColumns(hopColumns, saved?.['hops']);
  let bin = 0;
  const log = {
    isLate: true as const,
    samples,
    traces,
    hops,
    /** Of what comes next. */
    get bin() {
      return bin;
    },
    get isFull() {
      return samples.count >= most.samples || hops.count >= most.hops;
    },
    forBin(number: number) {
      bin = number;
      return log;
    },
    sample(key: number, ms: number, beside: boolean): void {
      // What was measured beside the plan teaches nothing.
      if (beside) return;
      const row = samples.add();
      const page = samples.page(row);
      page.bin[slotOf(row)] = bin;
      page.key[slotOf(row)] = key;
      page.ms[slotOf(row)] = ms;
    },
    /** Losses are counted over the last half hour only. */
    loss(): void {},
    traceRow(): number {
      const row = traces.add();
      traces.page(row).bin[slotOf(row)] = bin;
      return row;
    },
    empty(): void {
      for (const columns of [samples, traces, hops]) columns.empty();
    },
    save: () => ({ samples: samples.save(), traces: traces.save(), hops: hops.save() }),
  };
  return log;
};
