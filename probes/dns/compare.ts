import type { DnsReply } from '#contract/body/dns.ts';

/** Servers side by side: `agree` is null where fewer than two answered. */
export type Comparison = { agree: boolean | null; differences: string[] };

/**
 * What the other servers said that the first did not, and the reverse. The order of records, upper
 * and lower case and TTLs (which run down in a cache) are no difference; a server that did not
 * answer is not compared.
 */
export const compareReplies = (replies: readonly DnsReply[]): Comparison => {
  const [first, ...others] = replies.filter(({ rcode }) => rcode !== null);
  if (first === undefined || others.length === 0) return { agree: null, differences: [] };
  const differences = others.flatMap((other) => differencesOf(first, other));
  return {
    agree: differences.length === 0,
    differences: differences.slice(0, 16).map((text) => text.slice(0, 512)),
  };
};

const differencesOf = (first: DnsReply, other: DnsReply): string[] => {
  if (first.rcode !== other.rcode) {
    return [`${other.server} says ${other.rcode}, ${first.server} says ${first.rcode}`];
  }
  const missing = without(first.answers, other.answers);
  const added = without(other.answers, first.answers);
  return [
    ...(missing.length === 0 ? [] : [`${other.server} lacks ${missing.join(', ')}`]),
    ...(added.length === 0 ? [] : [`${other.server} adds ${added.join(', ')}`]),
  ];
};

const without = (all: readonly string[], some: readonly string[]): string[] => {
  const known = new Set(some.map((one) => one.toLowerCase()));
  return all.filter((one) => !known.has(one.toLowerCase())).sort();
};
