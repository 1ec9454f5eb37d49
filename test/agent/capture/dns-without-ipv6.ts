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
const openCount = () => readdirSync('/proc/self/fd').length;

const listeners = await listen();
const before = openCount();
for (let i = 0; i < 20; i++) await listen();
await new Promise((resolve) => setImmediate(resolve));
const told = {
  servers: listeners.map(({ server }) => server),
  problem: dns.problem(),
  leakedCount: openCount() - before,
};
process.stdout.write(`${JSON.stringify(told)}\n`);
await dns.stop();
