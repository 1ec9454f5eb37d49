import type { ApplicationView, Cell } from '../bin-view.ts';

/** Where a service was met: seen from an edge (null: straight from devices), at an address. */
export type Place = Pick<Cell, 'edgeId' | 'appId' | 'frontEnd'>;

/** The place that a device's runs of an application met. */
export const placeOf = (application: ApplicationView): Place => ({
  edgeId: application.via === 'direct' ? null : application.edgeId,
  appId: application.appId,
  frontEnd: application.frontEnd,
});

export const placeKey = ({ edgeId, appId, frontEnd }: Place): string =>
  `${edgeId ?? ''}\n${appId}\n${frontEnd ?? ''}`;

/** Keys under which something about a place is found: exactly there, then whichever address. */
export const placeKeys = (place: Place): string[] =>
  place.frontEnd === null
    ? [placeKey(place)]
    : [placeKey(place), placeKey({ ...place, frontEnd: null })];
