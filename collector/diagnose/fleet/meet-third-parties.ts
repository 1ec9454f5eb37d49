import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf } from './kinds.ts';
import type { OpenBin } from './open-bin.ts';

/** As the samples are pooled: those of three bins where one holds few. */
const few = 8;
const windowBins = 3;

/**
 * Counts the devices whose loads waited for a third party, as one device may load a page many times.
 * After samples were noted: stray loads are neither judged nor counted.
 */
export const meetThirdParties = (state: FleetState, open: OpenBin): void => {
  for (const [third, loads] of loadsOf(open)) {
    if (!isNoted(state, third, open.bin)) continue;
    const devices = [...new Set(loads)].sort((a, b) => a - b);
    const isEnough = loads.length >= few;
    const known = isEnough ? [] : (state.visitors.get(third)?.recent ?? []);
    const recent = known.filter(({ bin }) => open.bin - bin < windowBins);
    // Who they were is needed only to count them once over several bins.
    if (!isEnough) recent.push({ bin: open.bin, devices });
    const all = new Set([...devices, ...recent.flatMap((each) => each.devices)]);
    state.visitors.set(third, { count: all.size, recent });
  }
};

const loadsOf = ({ visits }: OpenBin): [number, number[]][] => {
  const loads = new Map<number, number[]>();
  for (let row = 0; row < visits.count; row += 1) {
    const page = visits.page(row);
    const third = at(page.third, slotOf(row));
    const device = at(page.device, slotOf(row));
    const known = loads.get(third);
    if (known) known.push(device);
    else loads.set(third, [device]);
  }
  return [...loads].sort(([a], [b]) => a - b);
};

const isNoted = ({ keys, thirdParties, appNames }: FleetState, third: number, bin: number) => {
  const [appId = ''] = thirdParties.textOf(third).split('\t');
  const key = keys.find(kindOf.thirdParty, third, appNames.find(appId));
  return key >= 0 && at(keys.rows.page(key).bin, slotOf(key)) === bin;
};
