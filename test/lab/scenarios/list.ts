import type { Fault } from '../faults/fault.ts';
import type { Scenario } from './scenario.ts';

/**
 * Every fault, decoy and control of the catalogue by itself; mixtures are faults of the catalogue as
 * well. Those that only page loads show come last, together: they need another plan.
 */
export const allScenarios = (catalogue: readonly Fault[]): Scenario[] =>
  catalogue
    .map((fault) => ({
      name: fault.name,
      what: fault.what,
      faults: [fault.name],
      ...(fault.needs === 'page-load' ? { pages: true, observeSeconds: pageSeconds } : {}),
    }))
    .sort((a, b) => Number(a.pages === true) - Number(b.pages === true));

/** Two loads a device ten seconds apart, each with its turn, and the way to the verdict. */
const pageSeconds = 40;

/** What `npm test` runs: one of each kind that is told rightly, decoys, and a healthy network. */
export const shortList: readonly string[] = [
  'healthy',
  'wifi-latency',
  'isp-a-delay',
  'hosting-link-delay',
  'server-slow',
  'server-slow-tls',
  'server-errors',
  'resolver-slow',
  'late-icmp-isp',
  'isp-and-server',
];

/** Right in every sweep since they are listed here; `--gate` holds on to them. */
export const knownRight: readonly string[] = [...shortList];
