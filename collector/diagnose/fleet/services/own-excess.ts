import { extraRounds } from '../../ledger.ts';
import type { ApplicationView, BinView, CellPart } from '../bin-view.ts';
import { handshakeRounds } from '../intake-runs.ts';
import { placeKey, placeOf } from './place.ts';

/** What one device's newest run took beyond what is usual at the same place. */
type OwnExcess = { tlsMs: number | null; transferMs: number | null };

/**
 * Made once for a view: its cells by part and place. Of several that suffer alike `normal` asks for what
 * is usual there at other times, else it is what everyone there took in this bin.
 */
export const createOwnExcess = (
  view: BinView,
  against: 'everyone' | 'normal' = 'everyone',
): ((application: ApplicationView) => OwnExcess) => {
  const usualMs = new Map<string, number>();
  const keyOf = (part: CellPart, place: string) => `${part} ${place}`;
  for (const { part, delta, ...place } of view.cells) {
    if (!delta.ready) continue;
    const now = against === 'normal' ? 0 : Math.max(0, delta.fastMs);
    usualMs.set(keyOf(part, placeKey(place)), delta.normalMs + now);
  }
  return (application) => {
    const run = application.newestRun;
    const none = { tlsMs: null, transferMs: null };
    if (run === null) return none;
    const place = placeKey(placeOf(application));
    const above = (part: CellPart, ms: number | null): number | null => {
      const usual = usualMs.get(keyOf(part, place));
      return ms === null || usual === undefined ? null : ms - usual;
    };
    const trip = roundTrips(run);
    if (trip === null) return none;
    const { tlsMs, receiveMs, bodyBytes } = run;
    return {
      tlsMs: above(
        'tls',
        tlsMs === null ? null : tlsMs - handshakeRounds(run.tlsProtocol) * trip.wholeMs,
      ),
      transferMs: above(
        'transfer',
        receiveMs === null ? null : receiveMs - extraRounds(bodyBytes) * trip.farMs,
      ),
    };
  };
};

/** Of this very run: to the origin and back, and the part of it that a longer body repeats. */
const roundTrips = ({
  proxyConnectMs,
  connectMs,
  edge,
}: NonNullable<ApplicationView['newestRun']>): { wholeMs: number; farMs: number } | null => {
  if (proxyConnectMs === null) {
    return connectMs === null ? null : { wholeMs: connectMs, farMs: connectMs };
  }
  if (edge === null || edge.connectMs === null) return null;
  const besideMs = (edge.queueMs ?? 0) + (edge.dnsMs ?? 0) + (edge.waitedMs ?? 0);
  const wholeMs = proxyConnectMs - besideMs;
  return { wholeMs, farMs: edge.connectMs };
};
