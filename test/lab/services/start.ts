import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Topology } from '../topology/topology.ts';
import type { ServedNode } from './service.ts';

export type StartServices = {
  topology: Topology;
  /** The lab's state folder: certificates and sockets are put there, and the process ends with it. */
  folder: string;
  namespaceOf: (node: string) => string;
  /** Every address of a node, links included: they get reverse names too. */
  addressesOf?: (node: string) => readonly string[];
  socketPath: string;
  logFile: string;
};

/** What the process is told, as JSON in a file of the folder. */
export type ServicesConfig = { folder: string; socketPath: string; nodes: ServedNode[] };

/**
 * Starts every name server, web server, portal and gate of a topology in one process that outlives
 * this one. Resolves once all of them listen; the namespaces and their addresses are there already.
 */
export const startServices = async (options: StartServices): Promise<{ pid: number }> => {
  const configFile = join(options.folder, 'services.json');
  writeFileSync(configFile, JSON.stringify(configOf(options)), { mode: 0o600 });
  const log = openSync(options.logFile, 'a', 0o600);
  const program = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), program, configFile],
    { detached: true, stdio: ['ignore', log, log, 'ipc'], cwd: '/' },
  );
  closeSync(log);
  await untilReady(child, options.logFile);
  if (child.connected) child.disconnect();
  child.unref();
  return { pid: child.pid ?? 0 };
};

const configOf = ({
  topology,
  folder,
  socketPath,
  namespaceOf,
  addressesOf,
}: StartServices): ServicesConfig => ({
  folder,
  socketPath,
  nodes: topology.nodes
    .filter(({ role }) => role !== 'switch')
    .map(({ name, role, address4, address6, names = [] }) => ({
      name,
      role,
      namespace: namespaceOf(name),
      addresses: [address4, address6].filter((address) => address !== ''),
      allAddresses: addressesOf?.(name) ?? [],
      names,
    })),
});

const untilReady = (child: ChildProcess, logFile: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) =>
      reject(
        new Error(`the lab's services ended while starting (${code}):\n${lastWords(logFile)}`),
      );
    child.once('error', reject).once('exit', ended);
    child.once('message', () => {
      // From here on it may end when it likes, its log with it.
      child.off('exit', ended);
      resolve();
    });
  });

const lastWords = (logFile: string): string => readFileSync(logFile, 'utf8').slice(-2_000);
