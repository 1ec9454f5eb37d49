import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type CellCause, elementOf } from '../services/group.ts';

/** Work in the TLS handshake beyond its round trips: the application's, or what an edge inspects. */
export const tlsWork: CellCause = {
  part: 'tls',
  noun: 'The TLS handshake beyond its round trips',
  minimumMs: 8,
  penaltyNats: { application: 10, edge: 10.5, place: 11 },
  name: ({ kind, edgeId, appId }) => {
    const edge = edgeId ?? 'devices';
    const id = kind === 'edge' ? edge : `${appId}${kind === 'place' ? `@${edge}` : ''}`;
    return {
      key: `tls:${id}:delay`,
      family: 'tls',
      segment: 'tls',
      element: elementOf(
        id,
        kind === 'edge'
          ? `TLS handshakes ${edgeId === null ? 'straight from devices' : `through ${markedEdge(edgeId)}`}`
          : `the TLS handshake of ${markedApplication(appId)}${kind === 'place' && edgeId !== null ? ` through ${markedEdge(edgeId)}` : ''}`,
      ),
      scope: kind === 'edge' ? 'edge' : 'application',
    };
  },
};
