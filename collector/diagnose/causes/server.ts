import type { Evidence } from '#contract/verdict.ts';
import { median } from '../statistics.ts';
import { sayCount, sayMs } from '../wording.ts';
import type { Cause, Scene } from './cause.ts';

/** The application's own thinking time: wait less the round trips on the way. */
export const server: Cause = {
  group: 'server',
  noun: 'the application’s server',
  says: (ms) => `its server takes ${sayMs(ms)} to answer`,
  action: () =>
    'Tell the application’s owner, with the time and the URL: the request reached the server and waited there.',
  fails: 'its server answers with an error or not at all',
  looks: (scene) => looksAtDirect(scene),
};

/** So many straight runs are compared with. */
const runsCompared = 3;

/** The same request without tunnel and edge: as slow straight means neither is to blame. */
const looksAtDirect = (scene: Scene): Evidence[] => {
  const straight = scene.direct
    .filter((point) => point.fields.ok === 1)
    .slice(-runsCompared)
    .map((point) => point.fields.duration_ms)
    .filter((ms) => ms !== null);
  const middle = median(straight);
  if (middle === null) return [];
  const { totalMs } = scene.run;
  const addedMs = scene.run.addedTotalMs ?? 0;
  const equallySlow = scene.run.slow && middle >= totalMs - addedMs / 2;
  const compared = `The same request straight from the device takes ${sayMs(middle)} (median of ${sayCount(straight.length, 'run')}), through the tunnel ${sayMs(totalMs)}`;
  return [
    {
      finding: equallySlow ? 'cleared' : 'context',
      segment: equallySlow ? 'tunnel-queue' : null,
      text: equallySlow ? `${compared}: it is not the tunnel.` : `${compared}.`,
      value: middle,
      baseline: totalMs,
      unit: 'ms',
    },
  ];
};
