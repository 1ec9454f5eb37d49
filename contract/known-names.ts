/** So many of what exists are named beside a name that does not. */
const mostNamed = 10;

/** What there is to choose from, for whoever named something else: "; there are a, b and 3 more". */
export const knownNames = (names: Iterable<string>): string => {
  const all = [...new Set(names)].sort();
  if (all.length === 0) return '; there is none yet';
  const more = all.length > mostNamed ? ` and ${all.length - mostNamed} more` : '';
  return `; there ${all.length === 1 ? 'is' : 'are'} ${all.slice(0, mostNamed).join(', ')}${more}`;
};
