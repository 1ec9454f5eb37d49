/** Lost of sent over the last bins, by key. */
export const createLossWindow = (binCount: number) => {
  const byKey = new Map<string, { bin: number; sent: number; lost: number }[]>();
  return {
    /** Adds one bin's counts; gives the share over the window. */
    add: (key: string, bin: number, sent: number, lost: number): number => {
      const counts = byKey.get(key) ?? [];
      counts.push({ bin, sent, lost });
      while ((counts[0]?.bin ?? bin) <= bin - binCount) counts.shift();
      byKey.set(key, counts);
      const total = counts.reduce((all, one) => all + one.sent, 0);
      return total === 0 ? 0 : counts.reduce((all, one) => all + one.lost, 0) / total;
    },
  };
};
