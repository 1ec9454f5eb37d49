import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type CellCause, elementOf } from '../services/group.ts';

/** First to last byte beyond the rounds its size needs: a slow sender, a grown answer or a full line. */
export const transfer: CellCause = {
  part: 'transfer',
  noun: 'The transfer of its answer',
  minimumMs: 15,
  penaltyNats: { application: 10, place: 11, edge: 12 },
  name: ({ kind, edgeId, appId }) => {
    const edge = edgeId ?? 'devices';
    const id = kind === 'edge' ? edge : `${appId}${kind === 'place' ? `@${edge}` : ''}`;
    return {
      key: `transfer:${id}:delay`,
      family: 'transfer',
      segment: 'transfer',
      element: elementOf(
        id,
        kind === 'edge'
          ? `transfers ${edgeId === null ? 'straight to devices' : `through ${markedEdge(edgeId)}`}`
          : `the answers of ${markedApplication(appId)}${kind === 'place' && edgeId !== null ? ` through ${markedEdge(edgeId)}` : ''}`,
      ),
      scope: kind === 'edge' ? 'edge' : 'application',
    };
  },
};
