import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type CellCause, elementOf } from '../services/group.ts';
import { edgeNaming } from './edge.ts';

/** The application's own thinking time: everywhere, behind one address, or from one edge. */
export const application: CellCause = {
  part: 'server',
  noun: 'Its server',
  minimumMs: 15,
  penaltyNats: { application: 10, 'front-end': 10.5, place: 11, edge: 12 },
  name: ({ kind, edgeId, appId, frontEnd }) => {
    if (kind === 'edge') return edgeNaming(edgeId ?? 'none', 'answers');
    if (kind === 'front-end') {
      return {
        key: `front-end:${appId}/${frontEnd}:delay`,
        family: 'front-end',
        segment: 'server',
        element: elementOf(
          `${frontEnd}`,
          `the front end ${frontEnd} of ${markedApplication(appId)}`,
        ),
        scope: 'front-end',
      };
    }
    const from = kind === 'place' ? (edgeId ?? 'devices') : '';
    return {
      key: `application:${appId}${from === '' ? '' : `@${from}`}:delay`,
      family: 'application',
      segment: 'server',
      element: elementOf(
        `${appId}${from === '' ? '' : `@${from}`}`,
        `the server of ${markedApplication(appId)}${kind === 'place' && edgeId !== null ? `, as ${markedEdge(edgeId)} meets it` : ''}`,
      ),
      scope: 'application',
    };
  },
};
