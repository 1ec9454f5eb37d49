import type { CauseFamily } from '#contract/verdict.ts';
import type { Decoy, DecoyKind, Fault, TrueRoute } from '#test/simulator/truth.ts';
import type { Cause } from '../finding.ts';
import { isRightElement } from './elements.ts';

const path: readonly CauseFamily[] = ['link', 'router', 'as', 'isp-region', 'last-mile'];

/** A decoy is fallen for only by a cause of its own kind: a busy CPU is not blamed as Wi-Fi. */
const familiesOf: Record<DecoyKind, readonly CauseFamily[]> = {
  'hop-slow-replies': path,
  'hop-lost-replies': path,
  'hop-return-path': path,
  'benign-path-change': path,
  'device-cpu-busy': ['device'],
  'device-memory-full': ['device'],
  'weak-signal': ['wifi', 'gateway'],
  'edge-cpu-busy': ['edge'],
};

/** Decoys that this cause falls for: it names their element, and no fault there is a real reason. */
export const fallenFor = (
  cause: Cause,
  decoys: readonly Decoy[],
  recentFaults: readonly Fault[],
  route: TrueRoute,
): Decoy[] => {
  const taken = decoys.filter(
    (decoy) =>
      familiesOf[decoy.kind].includes(cause.family) && isRightElement(cause, decoy.element, route),
  );
  if (taken.length === 0) return taken;
  const hasReason = recentFaults.some((fault) => isRightElement(cause, fault.element, route));
  return hasReason ? [] : taken;
};
