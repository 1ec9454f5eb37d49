import { join } from 'node:path';
import { makePrivateFolder } from '#runtime/durable-file.ts';
import { takeLock } from '#runtime/file-lock.ts';
import type { Log } from '#runtime/log.ts';
import type { createStopper } from '#runtime/service.ts';
import packageFile from '../package.json' with { type: 'json' };
import { type OwnTraffic, ownTrafficOf } from './capture/own-traffic.ts';
import type { AgentProgramConfig } from './config.ts';
import { createNetworkWatch, type NetworkWatch } from './control/network-state.ts';
import { type EnforcementHolder, startEnforcement } from './enforcement/enforcement.ts';
import type { changeEvent } from './events.ts';
import type { AgentStatus, WaitingStatus } from './status.ts';
import { type SocketAnswers, serveStatus } from './status-socket.ts';

type Tell = (name: Parameters<typeof changeEvent>[1], reason: string) => void;

/** An enrolled agent, as far as what stands around it has to know. */
export type LifeParts = {
  status: () => AgentStatus;
  ask: SocketAnswers['ask'];
  tell: Tell;
  captivePortalUrl: () => string | undefined;
};

/** What stands whether the device is enrolled or not: enforcement, the look at the network, the status. */
export type Standing = {
  enforcement: EnforcementHolder;
  network: NetworkWatch;
  /** Undefined: the device is not enrolled, or is enrolling. */
  setLife(life: Partial<LifeParts> | undefined): void;
};

export const startStanding = async (
  config: AgentProgramConfig,
  log: Log,
  stopper: ReturnType<typeof createStopper>,
): Promise<Standing> => {
  const startedAt = Date.now();
  await makePrivateFolder(config.stateFolder);
  const lock = takeLock({
    path: join(config.stateFolder, 'agent.lock'),
    what: `the state folder ${config.stateFolder}`,
    fix: 'give this agent a stateFolder of its own',
  });
  stopper.add('lock', () => lock.release());
  let life: Partial<LifeParts> | undefined;
  const { strictEnforcement } = config;
  const network = createNetworkWatch({
    url: () => life?.captivePortalUrl?.() ?? strictEnforcement?.captivePortalUrl,
    onChange: ({ state, reason }) => {
      if (state === 'captive-portal') life?.tell?.('captive-portal', reason);
      else if (state === 'down') life?.tell?.('network-changed', reason);
      void enforcement.review();
    },
    log,
  });
  const enforcement = await startEnforcement({
    stateFolder: config.stateFolder,
    beforeEnrolment: strictEnforcement,
    network: network.current,
    own: ownTraffic(config),
    onChange: ({ text, cause }) => life?.tell?.('enforcement-changed', `${text} (${cause})`),
    log,
  });
  stopper.add('enforcement', () => enforcement.stop());
  // Nothing may leave before what must not leave is shut out.
  await enforcement.review();
  // Until there is a tunnel to ask, the way to a portal has to be found without one.
  const look = () => void (life?.status === undefined && network.check());
  const timer = setInterval(look, lookIntervalMs);
  stopper.add('look at the network', () => clearInterval(timer));
  look();

  const waiting = (): WaitingStatus => {
    const { state, reason } = network.current();
    return {
      version: 1,
      at: Date.now(),
      program: { version: packageFile.version, pid: process.pid, startedAt },
      device: { id: null, name: config.name },
      collectorUrl: config.collectorUrl,
      enforcement: enforcement.current(),
      network: { state, reason },
    };
  };
  // Without it the agent does its work all the same.
  const served = await serveStatus(config.stateFolder, {
    status: () => life?.status?.() ?? waiting(),
    ask: async (question, tell, gone) => {
      if (life?.ask !== undefined) return life.ask(question, tell, gone);
      tell({ type: 'refused', reason: 'this device is not enrolled yet' });
    },
  }).catch((error: unknown) =>
    log.error({ component: 'agent', err: error }, '`whyslow agent status` will not work'),
  );
  stopper.add('status', async () => served?.stop());
  return {
    enforcement,
    network,
    setLife: (now) => {
      life = now;
    },
  };
};

const lookIntervalMs = 5_000;

/** The fence lets pass what capture lets pass, or the agent would be shut in with the others. */
const ownTraffic = ({ capture }: AgentProgramConfig): OwnTraffic =>
  capture === undefined ? { uids: [process.geteuid?.() ?? 0] } : ownTrafficOf(capture);
