import type { Accepted } from '../accepted.ts';
import type { BinView, DeviceView } from '../bin-view.ts';

/** So many narrow causes are asked of every device; with more it pays to know whose they are. */
const fewNarrow = 40;

/**
 * The causes that may apply to a device. Of a large fleet thousands of devices have one of their own
 * at any time; those are found by the device or site that is their element instead of asked of all.
 */
export const causesByDevice = (
  view: BinView,
  accepted: readonly Accepted[],
): ((device: DeviceView) => readonly Accepted[]) => {
  const narrow = accepted.filter(isNarrow);
  if (narrow.length <= fewNarrow) return () => accepted;
  const owners = ownersOf(view);
  const wide = accepted.filter((cause) => !isNarrow(cause) || !owners.has(cause.element.id));
  const byOwner = new Map<string, Accepted[]>();
  for (const cause of narrow) {
    if (!owners.has(cause.element.id)) continue;
    const known = byOwner.get(cause.element.id);
    if (known === undefined) byOwner.set(cause.element.id, [cause]);
    else known.push(cause);
  }
  return ({ deviceId, siteId }) => {
    const own = byOwner.get(deviceId);
    const shared = siteId === undefined ? undefined : byOwner.get(siteId);
    return own === undefined && shared === undefined
      ? wide
      : [...wide, ...(own ?? []), ...(shared ?? [])];
  };
};

const isNarrow = ({ scope, kind }: Accepted): boolean =>
  kind !== 'failure' && (scope === 'device' || scope === 'site');

const ownersOf = (view: BinView): ReadonlySet<string> => {
  const owners = new Set<string>();
  for (const index of view.active) {
    const { deviceId, siteId } = view.device(index);
    owners.add(deviceId);
    if (siteId !== undefined) owners.add(siteId);
  }
  return owners;
};
