import { readFileSync, statSync } from 'node:fs';
import { createLog, type Log } from '#runtime/log.ts';
import { createStopper } from '#runtime/service.ts';
import { issueCertificates, openAuthority } from './authority.ts';
import { startCollectorGate } from './collector-gate.ts';
import { type Served, startControlServer } from './control-server.ts';
import { startNameServer } from './name-server.ts';
import { startPortal } from './portal.ts';
import type { ServedNode, Service } from './service.ts';
import { createSite, thirdPartyName } from './site.ts';
import type { ServicesConfig } from './start.ts';
import { startWebServer } from './web-server.ts';
import { makeZone } from './zone.ts';

/** `main.ts services.json`: serves until its socket's `stop`, a signal, or the folder's end. */
const main = async (configFile: string): Promise<void> => {
  const config = JSON.parse(readFileSync(configFile, 'utf8')) as ServicesConfig;
  const log = createLog('lab-services');
  const stopper = createStopper(log);
  const served = await startAll(config, log);
  for (const [name, { service }] of served) stopper.add(name, () => service.stop());
  const stop = (reason: string) => {
    log.info({ component: 'lab-services', reason }, 'stopping');
    void stopper.stop();
    // Requests that think or hang would hold the process.
    setTimeout(() => process.exit(0), 500).unref();
  };
  const { socketPath } = config;
  const control = await startControlServer({ socketPath, served, stop: () => stop('asked') });
  stopper.add('control', () => control.stop());
  stopper.add(
    'folder watch',
    watchFolder(config.folder, () => stop('folder gone')),
  );
  process.once('SIGTERM', () => stop('SIGTERM')).once('SIGINT', () => stop('SIGINT'));
  tellReady(log, served);
};

const startAll = async ({ nodes, folder }: ServicesConfig, log: Log): Promise<Served> => {
  const authority = await openAuthority(folder);
  const zone = makeZone(nodes);
  const hasThirdParty = nodes.some(({ names }) => names.includes(thirdPartyName));
  const startAt = async (node: ServedNode): Promise<Service | undefined> => {
    switch (node.role) {
      case 'name-server':
        return startNameServer(node, zone, log);
      case 'server': {
        const isThirdParty = node.names.includes(thirdPartyName);
        const scripts = hasThirdParty && !isThirdParty ? [`https://${thirdPartyName}/tag.js`] : [];
        const find = createSite(node.names[0] ?? node.name, scripts);
        const certificates = await issueCertificates(authority, node);
        return startWebServer({ node, certificates, find });
      }
      case 'gateway':
        return startPortal(node);
      case 'collector':
        return startCollectorGate(node, folder);
      default:
        return undefined;
    }
  };
  const started = await Promise.all(
    nodes.map(async (node) => ({ node, service: await startAt(node) })),
  );
  return new Map(
    started.flatMap(({ node, service }) => (service ? [[node.name, { node, service }]] : [])),
  );
};

/** By its inode: a lab taken down and raised again at once has another folder of the same name. */
const watchFolder = (folder: string, onGone: () => void): (() => void) => {
  const inode = () => statSync(folder, { throwIfNoEntry: false })?.ino;
  const first = inode();
  const timer = setInterval(() => {
    if (inode() !== first) onGone();
  }, 1_000);
  return () => clearInterval(timer);
};

/** To the process that started this one, which then lets go. */
const tellReady = (log: Log, served: Served): void => {
  log.info({ component: 'lab-services', nodes: [...served.keys()] }, 'serving');
  process.send?.('ready');
  if (process.connected) process.disconnect?.();
};

await main(process.argv[2] ?? '');
