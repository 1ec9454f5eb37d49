/** Questions held at once by one collector, one a device; each is an open connection. */
const mostHeld = 10_000;
/** How often other collectors' requests are looked for, while anything is held. */
const lookEveryMs = 1_000;
/** Clocks of collectors on one state differ. */
const overlapMs = 5_000;

/** Why a question is held no longer: there may be news for it, or none came while it was. */
export type HeldUntil = 'news' | 'over';

/**
 * Devices' questions for their config, kept until there is something for the device (RFC 7240
 * `Prefer: wait`): what is asked at this collector wakes them at once, what is asked at another within
 * a second. One query a second serves all of them. A device has one: whatever it asks anew ends the
 * one before, so that none takes the places of the others.
 */
export const createHeldQuestions = (parts: {
  /** Devices that something was asked of since then. */
  devicesAskedSince: (timeMs: number) => Promise<string[]>;
  now: () => number;
  onError: (error: unknown) => void;
}) => {
  const held = new Map<string, (until: HeldUntil) => void>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const wake = (deviceId: string) => held.get(deviceId)?.('news');

  const look = async () => {
    const devices = await parts.devicesAskedSince(parts.now() - lookEveryMs - overlapMs);
    for (const deviceId of devices) wake(deviceId);
  };

  const add = (deviceId: string, release: (until: HeldUntil) => void) => {
    held.get(deviceId)?.('over');
    held.set(deviceId, release);
    timer ??= setInterval(() => void look().catch(parts.onError), lookEveryMs);
  };

  const remove = (deviceId: string, release: (until: HeldUntil) => void) => {
    if (held.get(deviceId) !== release) return;
    held.delete(deviceId);
    if (held.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    hasRoom: (deviceId: string) => !isStopped && (held.size < mostHeld || held.has(deviceId)),
    /** Until there may be news for the device, or the time is over, it asks anew, or the signal. */
    hold: (deviceId: string, forMs: number, signal: AbortSignal): Promise<HeldUntil> =>
      new Promise((resolve) => {
        const release = (until: HeldUntil) => {
          clearTimeout(end);
          signal.removeEventListener('abort', giveUp);
          remove(deviceId, release);
          resolve(until);
        };
        const giveUp = () => release('over');
        const end = setTimeout(giveUp, forMs);
        if (signal.aborted || isStopped) return giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        add(deviceId, release);
      }),
    wake,
    stop(): void {
      isStopped = true;
      for (const release of [...held.values()]) release('over');
    },
  };
};

export type HeldQuestions = ReturnType<typeof createHeldQuestions>;
