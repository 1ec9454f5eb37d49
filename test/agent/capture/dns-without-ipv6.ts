import { readdirSync } from 'node:fs';
import { startDnsCapture } from '#agent/capture/dns.ts';
import { createNames } from '#agent/capture/names.ts';
import { notOpened } from '#agent/forwarding/open.ts';
import { silentLog } from '#runtime/log.ts';

/** Listeners for two name servers where ::1 is absent: prints what became of them, and ends. */
const dns = startDnsCapture({
  route: () => ({ action: 'tunnel', rule: 'default' }),
  names: createNames(),
  open: async () => notOpened(503, 'x', 'no tunnel'),
  log: silentLog(),
});
const listen = () => dns.listen(['2001:db8::53', '192.0.2.53']);

/** The descriptors open once what is closing has closed: libuv closes over some turns of its loop. */
async function settledCount(): Promise<number> {
  const openCount = () => readdirSync('/proc/self/fd').length;
  let before = openCount();
  for (let calm = 0; calm < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = openCount();
    calm = now === before ? calm + 1 : 0;
    before = now;
  }
  return before;
}

const listeners = await listen();
const before = await settledCount();
for (let i = 0; i < 20; i++) await listen();
const told = {
  servers: listeners.map(({ server }) => server),
  problem: dns.problem(),
  leakedCount: (await settledCount()) - before,
};
process.stdout.write(`${JSON.stringify(told)}\n`);
await dns.stop();
