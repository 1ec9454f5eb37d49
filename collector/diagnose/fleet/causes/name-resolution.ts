import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type CellCause, elementOf } from '../services/group.ts';

/** The resolver an edge asks, or the name servers of one application. */
export const nameResolution: CellCause = {
  part: 'dns',
  noun: 'Looking its name up',
  minimumMs: 8,
  // The statistic is the low end, as two names in three are cached; the mean of a mix is far above.
  usualTailMs: 15,
  mostTail: 4,
  penaltyNats: { edge: 10, application: 10.5, place: 11.5 },
  name: ({ kind, edgeId, appId }) => {
    if (kind === 'edge') {
      const who = edgeId ?? 'devices';
      return {
        key: `edge-dns:${who}:delay`,
        family: 'edge-dns',
        segment: 'dns',
        element: elementOf(
          who,
          edgeId === null
            ? 'the resolvers of the devices'
            : `the resolver of ${markedEdge(edgeId)}`,
        ),
        scope: edgeId === null ? 'network' : 'edge',
      };
    }
    const from = kind === 'place' ? (edgeId ?? 'devices') : '';
    return {
      key: `application-dns:${appId}${from === '' ? '' : `@${from}`}:delay`,
      family: 'application-dns',
      segment: 'dns',
      element: elementOf(
        `${appId}${from === '' ? '' : `@${from}`}`,
        `the name servers of ${markedApplication(appId)}${kind === 'place' && edgeId !== null ? ` as ${markedEdge(edgeId)} reaches them` : ''}`,
      ),
      scope: 'application',
    };
  },
};
