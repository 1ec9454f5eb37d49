import type { Lab } from '../../lab.ts';
import type { FaultAction } from '../fault.ts';
import { bulkDoer } from './bulk.ts';
import { captivePortalDoer } from './captive-portal.ts';
import type { ActionKind, Doer } from './doer.ts';
import { dropDoer } from './drop.ts';
import { icmpLimitDoer } from './icmp-limit.ts';
import { linkDownDoer } from './link-down.ts';
import { metricDoer } from './metric.ts';
import { mtuDoer } from './mtu.ts';
import { programDoer } from './program.ts';
import { rateDoer } from './rate.ts';
import { serviceDoer } from './service.ts';
import { shimDoer } from './shim.ts';

const doers: { [K in ActionKind]: Doer<K> } = {
  shim: shimDoer,
  rate: rateDoer,
  bulk: bulkDoer,
  mtu: mtuDoer,
  drop: dropDoer,
  metric: metricDoer,
  'link-down': linkDownDoer,
  'icmp-limit': icmpLimitDoer,
  service: serviceDoer,
  'captive-portal': captivePortalDoer,
  program: programDoer,
};

/** The doer of an action's own kind; the types of the two belong together by construction. */
const doerOf = (action: FaultAction): Doer<ActionKind> => doers[action.do] as Doer<ActionKind>;

export const whatChanges = (action: FaultAction): string => doerOf(action).changes(action);

export const checkAction = (lab: Lab, action: FaultAction): void =>
  doerOf(action).check(lab, action);

export const applyAction = (
  lab: Lab,
  action: FaultAction,
  others: readonly FaultAction[],
): Promise<void> => doerOf(action).apply(lab, action, others);

export const undoAction = (
  lab: Lab,
  action: FaultAction,
  others: readonly FaultAction[],
): Promise<void> => doerOf(action).undo(lab, action, others);
