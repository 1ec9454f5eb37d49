/** `; did you mean "x"?` for the known name with the fewest letters to change, if any is close. */
export const nearestName = (wanted: string, known: readonly string[]): string => {
  const [best] = known
    .map((name) => ({ name, edits: editsBetween(wanted, name) }))
    .sort((a, b) => a.edits - b.edits);
  if (best === undefined) return '';
  const isClose = best.edits <= Math.max(2, wanted.length / 2) || best.name.includes(wanted);
  return isClose ? `; did you mean "${best.name}"?` : `; known: ${known.join(', ')}`;
};

/** Letters to put in, take out or replace (Levenshtein). */
const editsBetween = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};
