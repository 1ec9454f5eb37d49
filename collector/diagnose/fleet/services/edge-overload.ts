import type { CellFinding } from './cell-findings.ts';

/** One cause and the parts of the answer it shows in. */
export type JoinedFinding = { lead: CellFinding; joined: readonly CellFinding[] };

/**
 * An edge without time waits before the dial, in handshakes it handles and with every answer it
 * passes on. What is slow for all applications of an edge that also queues is that one edge.
 */
export const joinByEdge = (findings: readonly CellFinding[]): JoinedFinding[] => {
  const leads = new Map<string, JoinedFinding & { joined: CellFinding[] }>();
  for (const lead of findings) {
    const edgeId = overloadedEdge(lead);
    if (edgeId !== null && !leads.has(edgeId)) leads.set(edgeId, { lead, joined: [] });
  }
  const result: JoinedFinding[] = [];
  for (const lead of findings) {
    const { kind, edgeId } = lead.group;
    const owner = kind === 'edge' && edgeId !== null ? leads.get(edgeId) : undefined;
    if (owner === undefined || !isEdgesOwnWork(lead)) result.push({ lead, joined: [] });
    else if (owner.lead === lead) result.push(owner);
    else owner.joined.push(lead);
  }
  return result;
};

const overloadedEdge = ({ group }: CellFinding): string | null =>
  group.part === 'in-edge' && group.kind === 'edge' ? group.edgeId : null;

const isEdgesOwnWork = ({ group }: CellFinding): boolean =>
  group.part === 'in-edge' || group.part === 'tls' || group.part === 'server';
