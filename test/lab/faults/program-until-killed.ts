import { fork } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// A program to be stopped, starved and misled by program-faults.lab.test.ts: it is busy a third of
// the time, writes what its clocks say into the file named first, and has a child doing the same.
const [file = '', role = 'parent'] = process.argv.slice(2);
const child =
  role === 'parent' ? fork(fileURLToPath(import.meta.url), [`${file}.child`, 'child']) : null;
// The child goes with its parent, however that ends.
process.on('disconnect', () => process.exit());

const busyMs = 10;
setInterval(() => {
  const untilMs = performance.now() + busyMs;
  while (performance.now() < untilMs);
  const clocks = { dateMs: Date.now(), steadyMs: performance.now(), childPid: child?.pid };
  writeFileSync(`${file}.new`, JSON.stringify(clocks));
  renameSync(`${file}.new`, file);
}, 3 * busyMs);
