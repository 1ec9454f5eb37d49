/**
 * A device of the chaos test, to be killed: real identity, spool and shipper, invented results. Says
 * `begin ID` before a result goes to the spool and `safe ID` once it is there, so that whoever reads
 * knows of each what must have come of it. SIGUSR2: it was cut off for six hours, with their results.
 * SIGHUP: it makes no more. Arguments: FOLDER COLLECTOR_URL EVERY_MS TOKEN.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startShipper } from '#runtime/shipper.ts';
import { openSpool } from '#runtime/spool.ts';
import { slowResults } from '#test/support/slow-results.ts';

const [folder = '', collectorUrl = '', everyMs = '0', token = ''] = process.argv.slice(2);
const log = silentLog();
const say = (text: string) => process.stdout.write(`${text}\n`);

/** A probe a minute, for six hours. */
const night = { count: 360, everyMs: 60_000 };

const identity = await loadOrEnroll({
  folder,
  collectorUrl,
  token: token === '' ? undefined : token,
  role: 'device',
  name: 'chaos',
  platform: 'linux',
  programVersion: '0.1.0',
  log,
});
const client = createCollectorClient({ collectorUrl, identity: identity.current, log });
const spool = await openSpool({
  folder: join(folder, 'spool'),
  maxBytes: 50_000_000,
  log,
  onDropped: (records) => {
    for (const { id } of records) say(`dropped ${id}`);
  },
});
startShipper({
  spool,
  post: client.postBatch,
  refusedFolder: join(folder, 'refused'),
  log,
  lingerMs: 50,
  onRefused: (records) => {
    for (const { id } of records) say(`refused ${id}`);
  },
});

const keep = async (record: TelemetryRecord): Promise<void> => {
  say(`begin ${record.id}`);
  // What was sent, for the replay; no part of the program.
  appendFileSync(join(folder, 'made.ndjson'), `${JSON.stringify(record)}\n`);
  if (await spool.append(record)) say(`safe ${record.id}`);
};

let isMaking = everyMs !== '0';
let lastMs = 0;
const resultsAt = (atMs: number) =>
  slowResults({
    deviceId: identity.current().id,
    appId: 'crm',
    endMs: atMs,
    usualCount: 1,
    slowCount: 0,
  });

process.on('SIGHUP', () => {
  isMaking = false;
});
process.on('SIGUSR2', () => {
  const nowMs = Date.now() - night.count * night.everyMs;
  const all = Array.from({ length: night.count }, (_, at) => resultsAt(nowMs + at * night.everyMs));
  void Promise.all(all.flat().map(keep));
});

say(`up ${identity.current().id}`);
setInterval(() => say(`pending ${spool.status().pendingCount}`), 100);
for (;;) {
  await sleep(isMaking ? Number(everyMs) : 100);
  if (!isMaking) continue;
  lastMs = Math.max(Date.now(), lastMs + 1);
  await Promise.all(resultsAt(lastMs).map(keep));
}
