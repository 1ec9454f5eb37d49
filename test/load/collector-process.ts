import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layEmptyState } from '#test/support/empty-state.ts';
import {
  freePort,
  makeFolder,
  removeFolder,
  startServerProcess,
} from '#test/support/server-process.ts';

const program = join(import.meta.dirname, '../../bin/whyslow.mjs');

/** CPU time and memory of a process now, as the kernel counts them. */
export type Usage = { cpuSeconds: number; residentMb: number };

/** The real collector as a process of its own, on loopback, in a folder that `stop` removes. */
export const startCollectorProcess = async (options: {
  /** Of the program's config file; what is left out is the default. */
  config?: Record<string, unknown>;
  /** For node itself: `--cpu-prof` and the like. */
  nodeArguments?: readonly string[];
}) => {
  const folder = makeFolder('collector');
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder);
  const [devicePort, operatorPort] = [await freePort(), await freePort()];
  const config = {
    stateFolder,
    deviceListen: { host: '127.0.0.1', port: devicePort },
    operatorListen: { host: '127.0.0.1', port: operatorPort },
    ...options.config,
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'collector.yaml'), JSON.stringify(config));
  if (options.config?.['state'] === undefined) await layEmptyState(join(stateFolder, 'state'));
  const operatorUrl = `http://127.0.0.1:${operatorPort}`;
  const child = await startServerProcess({
    name: 'collector',
    command: process.execPath,
    args: [
      ...(options.nodeArguments ?? []),
      ...[program, 'collector', '--config', join(folder, 'collector.yaml')],
    ],
    folder,
    ready: async () => (await fetch(`${operatorUrl}/readyz`)).status === 200,
  });
  const token = readFileSync(join(stateFolder, 'operator-token'), 'utf8').trim();
  const ask = async (path: string, init: { method?: string; body?: unknown } = {}) => {
    const response = await fetch(operatorUrl + path, {
      method: init.method ?? 'GET',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  return {
    folder,
    stateFolder,
    deviceUrl: `https://127.0.0.1:${devicePort}`,
    operatorUrl,
    pid: child.pid,
    /** The operator's API; throws unless it is answered with success. */
    ask,
    /** An enrolment token for so many devices, once the applications are declared. */
    async admit(
      uses: number,
      applications: readonly { id: string; name: string }[],
    ): Promise<string> {
      await ask('/v1/organisation', { method: 'PUT', body: organisationOf(applications) });
      const wish = { role: 'device', uses, expiresInSeconds: 86_400 };
      const made = await ask('/v1/enrollment-tokens', { method: 'POST', body: wish });
      return String(made['token']);
    },
    usage: () => usageOf(child.pid),
    kill: () => child.kill(),
    /** Ends it; the folder stays until `remove`. */
    stop: () => child.stop(),
    remove: () => removeFolder(folder),
  };
};

export type CollectorProcess = Awaited<ReturnType<typeof startCollectorProcess>>;

const organisationOf = (applications: readonly { id: string; name: string }[]) => ({
  version: 1,
  applications: applications.map(({ id, name }) => ({
    ...{ id, name, hosts: [`${id}.example`] },
    probes: [{ type: 'http', url: `https://${id}.example/` }],
  })),
});

const ticksPerSecond = 100;
const pageBytes = 4_096;

/** From /proc: fields 14 and 15 of stat (proc(5)), and the second of statm. */
export const usageOf = (pid: number): Usage => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpuSeconds: ticks / ticksPerSecond, residentMb: (pages * pageBytes) / 1e6 };
};
