/** Probes whose address is remembered. */
const remembered = 1_000;

/** Which address each HTTP probe went to last, for the path probes that follow them. */
export type LastAddresses = {
  remember(probeId: string, address: string): void;
  /** Of the first of these probes that has one. */
  of(probeIds: readonly string[]): string | undefined;
};

export const createLastAddresses = (): LastAddresses => {
  const known = new Map<string, string>();
  return {
    remember(probeId, address) {
      known.delete(probeId);
      known.set(probeId, address);
      const [oldest] = known.keys();
      if (known.size > remembered && oldest !== undefined) known.delete(oldest);
    },
    of: (probeIds) => probeIds.map((id) => known.get(id)).find((address) => address !== undefined),
  };
};
