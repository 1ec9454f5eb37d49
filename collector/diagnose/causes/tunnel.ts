import type { Evidence } from '#contract/verdict.ts';
import { nearest } from '../nearest.ts';
import { sayCount, sayMs } from '../wording.ts';
import { type Cause, nearRunMs, type Scene } from './cause.ts';

/** Waiting behind the device's own bulk traffic in the tunnel's data sessions. */
export const tunnelQueue: Cause = {
  group: 'tunnel',
  noun: 'queueing in the tunnel',
  says: (ms) => `its traffic waits ${sayMs(ms)} in the device’s own tunnel, behind other transfers`,
  action: () =>
    'Look for a large upload or download on the device (back-up, sync, video call) and pause it.',
  fails: 'the tunnel does not carry it',
  looks: (scene) => looksAtSessions(scene),
};

const looksAtSessions = (scene: Scene): Evidence[] => {
  const fields = nearest(
    scene.input.tunnel,
    nearRunMs(scene),
    (point) => point.fields.control_rtt_ms !== null,
  )?.fields;
  if (fields === undefined || fields.queue_ms === null) return [];
  const streams = sayCount(fields.stream_count ?? 0, 'open stream');
  const megabytes = ((fields.up_bytes ?? 0) + (fields.down_bytes ?? 0)) / 1e6;
  return [
    {
      finding: 'context',
      segment: 'tunnel-queue',
      text: `Tunnel queue ${sayMs(fields.queue_ms)} with ${streams} and ${megabytes.toFixed(1)} MB since the sample before.`,
      value: fields.queue_ms,
      baseline: null,
      unit: 'ms',
    },
  ];
};
