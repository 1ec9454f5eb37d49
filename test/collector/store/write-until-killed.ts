import { openStore } from '#collector/store/open.ts';
import { makePoint } from './make-point.ts';

/** Writes batches of 100 points and prints each one's number once the store has it. */
const [file = ''] = process.argv.slice(2);
const store = await openStore({ engine: 'duckdb', file });
for (let batch = 0; ; batch += 1) {
  await store.write(
    Array.from({ length: 100 }, (_, i) =>
      makePoint('http', batch * 100 + i, { device: 'killed' }, { url: `${batch}`, wait_ms: i }),
    ),
  );
  process.stdout.write(`${batch}\n`);
}
