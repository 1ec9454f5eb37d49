import type { NetworkType } from '#contract/forwarding.ts';
import type { EdgeEntry, ForwardingPolicy } from '#contract/policy.ts';
import type { Log } from '#runtime/log.ts';
import { readLocalFacts } from '../network/read-facts.ts';
import { createApplicationPac, type PacStatus } from '../pac/application-pac.ts';
import { checkPac } from '../pac/check-pac.ts';
import { pacValues } from '../pac/values.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import type { AskPac } from './ask-pac.ts';
import { makePac } from './pac.ts';
import type { Destination } from './route.ts';

/** PAC files of the policy in force: the one that programs fetch, and the one the agent asks itself. */
export type PolicyPac = {
  setPolicy(policy: ForwardingPolicy, edges: readonly EdgeEntry[]): void;
  /** The agent's own proxies, once they listen; the first is the one PAC files name. */
  setListeners(listeners: readonly Destination[]): void;
  /** The network or the edge is another: every answer is asked for anew. */
  refresh(): void;
  askPac: AskPac;
  /** What `/proxy.pac` is, for the proxy with that address. */
  served(address: Destination): string;
  status(): PacStatus;
  stop(): Promise<void>;
};

export const createPolicyPac = (parts: {
  tunnel: Pick<Tunnel, 'status'>;
  network: () => NetworkType;
  onChange?: (name: 'pac-broken' | 'pac-restored', reason: string) => void;
  log: Log;
}): PolicyPac => {
  const application = createApplicationPac(parts);
  let policy: ForwardingPolicy | undefined;
  let edges: readonly EdgeEntry[] = [];
  let listeners: readonly Destination[] = [];
  let checked: string | undefined;
  /** Of the file for programs; what does not compile would send them all direct. */
  let servedProblem = '';

  const valuesFor = (proxy: Destination, isForBrowsers: boolean) =>
    pacValues({
      edges,
      ranking: rankingOf(parts.tunnel),
      network: parts.network(),
      proxy,
      isForBrowsers,
    });
  const refresh = () => {
    const [proxy] = listeners;
    const text = policy?.mode === 'tunnel' ? policy.pac?.application : undefined;
    if (policy === undefined || proxy === undefined || text === undefined) {
      return application.set(undefined);
    }
    application.set({
      text,
      values: valuesFor(proxy, false),
      own: readLocalFacts().addresses,
      whenUnknown: policy.whenTunnelDown,
      edges,
      listeners,
    });
  };
  const checkServed = async (text: string | undefined) => {
    if (text === checked) return;
    checked = text;
    const [problem] = text === undefined ? [] : await checkPac(text, parts.log);
    if (text !== checked) return;
    servedProblem =
      problem === undefined ? '' : `the PAC file for programs cannot be used: ${problem}`;
    if (servedProblem !== '') parts.onChange?.('pac-broken', servedProblem.slice(0, 300));
  };

  return {
    setPolicy(given, entries) {
      policy = given;
      edges = entries;
      refresh();
      void checkServed(given.pac?.forwarding);
    },
    setListeners(given) {
      listeners = given;
      refresh();
    },
    refresh,
    askPac: (flow) => application.ask(flow),
    served(address) {
      const { mode, whenTunnelDown, pac = {} } = policy ?? beforePolicy;
      try {
        const own = servedProblem === '' ? pac : {};
        return makePac(address, { mode, whenTunnelDown, pac: own }, valuesFor(address, true));
      } catch {
        // An edge's place that is no word of a script.
        return makePac(address, { mode, whenTunnelDown });
      }
    },
    status() {
      const found = application.status();
      if (servedProblem === '') return found;
      return {
        state: 'broken',
        problem: [found.problem, servedProblem].filter(Boolean).join('; '),
      };
    },
    stop: () => application.stop(),
  };
};

const beforePolicy: Pick<ForwardingPolicy, 'mode' | 'whenTunnelDown' | 'pac'> = {
  mode: 'tunnel',
  whenTunnelDown: 'closed',
};

/** Edges from the one in use on, the closest first. */
const rankingOf = (tunnel: Pick<Tunnel, 'status'>): string[] => {
  const { edgeId, edges } = tunnel.status();
  const byDistance = edges
    .filter(({ isUp, id }) => isUp && id !== edgeId)
    .sort((one, other) => (one.rttMs ?? 1e9) - (other.rttMs ?? 1e9));
  return [...(edgeId === null ? [] : [edgeId]), ...byDistance.map(({ id }) => id)];
};
