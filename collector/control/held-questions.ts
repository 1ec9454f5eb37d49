import type { Identity } from './fleet.ts';

/** Questions held at once by one collector, one a device or edge; each is an open connection. */
const mostHeld = 10_000;
/** How often other collectors' requests are looked for, while anything is held. */
const lookEveryMs = 1_000;
/** Clocks of collectors on one state differ. */
const overlapMs = 5_000;

const edgePrefix = 'edge:';
/** An edge may be called what a device's id looks like. */
export const askerOf = ({ role, id }: Identity): string =>
  role === 'edge' ? `${edgePrefix}${id}` : id;

/** Why a question is held no longer: there may be news for it, or none came while it was. */
export type HeldUntil = 'news' | 'over';

/**
 * Devices' and edges' questions for their config, kept until there is something for them (RFC 7240
 * `Prefer: wait`): what is asked of a device at this collector wakes it at once, what is asked at
 * another, and what is new for edges, within a second. One look a second serves all of them. Each has
 * one question: whatever it asks anew ends the one before, so that none takes the places of the others.
 */
export const createHeldQuestions = (parts: {
  /** Devices that something was asked of since then. */
  devicesAskedSince: (timeMs: number) => Promise<string[]>;
  /** Another value whenever there may be news for the edges. */
  edgeNews: () => Promise<string>;
  now: () => number;
  onError: (error: unknown) => void;
}) => {
  const held = new Map<string, (until: HeldUntil) => void>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  let edgeNews: string | undefined;
  let wasNew = false;

  const wake = (deviceId: string) => held.get(deviceId)?.('news');

  /** News are told twice: an edge may have read its config before them and be held since. */
  const lookForEdges = async () => {
    const edges = [...held].filter(([asker]) => asker.startsWith(edgePrefix));
    if (edges.length === 0) {
      edgeNews = undefined;
      return;
    }
    const news = await parts.edgeNews();
    const isNew = news !== edgeNews;
    if (isNew || wasNew) for (const [, release] of edges) release('news');
    edgeNews = news;
    wasNew = isNew;
  };

  const look = async () => {
    await lookForEdges();
    const devices = await parts.devicesAskedSince(parts.now() - lookEveryMs - overlapMs);
    for (const deviceId of devices) wake(deviceId);
  };

  const add = (asker: string, release: (until: HeldUntil) => void) => {
    held.get(asker)?.('over');
    held.set(asker, release);
    timer ??= setInterval(() => void look().catch(parts.onError), lookEveryMs);
  };

  const remove = (asker: string, release: (until: HeldUntil) => void) => {
    if (held.get(asker) !== release) return;
    held.delete(asker);
    if (held.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    hasRoom: (asker: string) => !isStopped && (held.size < mostHeld || held.has(asker)),
    /** Until there may be news for the asker, or the time is over, it asks anew, or the signal. */
    hold: (asker: string, forMs: number, signal: AbortSignal): Promise<HeldUntil> =>
      new Promise((resolve) => {
        const release = (until: HeldUntil) => {
          clearTimeout(end);
          signal.removeEventListener('abort', giveUp);
          remove(asker, release);
          resolve(until);
        };
        const giveUp = () => release('over');
        const end = setTimeout(giveUp, forMs);
        if (signal.aborted || isStopped) return giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        add(asker, release);
      }),
    wake,
    stop(): void {
      isStopped = true;
      for (const release of [...held.values()]) release('over');
    },
  };
};

export type HeldQuestions = ReturnType<typeof createHeldQuestions>;
