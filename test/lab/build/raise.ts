import { existsSync, mkdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { takeLock } from '#runtime/file-lock.ts';
import { startServices } from '../services/start.ts';
import { startShim } from '../shim/client.ts';
import { changeState, type LabState, readState, writeState } from '../state.ts';
import { planAddresses } from '../topology/addresses.ts';
import { planRoutes } from '../topology/routes.ts';
import type { Topology } from '../topology/topology.ts';
import { type Plans, steps } from './build.ts';
import { checkLabName, labFolder, namespaceName } from './names.ts';
import { helpersOf, isRunning } from './processes.ts';
import { planQueues } from './queues.ts';
import { removeLab } from './remove.ts';
import { checkRequirements, LabRefused } from './requirements.ts';

export type RaiseOptions = {
  topology: Topology;
  name: string;
  /** Web servers, name servers, portals. */
  hasServices: boolean;
  /** Delays, jitter, loss; without it packets take no time. */
  hasShim: boolean;
  signal?: AbortSignal | undefined;
};

export const socketsOf = (lab: string) => ({
  shim: `${labFolder(lab)}/shim.sock`,
  services: `${labFolder(lab)}/services.sock`,
});

/**
 * Makes the network unless it is there already. What a killed run left is removed first; where this
 * one fails or is ended, nothing stays.
 */
export const raise = async (options: RaiseOptions): Promise<LabState> => {
  checkLabName(options.name);
  checkRequirements();
  const folder = labFolder(options.name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = lockLab(options.name);
  try {
    const standing = readState(options.name);
    if (standing !== undefined && isWhole(standing)) return checkSame(standing, options);
    return await buildOrLeaveNothing(options);
  } finally {
    lock.release();
  }
};

const buildOrLeaveNothing = async (options: RaiseOptions): Promise<LabState> => {
  const { name, signal } = options;
  await removeLab(name, { keepFolder: true });
  try {
    return await build(options);
  } catch (error) {
    await removeLab(name);
    // A signal from a terminal ends the commands under way too: their failure is not the reason.
    throw signal?.aborted === true ? signal.reason : error;
  }
};

/** One at a time makes or removes a lab. */
export const lockLab = (lab: string): { release(): void } =>
  takeLock({
    path: `${labFolder(lab)}/lock`,
    what: `the lab "${lab}"`,
    fix: 'wait until it is done',
  });

/** Up, with all that it was raised with. */
export const isWhole = ({ name, phase, topology, shim, services }: LabState): boolean => {
  const helpers = helpersOf(name);
  const lives = (helper: { pid: number } | null) =>
    helper === null || (helpers.includes(helper.pid) && isRunning(helper.pid));
  return (
    phase === 'up' &&
    lives(shim) &&
    lives(services) &&
    topology.nodes.every((node) => existsSync(`/var/run/netns/${namespaceName(name, node.name)}`))
  );
};

const checkSame = (standing: LabState, options: RaiseOptions): LabState => {
  const isSame =
    isDeepStrictEqual(standing.topology, JSON.parse(JSON.stringify(options.topology))) &&
    (standing.shim !== null || !options.hasShim) &&
    (standing.services !== null || !options.hasServices);
  if (isSame) return standing;
  throw new LabRefused(
    `the lab "${standing.name}" is up as another network (${standing.topology.name}) or with less: take it down first, or choose another name`,
  );
};

const build = async (options: RaiseOptions): Promise<LabState> => {
  const { topology, name: lab, signal } = options;
  const plan = planAddresses(topology);
  const queues = options.hasShim ? planQueues(lab, topology, plan) : [];
  const plans: Plans = { lab, topology, plan, queues, routing: planRoutes(topology, plan) };
  writeState({
    version: 1,
    name: lab,
    topology,
    phase: 'rising',
    raisedAt: new Date().toISOString(),
    metrics: {},
    isRoutingWhole: true,
    shim: null,
    services: null,
  });
  signal?.throwIfAborted();
  await steps.namespaces(plans);
  signal?.throwIfAborted();
  // Each of the two processes takes its second to start: the rest is made meanwhile.
  const shim = options.hasShim ? startDelays(plans) : Promise.resolve(null);
  const rest = async () => {
    await steps.wires(plans);
    signal?.throwIfAborted();
    const services = options.hasServices ? startServers(plans) : Promise.resolve(null);
    const [started] = await allDone([services, steps.rules(plans)]);
    return started;
  };
  const [startedShim, startedServices] = await allDone([shim, rest()]);
  signal?.throwIfAborted();
  return changeState(lab, { phase: 'up', shim: startedShim, services: startedServices });
};

const startDelays = ({ lab, queues }: Plans): Promise<{ pid: number }> =>
  startShim({
    queues: queues.map(({ key, namespace, queueNumber, impairment }) => ({
      ...{ key, namespace, queueNumber, impairment },
    })),
    socketPath: socketsOf(lab).shim,
    logFile: `${logFolder(lab)}/shim.log`,
  });

const startServers = ({ lab, topology, plan }: Plans): Promise<{ pid: number }> =>
  startServices({
    topology,
    folder: labFolder(lab),
    namespaceOf: (node) => namespaceName(lab, node),
    addressesOf: plan.addressesOf,
    socketPath: socketsOf(lab).services,
    logFile: `${logFolder(lab)}/services.log`,
  });

const logFolder = (lab: string): string => {
  const folder = `${labFolder(lab)}/logs`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
};

/** As Promise.all, but nothing of it goes on after it has failed: removal comes next. */
const allDone = async <T extends readonly unknown[]>(
  work: {
    [K in keyof T]: Promise<T[K]>;
  },
): Promise<T> => {
  const settled = await Promise.allSettled(work);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value) as unknown as T;
};
