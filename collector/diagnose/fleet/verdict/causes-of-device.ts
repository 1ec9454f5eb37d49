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
  const wide = accepted.filter((cause) => !isNarrow(cause) || !owners.has(ownerOf(cause)));
  const byOwner = new Map<string, Accepted[]>();
  for (const cause of narrow) {
    const owner = ownerOf(cause);
    if (!owners.has(owner)) continue;
    const known = byOwner.get(owner);
    if (known === undefined) byOwner.set(owner, [cause]);
    else known.push(cause);
  }
  return (device) => {
    const own = byOwner.get(deviceOwner(device));
    const shared = byOwner.get(siteOwner(device));
    return own === undefined && shared === undefined
      ? wide
      : [...wide, ...(own ?? []), ...(shared ?? [])];
  };
};

/** A site may be called what a device is: they are never one another. */
const ownerOf = ({ scope, element }: Accepted): string => `${scope}:${element.id}`;
const deviceOwner = ({ deviceId }: DeviceView): string => `device:${deviceId}`;
const siteOwner = ({ deviceId, siteId }: DeviceView): string => `site:${siteId ?? deviceId}`;

const isNarrow = ({ scope, kind }: Accepted): boolean =>
  kind !== 'failure' && (scope === 'device' || scope === 'site');

const ownersOf = (view: BinView): ReadonlySet<string> => {
  const owners = new Set<string>();
  for (const index of view.active) {
    const device = view.device(index);
    owners.add(deviceOwner(device));
    owners.add(siteOwner(device));
  }
  return owners;
};
