import type { Truth } from './truth.ts';
import type { World } from './world.ts';

/** Every pair that suffers in a bin, with its label and what is added. */
export const truthLinesOf = (
  { population, topology }: Pick<World, 'population' | 'topology'>,
  truth: Truth,
): object[] => {
  if (truth.activeFaults.length === 0) return [];
  const pairs = population.devices.flatMap(({ id: deviceId, uses }) =>
    uses.flatMap(({ appIndex }) => {
      const appId = topology.applications[appIndex]?.id ?? '';
      const added = truth.addedMs(deviceId, appId);
      if (added.length === 0) return [];
      return [{ deviceId, appId, label: truth.label(deviceId, appId), added }];
    }),
  );
  return pairs.length === 0 ? [] : [{ kind: 'bin', fromMs: truth.fromMs, pairs }];
};
