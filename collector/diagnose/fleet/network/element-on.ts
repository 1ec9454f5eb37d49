import type { CauseElement } from '#contract/verdict.ts';
import { longestSpan, spanElement } from '../causes/path-element.ts';
import type { Crossing } from './applies.ts';
import { type ChainNode, isGatewayHop } from './chain.ts';
import type { About, Span } from './claim.ts';
import type { Path } from './unit.ts';

/** Steps of a changed way at which its round trips rise by this share of what is added may be the longer ones. */
const longStep = 0.25;

/** The stretch as it lies on the path of the one who asks; lines, regions and networks keep their names. */
export const elementOn = (
  about: About,
  crossing: Crossing | undefined,
  addedMs: number,
): CauseElement => {
  const { element } = about;
  const to = crossing?.span.to ?? null;
  if (crossing === undefined || to === null) return element;
  const { path } = crossing;
  const whole = { from: crossing.span.from ?? gatewayOf(path), to };
  if (about.keepsName) return named(spanOn(path, whole), element);
  const span = newStretch(path, whole, addedMs) ?? whole;
  const own = spanOn(path, span);
  const [from, end] = [span.from?.asn ?? null, span.to?.asn ?? null];
  if (own.width > longestSpan && from !== null && end !== null) {
    const name = `between AS ${from} and AS ${end}, ${own.element.name}`;
    return { ...own.element, name: name.slice(0, 300) };
  }
  return own.element;
};

const named = (own: { element: CauseElement }, { id, name }: CauseElement): CauseElement => ({
  ...own.element,
  id,
  name,
});

const spanOn = (path: Path, { from, to }: Span): { element: CauseElement; width: number } => {
  const hops = hopsOf(path).filter(({ ttl }) => ttl > (from?.ttl ?? 0) && ttl < (to?.ttl ?? 0));
  const silentHopCount = hops.filter(({ address }) => address === null).length;
  return { element: spanElement({ from, to }, silentHopCount), width: hops.length + 2 };
};

/**
 * After a change of way its new hops have no normal to be held against, and the chain goes past them.
 * What the way is longer by lies among the steps at which its round trips rise for good.
 */
const newStretch = (path: Path, { from, to }: Span, addedMs: number): Span | null => {
  if ((path.trace?.changedAtMs ?? null) === null || from === null || to === null) return null;
  const levels = levelsOf(path).filter(({ hop: { ttl } }) => ttl >= from.ttl && ttl <= to.ttl);
  if (levels.every(({ hop }) => hop.delta?.ready === true)) return null;
  const rises = levels.flatMap(({ hop, levelMs }, index) => {
    const before = levels[index - 1];
    const isLong = before !== undefined && levelMs - before.levelMs >= longStep * addedMs;
    return isLong ? [{ before: before.hop, hop }] : [];
  });
  const [first, last] = [rises[0], rises.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    from: first.before.ttl === from.ttl ? from : nodeOf(first.before),
    to: last.hop.ttl === to.ttl ? to : nodeOf(last.hop),
  };
};

type Hop = ReturnType<typeof hopsOf>[number];

/** Of each answering hop the least that it or any behind it takes: a slow answer alone is no rise. */
const levelsOf = (path: Path): { hop: Hop; levelMs: number }[] => {
  let levelMs = Number.POSITIVE_INFINITY;
  return hopsOf(path)
    .toReversed()
    .flatMap((hop) => {
      const ms = hop.rttMedianMs ?? hop.rttMinMs;
      if (hop.address === null || ms === null) return [];
      levelMs = Math.min(levelMs, ms);
      return [{ hop, levelMs }];
    })
    .toReversed();
};

const nodeOf = ({ address, asn, ttl }: Hop): ChainNode => {
  const name = address as string;
  return { key: name, address, name, asn, ttl };
};

const gatewayOf = (path: Path): ChainNode | null => {
  const [first] = hopsOf(path);
  if (path.leg === 'onward' || first === undefined || !isGatewayHop(first)) return null;
  return { ...nodeOf(first), asn: null };
};

const hopsOf = ({ trace }: Path) => trace?.hops ?? [];
