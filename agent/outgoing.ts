import { join } from 'node:path';
import { dialBySystem } from '#probes/dial-by-system.ts';
import { type CollectorClient, createCollectorClient } from '#runtime/collector-client.ts';
import type { IdentityHolder } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import type { createStopper } from '#runtime/service.ts';
import { type Shipper, startShipper } from '#runtime/shipper.ts';
import { openSpool, type Spool } from '#runtime/spool.ts';
import type { AgentProgramConfig } from './config.ts';
import { openRunLedger, type RunLedger } from './run-ledger.ts';

export type Outgoing = {
  client: CollectorClient;
  ledger: RunLedger;
  spool: Spool;
  shipper: Shipper;
};

/** Everything between a record and the collector's acknowledgement of it. */
export const startOutgoing = async (parts: {
  config: AgentProgramConfig;
  identity: IdentityHolder;
  log: Log;
  stopper: ReturnType<typeof createStopper>;
}): Promise<Outgoing> => {
  const { config, identity, log, stopper } = parts;
  const client = createCollectorClient({
    collectorUrl: config.collectorUrl,
    identity: identity.current,
    dial: dialBySystem,
    log,
  });
  stopper.add('collector client', () => client.stop());
  const ledger = openRunLedger({ folder: config.stateFolder, deviceId: identity.current().id });
  stopper.add('run ledger', () => ledger.close());
  const spool = await openSpool({
    folder: join(config.stateFolder, 'spool'),
    maxBytes: config.spoolMaxBytes,
    log,
    onDropped: (records, token) =>
      ledger.countLost(records, 'spool-full', token === undefined ? {} : { token }),
  });
  stopper.add('spool', () => spool.close());
  await ledger.settle(spool.findPending);
  const shipper = startShipper({
    spool,
    post: client.postBatch,
    refusedFolder: join(config.stateFolder, 'refused'),
    log,
    onRefused: (records, about) => ledger.countLost(records, 'refused', about),
  });
  stopper.add('shipper', () => shipper.stop());
  return { client, ledger, spool, shipper };
};
