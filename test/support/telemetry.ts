import { randomUUID } from 'node:crypto';
import type { ChangeEvent } from '#contract/telemetry.ts';

/** A small record that every collector takes. */
export const makeEvent = (deviceId: string, reason: string, id = randomUUID()): ChangeEvent => ({
  kind: 'event',
  id,
  source: 'device',
  sourceId: deviceId,
  at: Date.now(),
  name: 'network-changed',
  reason,
});
