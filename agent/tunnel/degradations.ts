/** What the tunnel must do without at the moment, each told when it begins and when it ends. */
export type Degradations = {
  /** `reason` undefined: it has ended, or never was. */
  set(what: string, reason: string | undefined): void;
  reasons(): string[];
};

export const createDegradations = (
  tell: (name: 'tunnel-degraded' | 'tunnel-restored', reason: string) => void,
): Degradations => {
  const current = new Map<string, string>();
  return {
    set(what, reason) {
      const before = current.get(what);
      if (reason === undefined) {
        if (!current.delete(what)) return;
        tell('tunnel-restored', `over: ${before}`);
      } else if (before !== reason) {
        current.set(what, reason);
        tell('tunnel-degraded', reason);
      }
    },
    reasons: () => [...current.values()],
  };
};
