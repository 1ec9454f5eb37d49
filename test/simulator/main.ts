import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { compareWithTwin, twinOf } from './compare.ts';
import type { WorldOptions } from './options.ts';
import { statisticsOf } from './statistics.ts';
import { type FaultKind, faultKinds } from './truth.ts';
import { truthLinesOf } from './truth-lines.ts';
import { createWorld } from './world.ts';

const usage = `npx tsx test/simulator/main.ts --seed N > FILE
  [--devices N] [--days SCORED] [--warm-days N] [--bin 60|300] [--sample SECONDS]
  [--faults PER_DAY] [--kinds KIND,…] [--decoys PER_DAY] [--truth FILE]
  --check    instead: each kind of fault, what the truth expects against what records show
  --usual    instead: what times are usual in this world without faults`;

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      devices: { type: 'string', default: '500' },
      days: { type: 'string', default: '1' },
      'warm-days': { type: 'string', default: '2' },
      bin: { type: 'string', default: '300' },
      sample: { type: 'string', default: '60' },
      faults: { type: 'string', default: '36' },
      decoys: { type: 'string', default: '24' },
      kinds: { type: 'string' },
      truth: { type: 'string' },
      check: { type: 'boolean', default: false },
      usual: { type: 'boolean', default: false },
    },
  });
  if (values.seed === undefined) throw new Error(`--seed is missing\n${usage}`);
  const onlyKinds = values.kinds?.split(',').map(kindOf) ?? null;
  const options = {
    seed: Number(values.seed),
    devices: Number(values.devices),
    scoredDays: Number(values.days),
    warmDays: Number(values['warm-days']),
    binSeconds: values.bin === '60' ? 60 : 300,
    sampleSeconds: Number(values.sample),
    faultsPerDay: Number(values.faults),
    decoysPerDay: Number(values.decoys),
    onlyKinds,
  } as const;
  if (values.check) return checkKinds(options);
  if (values.usual) {
    const quiet = { ...options, sampleSeconds: options.binSeconds, warmDays: 0 };
    return lineWriter(process.stdout)(statisticsOf(twinOf(quiet)));
  }
  const world = createWorld(options);
  const out = lineWriter(process.stdout);
  const truth = values.truth === undefined ? undefined : createWriteStream(values.truth);
  const truthOut = truth && lineWriter(truth);
  await out([world.header]);
  await truthOut?.([...world.faults, ...world.decoys]);
  for (const bin of world.bins()) {
    await out(bin.records);
    await truthOut?.(truthLinesOf(world, bin.truth));
  }
  truth?.end();
};

/** One day is enough; runs that two faults slow are left out. */
const checkKinds = async (given: Partial<WorldOptions> & { seed: number }): Promise<void> => {
  const options = { ...given, sampleSeconds: given.binSeconds ?? 300, warmDays: 0 };
  await lineWriter(process.stdout)(compareWithTwin(createWorld(options), twinOf(options)));
};

const kindOf = (name: string): FaultKind => {
  const kind = faultKinds.find((known) => known === name);
  if (kind === undefined)
    throw new Error(`no such kind: ${name}; there are ${faultKinds.join(', ')}`);
  return kind;
};

const lineWriter = (to: Writable) => async (values: readonly object[]) => {
  if (values.length === 0) return;
  const text = `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;
  if (!to.write(text)) await once(to, 'drain');
};

await main();
