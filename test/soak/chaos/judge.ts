export type Fates = {
  /** Results that went to a spool, and those that are known to have come there. */
  begun: ReadonlySet<string>;
  safe: ReadonlySet<string>;
  dropped: ReadonlySet<string>;
  refused: ReadonlySet<string>;
  /** Ids of the stored points; one that is there twice is stored twice. */
  stored: readonly string[];
};

export type Compared = {
  begunCount: number;
  safeCount: number;
  storedCount: number;
  /** Begun when their program was killed, and stored or not: both are right. */
  inDoubtCount: number;
  droppedCount: number;
  refusedCount: number;
  lost: string[];
  doubled: string[];
  /** Stored without ever having been made. */
  strange: string[];
};

/** Every safe result is stored once; nothing is stored that was not begun. */
export const compareFates = ({ begun, safe, dropped, refused, stored }: Fates): Compared => {
  const seen = new Set(stored);
  const twice = new Set<string>();
  const once = new Set<string>();
  for (const id of stored) (once.has(id) ? twice : once).add(id);
  const isExplained = (id: string) => dropped.has(id) || refused.has(id);
  return {
    begunCount: begun.size,
    safeCount: safe.size,
    storedCount: stored.length,
    inDoubtCount: [...begun].filter((id) => !safe.has(id)).length,
    droppedCount: dropped.size,
    refusedCount: refused.size,
    lost: [...safe].filter((id) => !seen.has(id) && !isExplained(id)),
    doubled: [...twice],
    strange: [...seen].filter((id) => !begun.has(id)),
  };
};

/** Empty when all is well; else one sentence a finding. */
export const findingsOf = (when: string, compared: Compared): string[] =>
  (['lost', 'doubled', 'strange'] as const).flatMap((name) => {
    const ids = compared[name];
    return ids.length === 0 ? [] : [`${when}: ${ids.length} results ${name}: ${ids[0]}`];
  });
