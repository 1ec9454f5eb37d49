import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { truthLinesOf } from './truth-lines.ts';
import { createWorld } from './world.ts';

const usage =
  'npx tsx test/simulator/main.ts --seed N [--devices N] [--days SCORED] [--warm-days N] [--bin 60|300] [--sample SECONDS] [--truth FILE] > FILE';

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
      truth: { type: 'string' },
    },
  });
  if (values.seed === undefined) throw new Error(`--seed is missing\n${usage}`);
  const world = createWorld({
    seed: Number(values.seed),
    devices: Number(values.devices),
    scoredDays: Number(values.days),
    warmDays: Number(values['warm-days']),
    binSeconds: values.bin === '60' ? 60 : 300,
    sampleSeconds: Number(values.sample),
    faultsPerDay: Number(values.faults),
    decoysPerDay: Number(values.decoys),
  });
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

const lineWriter = (to: Writable) => async (values: readonly object[]) => {
  if (values.length === 0) return;
  const text = `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;
  if (!to.write(text)) await once(to, 'drain');
};

await main();
