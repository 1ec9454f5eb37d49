/** The sessions of all workers: who has how many, and from where. */
export const createSessionRegistry = () => {
  type Entry = { deviceId: string; address: string };
  const workers = new Map<number, Map<number, Entry>>();
  const devices = new Map<string, number>();
  const addresses = new Map<string, number>();

  const remove = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    count(devices, entry.deviceId, -1);
    count(addresses, entry.address, -1);
  };
  return {
    /** Returns how many the device has now. */
    add(worker: number, session: number, entry: Entry): number {
      const own = workers.get(worker) ?? new Map<number, Entry>();
      workers.set(worker, own.set(session, entry));
      count(addresses, entry.address, 1);
      return count(devices, entry.deviceId, 1);
    },
    remove(worker: number, session: number): void {
      const own = workers.get(worker);
      remove(own?.get(session));
      own?.delete(session);
    },
    /** All of a worker that is gone. */
    forget(worker: number): void {
      for (const entry of workers.get(worker)?.values() ?? []) remove(entry);
      workers.delete(worker);
    },
    countFrom: (address: string): number => addresses.get(address) ?? 0,
    deviceCount: (): number => devices.size,
  };
};

const count = (counts: Map<string, number>, key: string, change: number): number => {
  const now = (counts.get(key) ?? 0) + change;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
  return now;
};
