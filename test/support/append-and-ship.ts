/**
 * A program to be killed: appends numbered records as fast as the disk takes them and ships them.
 * Says on standard output which record is safe, once it is. Arguments: state folder, collector URL.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startShipper } from '#runtime/shipper.ts';
import { openSpool } from '#runtime/spool.ts';
import { makeEvent } from './telemetry.ts';

const [folder = '', collectorUrl = '', mode = ''] = process.argv.slice(2);
const log = silentLog();
const identity = await loadOrEnroll({
  folder,
  collectorUrl,
  token: undefined,
  role: 'device',
  name: 'to-be-killed',
  platform: 'linux',
  programVersion: '0.1.0',
  log,
});
const client = createCollectorClient({ collectorUrl, identity: identity.current, log });
const spool = await openSpool({ folder: join(folder, 'spool'), maxBytes: 50_000_000, log });
const shipper = startShipper({
  spool,
  post: client.postBatch,
  refusedFolder: join(folder, 'refused'),
  log,
  lingerMs: 1,
});

const appendForEver = async () => {
  for (;;) {
    const event = makeEvent(
      identity.current().id,
      'x'.repeat(Math.floor(Math.random() * 250)),
      randomUUID(),
    );
    if (await spool.append(event)) process.stdout.write(`${event.id}\n`);
  }
};

if (mode === 'drain') {
  while (spool.status().pendingCount > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await shipper.stop();
  await spool.close();
  await client.stop();
  await identity.stop();
} else {
  await Promise.all(Array.from({ length: 20 }, appendForEver));
}
