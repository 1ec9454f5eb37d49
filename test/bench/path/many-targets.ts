import { createPathEngine } from '#probes/path/engine.ts';

/** Echoes to many targets at once, in the namespace this is run in: `many-targets.ts FIRST COUNT`. */
const [first = '', count = '0'] = process.argv.slice(2);
const base = first.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
const addresses = Array.from({ length: Number(count) }, (_, index) => {
  const value = base + index;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
});
const packetsEach = 10;
const signal = new AbortController().signal;
const engine = createPathEngine();
await engine.echo({ address: addresses[0] ?? '', count: 3, timeoutMs: 1_000 }, signal);

const startedMs = performance.now();
const answers = await Promise.all(
  addresses.map((address) =>
    engine.echo({ address, count: packetsEach, timeoutMs: 2_000 }, signal),
  ),
);
const elapsedMs = performance.now() - startedMs;
let sent = 0;
let answered = 0;
let crossed = 0;
for (const [index, answer] of answers.entries()) {
  for (const packet of answer.kind === 'packets' ? answer.packets : []) {
    sent += 1;
    if (packet.answer === null || !('address' in packet.answer)) continue;
    answered += 1;
    if (packet.answer.address !== addresses[index]) crossed += 1;
  }
}
await engine.stop();
process.stdout.write(JSON.stringify({ sent, answered, crossed, elapsedMs }));
