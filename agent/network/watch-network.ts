import { Resolver } from 'node:dns/promises';
import type { TrustedNetwork } from '#contract/forwarding.ts';
import type { Log } from '#runtime/log.ts';
import { classifyNetwork, type NetworkFacts, type NetworkVerdict } from './network-type.ts';
import { type LocalFacts, readLocalFacts } from './read-facts.ts';

export type NetworkTypeWatch = {
  current(): NetworkVerdict;
  /** Takes effect with the next look, which is made at once. */
  setTrusted(networks: readonly TrustedNetwork[]): void;
  stop(): void;
};

/** Changes are seen this soon; the look reads a few files. */
const lookIntervalMs = 5_000;
/** Names are asked for again this often although nothing local has changed. */
const resolveIntervalMs = 60_000;
const resolveTimeoutMs = 2_000;

/** Says which of the organisation's networks the device is on, and when that changes. */
export const watchNetworkType = (parts: {
  onChange: (verdict: NetworkVerdict, before: NetworkVerdict) => void;
  log: Log;
  read?: () => LocalFacts;
  resolve?: (host: string) => Promise<readonly string[]>;
  intervalMs?: number;
}): NetworkTypeWatch => {
  const read = parts.read ?? (() => readLocalFacts());
  const resolve = parts.resolve ?? resolveHost;
  let trusted: readonly TrustedNetwork[] = [];
  let current = classifyNetwork(withAsked(read(), {}), trusted);
  let seen = '';
  let resolvedAtMs = Number.NEGATIVE_INFINITY;
  let hostAddresses: NetworkFacts['hostAddresses'] = {};
  let turn: Promise<void> = Promise.resolve();
  let isStopped = false;

  const look = async () => {
    const local = read();
    const now = JSON.stringify(local);
    if (now !== seen || performance.now() - resolvedAtMs >= resolveIntervalMs) {
      hostAddresses = await resolveAll(trusted, resolve);
      resolvedAtMs = performance.now();
      seen = now;
    }
    if (isStopped) return;
    const found = classifyNetwork(withAsked(local, hostAddresses), trusted);
    const before = current;
    current = found;
    if (found.type === before.type && found.networkId === before.networkId) return;
    parts.log.info({ component: 'network', ...found }, 'network type changed');
    parts.onChange(found, before);
  };
  const lookInTurn = () => {
    turn = turn.then(look).catch((error: unknown) => {
      parts.log.error({ component: 'network', err: error }, 'look at the network failed');
    });
  };
  const timer = setInterval(lookInTurn, parts.intervalMs ?? lookIntervalMs);

  return {
    current: () => current,
    setTrusted(networks) {
      if (JSON.stringify(networks) === JSON.stringify(trusted)) return;
      trusted = networks;
      seen = '';
      lookInTurn();
    },
    stop() {
      isStopped = true;
      clearInterval(timer);
    },
  };
};

/** Nobody tells the device yet with which address it is seen from outside. */
const withAsked = (
  local: LocalFacts,
  hostAddresses: NetworkFacts['hostAddresses'],
): NetworkFacts => ({ ...local, egressAddress: null, hostAddresses });

const resolveAll = async (
  networks: readonly TrustedNetwork[],
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<Record<string, readonly string[]>> => {
  const hosts = [...new Set(networks.flatMap((network) => Object.keys(network.hosts ?? {})))];
  const found = await Promise.all(
    hosts.map(async (host) => [host, await resolve(host).catch(() => [])] as const),
  );
  return Object.fromEntries(found.filter(([, addresses]) => addresses.length > 0));
};

/** The network's own servers are asked, not the hosts file: what is tested is the network. */
const resolveHost = async (host: string): Promise<string[]> => {
  const resolver = new Resolver({ timeout: resolveTimeoutMs, tries: 1 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
};
