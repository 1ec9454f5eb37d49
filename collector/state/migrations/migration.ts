/**
 * One step of the schema, forward only: once released it is never edited, the next step corrects
 * it. Statements are one each because the extended protocol, which both engines are reached by,
 * takes no more. Readers of the version before must still work on the result (collectors are
 * replaced one at a time), so: add columns with defaults, drop only what no version reads.
 */
export type Migration = {
  id: number;
  name: string;
  statements: readonly string[];
  /**
   * Set where that cannot be kept: programs that do not know the step of this id (its own, as a rule)
   * are refused from then on, so such a step waits until no older collector runs.
   */
  neededId?: number;
};
