import { sayCount, sayMs, sayPercent } from '../../wording.ts';
import type { EvidenceLine } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type CellCause, elementOf } from '../services/group.ts';

/** From here on a person would call the edge's CPU full. */
const busyRatio = 0.8;
/** An edge that begins work on a flow within this is not overloaded, whatever its CPU. */
const harmlessQueueMs = 5;

/** Waiting and work inside of the edge. CPU and sessions are evidence, never a trigger. */
export const inEdge: CellCause = {
  part: 'in-edge',
  noun: 'Waiting and work in the edge',
  minimumMs: 8,
  penaltyNats: { edge: 10, application: 11, place: 12 },
  name: ({ kind, edgeId, appId }) => {
    const edge = edgeId ?? 'none';
    if (kind === 'edge') return edgeNaming(edge, '');
    return {
      key: `edge:${kind === 'place' ? edge : '*'}/${appId}:delay`,
      family: 'edge',
      segment: 'in-edge',
      element: elementOf(
        kind === 'place' ? `${edge}/${appId}` : `edges/${appId}`,
        `${kind === 'place' ? markedEdge(edge) : 'the edges'}, in what they do for ${markedApplication(appId)} (rules, forwarding)`,
      ),
      scope: kind === 'place' ? 'edge' : 'application',
    };
  },
  looks: (view, cell) => (cell.edgeId === null ? [] : looksAtLoad(view, cell.edgeId)),
};

/** `what`: the part of its work that is slow, where it is not all of it. */
export const edgeNaming = (edgeId: string, what: string): ReturnType<CellCause['name']> => ({
  key: `edge:${edgeId}${what === '' ? '' : `/${what}`}:delay`,
  family: 'edge',
  segment: 'in-edge',
  element: elementOf(edgeId, markedEdge(edgeId)),
  scope: 'edge',
});

const looksAtLoad = (view: BinView, edgeId: string): EvidenceLine[] => {
  const edge = view.edges.find((each) => each.edgeId === edgeId);
  if (edge === undefined) return [];
  const lines: EvidenceLine[] = [];
  const heldUpMs = Math.max(edge.queue?.nowMs ?? 0, edge.lag?.nowMs ?? 0);
  if (edge.queue !== null || edge.lag !== null) {
    const isLate = heldUpMs >= harmlessQueueMs;
    lines.push({
      finding: isLate ? 'against' : 'cleared',
      text: isLate
        ? `${markedEdge(edgeId)} itself waits: queue ${sayMs(edge.queue?.nowMs ?? 0)}, event loop ${sayMs(edge.lag?.nowMs ?? 0)} late.`
        : `${markedEdge(edgeId)} queues nothing (${sayMs(heldUpMs)}).`,
      value: heldUpMs,
      baseline: Math.max(edge.queue?.normalMs ?? 0, edge.lag?.normalMs ?? 0),
      unit: 'ms',
    });
  }
  if (edge.cpuRatio !== null) {
    const isBusy = edge.cpuRatio >= busyRatio;
    lines.push({
      finding: isBusy && heldUpMs < harmlessQueueMs ? 'cleared' : 'context',
      text: `CPU of ${markedEdge(edgeId)} ${sayPercent(edge.cpuRatio)}${edge.sessionCount === null ? '' : `, ${sayCount(edge.sessionCount, 'session')}`}${isBusy && heldUpMs < harmlessQueueMs ? ': busy, yet nothing waits, so not a cause' : ''}.`,
      value: edge.cpuRatio,
      baseline: null,
      unit: 'ratio',
    });
  }
  return lines;
};
