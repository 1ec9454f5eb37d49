import { edgeServerName } from '#contract/enrollment.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { PacElement } from './answer.ts';

/** A PAC file's answer, as a fact for the forwarding decision. */
export type PacDecision = {
  action: 'tunnel' | 'direct' | 'block';
  /** To prefer, the first that is up; empty: whichever is in use. */
  edges: string[];
  rule: string;
};

/** Places a PAC file may name that lead into the tunnel. */
export type PacPlaces = {
  edges: readonly Pick<EdgeEntry, 'id' | 'host' | 'port' | 'serverName'>[];
  /** The agent's own proxies: what they are given goes through the tunnel. */
  listeners: readonly { host: string; port: number }[];
};

/** What `${TUNNEL}` stands for: the edge in use, whichever it is. */
export const tunnelPlace = { host: edgeServerName('any'), port: 443 };

/**
 * What a list of elements comes to. The first that can be used decides; edges one after the other are
 * preferred in that order. A proxy that is no edge of ours is passed over and told of: the agent
 * hands no traffic to others.
 */
export const followPac = (
  elements: readonly PacElement[],
  places: PacPlaces,
): { decision: PacDecision; strangers: string[] } => {
  const strangers: string[] = [];
  const edges: string[] = [];
  let rule: string | undefined;
  for (const element of elements) {
    if (element.kind === 'direct') {
      if (rule === undefined) {
        return { decision: { action: 'direct', edges: [], rule: 'pac DIRECT' }, strangers };
      }
      break;
    }
    const found = edgesAt(element, places);
    if (found === undefined) {
      strangers.push(element.text);
      continue;
    }
    rule ??= `pac ${element.text}`;
    // Any edge: nothing after it can matter.
    if (found.length === 0) break;
    edges.push(...found.filter((id) => !edges.includes(id)));
  }
  if (rule !== undefined) return { decision: { action: 'tunnel', edges, rule }, strangers };
  const no = `pac ${strangers[0] ?? 'answer'}: no edge of ours`;
  return { decision: { action: 'block', edges: [], rule: no }, strangers };
};

/** Ids of the edges a proxy's place is; none: any; undefined: it is somebody else. */
const edgesAt = (
  { host, port }: { host: string; port: number },
  { edges, listeners }: PacPlaces,
): string[] | undefined => {
  if (host === tunnelPlace.host) return [];
  if (listeners.some((own) => own.host === host && own.port === port)) return [];
  const byName = edges.filter((edge) => edge.serverName.toLowerCase() === host);
  const exact = edges.filter((edge) => edge.host.toLowerCase() === host && edge.port === port);
  // Ports of other vendors' edges (80, 443, 9400) stand in files that came from there.
  const byHost = edges.filter((edge) => edge.host.toLowerCase() === host);
  const found = [byName, exact, byHost].find((list) => list.length > 0);
  return found?.map(({ id }) => id);
};
