import type { FaultAction } from '../fault.ts';
import { checkLink, type Doer } from './doer.ts';

/** A path change: the tables are computed from all metrics that are set, so the others count too. */
export const metricDoer: Doer<'metric'> = {
  changes: ({ link }) => `the metric of ${link}`,
  check: (lab, { link }) => checkLink(lab, link),
  apply: (lab, action, others) => lab.applyMetrics(metricsOf([...others, action])),
  undo: (lab, _action, others) => lab.applyMetrics(metricsOf(others)),
};

const metricsOf = (actions: readonly FaultAction[]): Record<string, number> =>
  Object.fromEntries(
    actions.flatMap((action) => (action.do === 'metric' ? [[action.link, action.metric]] : [])),
  );
