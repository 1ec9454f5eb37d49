/** Questions held at once by one collector; each is an open connection. */
const mostHeld = 10_000;
/** How often other collectors' requests are looked for, while anything is held. */
const lookEveryMs = 1_000;
/** Clocks of collectors on one state differ. */
const overlapMs = 5_000;

/**
 * Devices' questions for their config, kept until there is something for the device (RFC 7240
 * `Prefer: wait`): what is asked at this collector wakes them at once, what is asked at another within
 * a second. One query a second serves all of them.
 */
export const createHeldQuestions = (parts: {
  /** Devices that something was asked of since then. */
  devicesAskedSince: (timeMs: number) => Promise<string[]>;
  now: () => number;
  onError: (error: unknown) => void;
}) => {
  const held = new Map<string, Set<() => void>>();
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const wake = (deviceId: string) => {
    for (const release of held.get(deviceId) ?? []) release();
  };

  const look = async () => {
    const devices = await parts.devicesAskedSince(parts.now() - lookEveryMs - overlapMs);
    for (const deviceId of devices) wake(deviceId);
  };

  const add = (deviceId: string, release: () => void) => {
    held.set(deviceId, (held.get(deviceId) ?? new Set()).add(release));
    count += 1;
    timer ??= setInterval(() => void look().catch(parts.onError), lookEveryMs);
  };

  const remove = (deviceId: string, release: () => void) => {
    const ofDevice = held.get(deviceId);
    if (ofDevice?.delete(release) !== true) return;
    if (ofDevice.size === 0) held.delete(deviceId);
    count -= 1;
    if (count > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    hasRoom: () => !isStopped && count < mostHeld,
    /** Until there may be news for the device, the time is over, or the signal. */
    hold: (deviceId: string, forMs: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        const release = () => {
          clearTimeout(end);
          signal.removeEventListener('abort', release);
          remove(deviceId, release);
          resolve();
        };
        const end = setTimeout(release, forMs);
        if (signal.aborted || isStopped) return release();
        signal.addEventListener('abort', release, { once: true });
        add(deviceId, release);
      }),
    wake,
    stop(): void {
      isStopped = true;
      for (const deviceId of [...held.keys()]) wake(deviceId);
    },
  };
};

export type HeldQuestions = ReturnType<typeof createHeldQuestions>;
