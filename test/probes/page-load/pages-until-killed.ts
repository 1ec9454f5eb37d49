import { loadPages } from './load-pages.ts';

/** A program of its own that loads pages until it is killed: `pages-until-killed.ts FOLDER`. */
await loadPages({
  runs: 1_000_000,
  failEvery: 1_000_000,
  workFolder: process.argv[2] ?? '',
  tell: (run) => process.stdout.write(`${run}\n`),
});
