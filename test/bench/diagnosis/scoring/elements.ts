import type { TrueElement, TrueRoute } from '#test/simulator/truth.ts';
import type { Cause } from '../finding.ts';

/**
 * The answer names the faulty thing: by its id, or as a stretch of the true path of the device that
 * asks which holds the faulty place and is not wider than allowed.
 */
export const isRightElement = (
  { element }: Pick<Cause, 'element'>,
  truth: TrueElement,
  route: TrueRoute,
): boolean => {
  if (truth.ids.includes(element.id)) return true;
  if (element.to === null) return false;
  return [route.first, route.second].some((path) => {
    const span = spanOn(path, element.from, element.to);
    return span !== undefined && span.length <= truth.mostNodes && holds(span, truth);
  });
};

/** Nodes of the path from `from` to `to`, both with it; undefined: it does not go that way. */
const spanOn = (path: readonly string[], from: string | null, to: string | null) => {
  const end = path.lastIndexOf(to ?? '');
  if (end < 0) return undefined;
  // Without a start it is the one router.
  const start = from === null ? end : path.lastIndexOf(from, end);
  // What the stretch begins with may be off the path (an answer from another interface): one link.
  return path.slice(start < 0 ? Math.max(0, end - 1) : start, end + 1);
};

const holds = (span: readonly string[], truth: TrueElement): boolean =>
  truth.stretches.some(({ from, to }) =>
    from === to
      ? span.includes(to)
      : span.some((node, index) => node === from && span[index + 1] === to),
  ) || truth.ids.some((id) => span.includes(id));
