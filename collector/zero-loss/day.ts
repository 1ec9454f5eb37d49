/** Days are UTC, by the device's clock; a day is named by its midnight. */
export const dayMs = 86_400_000;

export const dayOf = (at: number): number => Math.floor(at / dayMs) * dayMs;

/** `2026-11-24`. */
export const dayName = (dayAt: number): string => new Date(dayAt).toISOString().slice(0, 10);

/** Undefined where there is no such day. */
export const readDay = (name: string): number | undefined => {
  const dayAt = Date.parse(`${name}T00:00:00Z`);
  return Number.isNaN(dayAt) || dayName(dayAt) !== name ? undefined : dayAt;
};
