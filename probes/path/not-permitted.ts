/** How long a refusal is believed: rights, groups and kernel settings change under a running program. */
const believedForMs = 5 * 60_000;

/** The system refuses, or there is no such kind of socket or add-on; nothing that passes by itself. */
const refusals = new Set([
  'EPERM',
  'EACCES',
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'ERR_MODULE_NOT_FOUND',
  'MODULE_NOT_FOUND',
  'ERR_DLOPEN_FAILED',
]);

/** Whether this machine gives no such sockets. net-ping's errors are words only. */
export const isNotPermitted = ({ code, message }: NodeJS.ErrnoException): boolean =>
  code === undefined ? /permitted|permission/i.test(message) : refusals.has(code);

/** What was refused of late, by what was asked for: it is not tried again at once. */
export const createRefusals = ({ now = () => performance.now() } = {}) => {
  const known = new Map<string, { reason: string; atMs: number }>();
  return {
    /** Undefined: to be tried. */
    of(what: string): string | undefined {
      const refusal = known.get(what);
      if (refusal === undefined || now() - refusal.atMs < believedForMs) return refusal?.reason;
      known.delete(what);
      return undefined;
    },
    note: (what: string, reason: string) => void known.set(what, { reason, atMs: now() }),
  };
};
