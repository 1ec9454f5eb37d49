import { createHash } from 'node:crypto';

/**
 * A number in [0, 1) that is the same for the same words, and spread evenly over others: a hundred
 * thousand devices that see one outage decide alike at every look, and each for itself.
 */
export const chanceOf = (...words: readonly (string | number)[]): number =>
  createHash('sha256').update(words.join('\n')).digest().readUIntBE(0, 6) / 2 ** 48;

/** Within so long a device decides once about an application; with the next it is others' turn. */
const slotMs = 10 * 60_000;

/** Whether this device is one of those that look into it, and how long it waits before it does. */
export const drawLot = (
  about: { deviceId: string; appId: string; nowMs: number },
  { deviceRatio, spreadSeconds }: { deviceRatio: number; spreadSeconds: number },
): { isDrawn: boolean; delayMs: number } => {
  const slot = Math.floor(about.nowMs / slotMs);
  const { deviceId, appId } = about;
  return {
    isDrawn: chanceOf('burst', deviceId, appId, slot) < deviceRatio,
    delayMs: chanceOf('delay', deviceId, appId, slot) * spreadSeconds * 1_000,
  };
};
