import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { checkLabName, labFolder, namespaceName } from './build/names.ts';
import { isWhole, lockLab, raise, socketsOf } from './build/raise.ts';
import { removeLab } from './build/remove.ts';
import { checkRequirements, LabRefused } from './build/requirements.ts';
import { changeMetrics, setLinkUp } from './build/routing.ts';
import type { Answer } from './build/run.ts';
import { connectServices } from './services/client.ts';
import type { Services } from './services/control.ts';
import { connectShim } from './shim/client.ts';
import type { Shim } from './shim/control.ts';
import { type LabState, readState } from './state.ts';
import { type AddressPlan, planAddresses } from './topology/addresses.ts';
import { type Family, type Metrics, planRoutes } from './topology/routes.ts';
import type { Topology } from './topology/topology.ts';

/** A network that is up. Any number of processes may hold one. */
export type Lab = {
  name: string;
  topology: Topology;
  /** Sockets, logs, certificates, and whatever the programs keep. */
  folder: string;
  namespaceOf(node: string): string;
  /** All of a node's, the one it is reached at first. */
  addressesOf(node: string): string[];
  nodeOf(address: string): string | undefined;
  /** Of a node's end of a link; this is what a router answers with that sends its answer there. */
  linkAddresses(node: string, towards: string): { address4: string; address6: string };
  /** Never rejects for an exit code. A program ended by a signal has 128 and its number. */
  exec(
    node: string,
    command: string,
    args: readonly string[],
    options?: ExecOptions,
  ): Promise<Answer>;
  spawn(
    node: string,
    command: string,
    args: readonly string[],
    options?: SpawnOptions,
  ): ChildProcess;
  shim: Shim;
  services: Services;
  /** All paths of equal, least cost as the tables are now, with both ends and the switches between. */
  routeBetween(from: string, to: string, family?: Family): string[][];
  /** Other metrics for some links, `{}`: the topology's own; only differences are applied. */
  applyMetrics(metrics: Metrics): Promise<void>;
  /** Both ends; routes stay what they are. */
  setLinkUp(link: string, isUp: boolean): Promise<void>;
  /** Takes it down, with all that runs in it. */
  down(): Promise<void>;
  /** Lets go and leaves it up. */
  close(): void;
};

export type ExecOptions = {
  input?: string;
  environment?: Record<string, string>;
  timeoutMs?: number;
};

/**
 * Up and whole when it resolves; nothing left of it when it rejects. Raising what is up already
 * attaches to it.
 */
export const raiseLab = async (options: {
  topology: Topology;
  name?: string;
  services?: boolean;
  shim?: boolean;
  signal?: AbortSignal;
}): Promise<Lab> => {
  const { topology, name = 'lab', services = true, shim = true, signal } = options;
  return open(await raise({ topology, name, hasServices: services, hasShim: shim, signal }));
};

/** From another process than the one that raised it. */
export const attachLab = async (name: string): Promise<Lab> => {
  const state = readState(checkLabName(name));
  if (state === undefined) throw new LabRefused(`the lab "${name}" is not up`);
  if (!isWhole(state)) {
    throw new LabRefused(`the lab "${name}" is not whole: take it down and up again`);
  }
  return open(state);
};

/** Also of a lab that is half there, or not at all. */
export const takeLabDown = async (name: string): Promise<void> => {
  checkRequirements();
  const lock = existsSync(labFolder(checkLabName(name))) ? lockLab(name) : undefined;
  try {
    await removeLab(name);
  } finally {
    lock?.release();
  }
};

const open = async (state: LabState): Promise<Lab> => {
  const { name, topology } = state;
  const plan = planAddresses(topology);
  const sockets = socketsOf(name);
  const shim = state.shim === null ? null : await connectShim(sockets.shim);
  const services = state.services === null ? null : await connectServices(sockets.services);
  const parts = { lab: name, topology, plan };
  const routingFor = rememberLast((metrics: Metrics) => planRoutes(topology, plan, metrics));
  const close = () => {
    shim?.close();
    services?.close();
  };
  return {
    name,
    topology,
    folder: labFolder(name),
    namespaceOf: (node) => namespaceOf(parts, node),
    addressesOf: plan.addressesOf,
    nodeOf: plan.nodeOf,
    linkAddresses(node, towards) {
      const { address4, address6 } = plan.interfaceOf(node, towards);
      return { address4: address4 ?? '', address6: address6 ?? '' };
    },
    exec: (node, command, args, options) =>
      runToItsEnd(spawnIn(namespaceOf(parts, node), command, args, spawnOptions(options)), options),
    spawn: (node, command, args, options = {}) =>
      spawnIn(namespaceOf(parts, node), command, args, options),
    get shim() {
      return shim ?? absent('shim');
    },
    get services() {
      return services ?? absent('services');
    },
    routeBetween: (from, to, family) =>
      routingFor(readState(name)?.metrics ?? {}).between(from, to, family),
    applyMetrics: (metrics) => changeMetrics(parts, metrics),
    setLinkUp: (link, isUp) => setLinkUp(parts, link, isUp),
    async down() {
      close();
      await takeLabDown(name);
    },
    close,
  };
};

/** Another process may have changed the metrics; mostly none has. */
const rememberLast = <In, Out>(work: (value: In) => Out): ((value: In) => Out) => {
  let last: { key: string; result: Out } | undefined;
  return (value) => {
    const key = JSON.stringify(value);
    if (last?.key !== key) last = { key, result: work(value) };
    return last.result;
  };
};

const absent = (what: string): never => {
  throw new Error(`this lab was raised without ${what}`);
};

const namespaceOf = (
  parts: { lab: string; plan: AddressPlan; topology: Topology },
  node: string,
) => {
  if (parts.topology.nodes.some(({ name }) => name === node)) return namespaceName(parts.lab, node);
  const known = parts.topology.nodes.map(({ name }) => name).join(' ');
  throw new LabRefused(`there is no node "${node}"; there are: ${known}`);
};

/** By `ip netns exec`, which lays the node's own resolv.conf and hosts over /etc. */
const spawnIn = (
  namespace: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess => spawn('ip', ['netns', 'exec', namespace, command, ...args], options);

const spawnOptions = ({ environment, timeoutMs }: ExecOptions = {}): SpawnOptions => ({
  stdio: 'pipe',
  ...(environment === undefined ? {} : { env: { ...process.env, ...environment } }),
  ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' as const }),
});

const runToItsEnd = (child: ChildProcess, { input = '' }: ExecOptions = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const answer: Answer = { stdout: '', stderr: '', code: 0 };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      answer.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      answer.stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ ...answer, code: code ?? 128 + constants.signals[signal ?? 'SIGKILL'] }),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
