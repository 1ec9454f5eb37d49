import { fill, type Kit } from './forms.ts';

/** Rates of one simulated device. */
export type Rates = {
  resultsPerMinute: number;
  /** Between two samples of the device, and of its tunnel. */
  sampleSeconds: number;
};

/** As an agent's shipper sends them at most. */
export const batchRecords = 500;

export type MadeBatch = { id: string; text: string; resultCount: number; recordCount: number };

/**
 * One simulated device: what it has measured by a time, as batches. Between two batches it is a few
 * numbers, whatever it could not send meanwhile: records are made when they are sent.
 */
export class Device {
  readonly index: number;
  readonly id: string;
  readonly #kit: Kit;
  readonly #rates: Rates;
  readonly #run: string;
  /** Kit that is used from a time on. */
  readonly #later: { kit: Kit; from: number } | undefined;
  /** Until here records were made; of the last batch that was acknowledged. */
  #sentUntil: number;
  #results = 0;
  #samples = 0;
  #batches = 0;
  /** Made and not acknowledged: sent again as it is. */
  #pending: (MadeBatch & { until: number; samples: number }) | undefined;

  constructor(given: {
    index: number;
    id: string;
    kit: Kit;
    rates: Rates;
    run: string;
    from: number;
    later?: { kit: Kit; from: number };
  }) {
    this.index = given.index;
    this.id = given.id;
    this.#kit = given.kit;
    this.#rates = given.rates;
    this.#run = given.run;
    this.#later = given.later;
    this.#sentUntil = given.from;
  }

  get acknowledgedResults(): number {
    return this.#results;
  }

  /** Results of the batch that was sent and not acknowledged: the collector may have them or not. */
  get pendingResults(): number {
    return this.#pending?.resultCount ?? 0;
  }

  /** Results that should have been sent by now. */
  owed(now: number): number {
    return Math.max(0, Math.floor((now - this.#sentUntil) / this.#resultEveryMs));
  }

  get #resultEveryMs(): number {
    return 60_000 / this.#rates.resultsPerMinute;
  }

  /** The batch that was not acknowledged, or a new one with what was measured since; else undefined. */
  next(now: number): MadeBatch | undefined {
    this.#pending ??= this.#make(now);
    return this.#pending;
  }

  #make(now: number) {
    const everyMs = this.#resultEveryMs;
    const resultCount = Math.min(batchRecords - 2, this.owed(now));
    if (resultCount === 0) return undefined;
    const until = this.#sentUntil + resultCount * everyMs;
    const { results } = this.#kitAt(until);
    const records: string[] = [];
    for (let n = 0; n < resultCount; n += 1) {
      const number = this.#results + n;
      const form = results[number % results.length];
      const at = Math.round(this.#sentUntil + (n + 1) * everyMs);
      if (form) records.push(fill(form, { id: this.#idOf('8', number), device: this.id, at }));
    }
    const sampleMs = this.#rates.sampleSeconds * 1_000;
    const samples = Math.floor(until / sampleMs) - Math.floor(this.#sentUntil / sampleMs);
    if (samples > 0) this.#addSamples(records, until);
    const id = this.#idOf('9', this.#batches);
    const text = `{"version":1,"id":"${id}","sentAt":${now},"records":[${records.join(',')}]}`;
    return { id, text, resultCount, recordCount: records.length, until, samples };
  }

  /** One of each, however many are due: what is owed after an outage is results. */
  #addSamples(records: string[], until: number): void {
    const at = Math.round(until);
    const kit = this.#kitAt(at);
    for (const [variant, forms] of [
      ['a', kit.tunnel],
      ['b', kit.device],
    ] as const) {
      const form = forms[this.#samples % forms.length];
      const id = this.#idOf(variant, this.#samples);
      if (form) records.push(fill(form, { id, device: this.id, at }));
    }
  }

  #kitAt(at: number): Kit {
    return this.#later !== undefined && at >= this.#later.from ? this.#later.kit : this.#kit;
  }

  acknowledged(): void {
    const sent = this.#pending;
    if (sent === undefined) return;
    this.#sentUntil = sent.until;
    this.#results += sent.resultCount;
    if (sent.samples > 0) this.#samples += 1;
    this.#batches += 1;
    this.#pending = undefined;
  }

  /** Run, device and number: whoever reads the store can count what is there and what is twice. */
  #idOf(variant: string, number: number): string {
    return idOf({ run: this.#run, device: this.index, variant, number });
  }
}

/** The shape of RFC 9562's version 8: the bits are ours. `run` is eight hexadecimal digits. */
export const idOf = (of: {
  run: string;
  device: number;
  variant: string;
  number: number;
}): string => {
  const device = of.device.toString(16).padStart(7, '0');
  const number = of.number.toString(16).padStart(12, '0');
  return `${of.run}-${device.slice(3)}-8${device.slice(0, 3)}-${of.variant}000-${number}`;
};
