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
    const span = spanOn(path, element.from, element.to, path === route.second);
    return span !== undefined && span.length <= truth.mostNodes && holds(span, truth);
  });
};

/** Nodes of the path from `from` to `to`, both with it; undefined: it does not go that way. */
const spanOn = (
  path: readonly string[],
  from: string | null,
  to: string | null,
  isOnward: boolean,
): string[] | undefined => {
  const end = path.lastIndexOf(to ?? '');
  if (end < 0) return undefined;
  // Without a start it is the one router.
  if (from === null) return path.slice(end, end + 1);
  // The second leg begins at the edge, which is no hop of its own traces.
  if (isOnward && from.startsWith('edge')) return path.slice(0, end + 1);
  const start = path.lastIndexOf(from, end);
  // Off the path (an answer from another interface): the one link before its end.
  return path.slice(start < 0 ? Math.max(0, end - 1) : start, end + 1);
};

const holds = (span: readonly string[], truth: TrueElement): boolean =>
  truth.stretches.some(({ from, to }) =>
    from === to
      ? span.includes(to)
      : span.some((node, index) => node === from && span[index + 1] === to),
  ) || truth.ids.some((id) => span.includes(id));
