/** One step's: other writes go between, and no statement grows with what was kept too long. */
const stepMs = 86_400_000;

/** Deletes what is older than a time, from the oldest on, a day of it at once. */
export const deleteInSteps = async (
  beforeMs: number,
  of: {
    /** Of what is older than that; null: nothing is. */
    oldestMs(): Promise<number | null>;
    deleteBefore(timeMs: number): Promise<void>;
  },
): Promise<void> => {
  for (;;) {
    const oldestMs = await of.oldestMs();
    if (oldestMs === null) return;
    await of.deleteBefore(Math.min(beforeMs, oldestMs + stepMs));
  }
};
