import { lookup } from 'node:dns/promises';

const timeoutMs = 2_000;

/** A name's addresses as programs on this device see them; none where it has none, or in time. */
export const resolveName = async (name: string): Promise<string[]> => {
  const asked = lookup(name, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string[]>((resolve) => {
    timer = setTimeout(() => resolve([]), timeoutMs);
  });
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
};
