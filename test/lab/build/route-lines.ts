import type { Route } from '../topology/routes.ts';

/** Lines for `ip -batch` that make a table so. */
export const routeLines = (routes: readonly Route[]): string[] => routes.map(replaceLine);

/** Lines that make the first table the second; a difference is small, a table is not. */
export const differenceLines = (before: readonly Route[], after: readonly Route[]): string[] => {
  const old = new Map(before.map((route) => [route.prefix, replaceLine(route)]));
  const kept = new Set(after.map(({ prefix }) => prefix));
  const gone = before.filter((route) => !kept.has(route.prefix));
  const changed = after.filter((route) => old.get(route.prefix) !== replaceLine(route));
  return [...gone.map(({ prefix }) => `route del ${prefix}`), ...changed.map(replaceLine)];
};

const replaceLine = ({ prefix, source, nextHops }: Route): string => {
  const [first] = nextHops;
  if (first === undefined) throw new Error(`a route to ${prefix} without a next hop`);
  const hops =
    nextHops.length === 1
      ? `via ${first.via} dev ${first.device}`
      : nextHops.map(({ via, device }) => `nexthop via ${via} dev ${device}`).join(' ');
  const from = source === null ? '' : `src ${source} `;
  return `route replace ${prefix} ${from}${hops}`;
};
