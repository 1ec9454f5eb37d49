import type { Link, Network, Rhythm } from './network.ts';
import type { WorldOptions } from './options.ts';
import type { Random } from './random.ts';
import { dayMs } from './schedule.ts';

export type Weather = ReturnType<typeof createWeather>;

/** Of the log of a link's load from bin to bin; what lasts of it over five minutes. */
const loadSigma = 0.25;
const loadMemory = 0.8;

/** What loads links without being anybody's fault: the hour, neighbours, slow changes. */
export const createWeather = (options: WorldOptions, network: Network, random: Random) => {
  const load = new Float64Array(network.links.length + 512);
  const memory = loadMemory ** (options.binSeconds / 300);
  const fresh = loadSigma * options.noiseFactor * Math.sqrt(1 - memory * memory);
  let nowMs = options.startMs;
  let byRhythm: Record<Rhythm, number> = { office: 1, home: 1, both: 1 };

  return {
    begin(fromMs: number) {
      nowMs = fromMs;
      for (let i = 0; i < load.length; i++) {
        load[i] = (load[i] as number) * memory + fresh * random.normal();
      }
      const [office, home] = [busyAt(fromMs, 13, 3), busyAt(fromMs, 20.5, 2)];
      byRhythm = { office: 1 + office, home: 1 + home, both: 1 + (office + home) / 2 };
    },
    queueMs: ({ index, queueMs, rhythm }: Link): number =>
      queueMs * byRhythm[rhythm] * Math.exp(load[index] as number),
    driftMs: ({ driftMsPerDay }: Link): number =>
      (driftMsPerDay * (nowMs - options.startMs)) / dayMs,
    /** 0 at night to 1 in the middle of the working day. */
    office: (): number => byRhythm.office - 1,
    home: (): number => byRhythm.home - 1,
  };
};

/** A bump of height 1 round an hour of the day. */
export const busyAt = (timeMs: number, hour: number, widthHours: number): number => {
  const away = Math.abs(((((timeMs / 3_600_000) % 24) - hour + 36) % 24) - 12);
  return Math.exp(-((away / widthHours) ** 2) / 2);
};
