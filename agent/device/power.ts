import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readTextOrNothing } from './read-text.ts';

/** What measuring more would cost the user; null: the system does not tell. */
export type Power = { onBattery: boolean | null; onMetered: boolean | null };

/** From sysfs: a battery of the machine's own that discharges, and an interface that is a modem. */
export const readPower = (interfaceName: string | null, root = '/sys/class'): Power => ({
  onBattery: isOnBattery(join(root, 'power_supply')),
  onMetered: interfaceName === null ? null : isModem(join(root, 'net', interfaceName)),
});

const isOnBattery = (folder: string): boolean | null => {
  const batteries = list(folder)
    .map((name) => {
      const at = (file: string) => readTextOrNothing(join(folder, name, file)).trim();
      return { type: at('type'), scope: at('scope'), status: at('status') };
    })
    // Scope "Device": a mouse's or a headset's.
    .filter(({ type, scope }) => type === 'Battery' && scope !== 'Device');
  if (batteries.length === 0) return null;
  return batteries.some(({ status }) => status === 'Discharging');
};

/** A mobile network's device says so; a telephone that shares its own looks like any other Wi-Fi. */
const isModem = (folder: string): boolean | null =>
  /^DEVTYPE=wwan$/m.test(readTextOrNothing(join(folder, 'uevent'))) ? true : null;

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
