import { randomUUID } from 'node:crypto';
import type { ChangeEvent } from '#contract/telemetry.ts';

/** Something that changed on this device, now. */
export const changeEvent = (
  deviceId: string,
  name: ChangeEvent['name'],
  reason: string,
): ChangeEvent => ({
  kind: 'event',
  id: randomUUID(),
  source: 'device',
  sourceId: deviceId,
  at: Date.now(),
  name,
  reason: reason.slice(0, 300),
});
