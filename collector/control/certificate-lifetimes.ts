/** Short, because renewal is automatic at two thirds: what is lost or sold ends by itself. */
export const identityLifetimeMs = 7 * 86_400_000;

/** The collector's own, made anew at each start and, by the listener, before it ends. */
export const listenerLifetimeMs = 90 * 86_400_000;

/** The CA dates certificates back this far, for devices whose clock is slow. */
export const backdatedMs = 3_600_000;
