/** Keeps the `most` entries with the smallest draws: a fair sample of a stream, whatever its order. */
export const createReservoir = <T>(most: number) => {
  const kept: { draw: number; make: T }[] = [];
  return {
    /** `make` is called only for an entry that is kept for now. */
    offer: (draw: number, make: () => T): void => {
      const last = kept.at(-1);
      if (kept.length >= most && last !== undefined && draw >= last.draw) return;
      const at = kept.findIndex((one) => one.draw > draw);
      kept.splice(at < 0 ? kept.length : at, 0, { draw, make: make() });
      if (kept.length > most) kept.pop();
    },
    values: (): T[] => kept.map(({ make }) => make),
  };
};

/** FNV-1a with a last mixing, in [0, 1): the draw of one ticket, the same for every method. */
export const drawOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};
