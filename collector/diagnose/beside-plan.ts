/** What says why a run was made; rows of the edges' own measurements have only the last. */
type Marks = {
  fields: { request_id?: string | null; repeats?: string | null; burst_id?: string | null };
};

/**
 * Asked for, or of a burst on suspicion: many at once and not evenly spaced, so it would be all of
 * the past by itself. It counts for what is now, never for what is normal.
 */
export const isDense = ({ fields }: Marks): boolean =>
  typeof fields.request_id === 'string' || typeof fields.burst_id === 'string';

/** Likewise, and repeats of distorted runs: they say nothing about how often is measured. */
export const isBesidePlan = (run: Marks): boolean =>
  isDense(run) || typeof run.fields.repeats === 'string';
