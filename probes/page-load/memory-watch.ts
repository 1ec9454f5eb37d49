import { groupMemoryBytes } from './profile.ts';

/** Above this a page is taken for one that never stops: heavy applications use a third of it. */
const maxPageMemoryBytes = 1.5e9;
/** Looking costs some milliseconds; a page that allocates as fast as it can gets 1 GB a second. */
const everyMs = 750;

/**
 * Kills a browser whose page eats the device's memory, before the system kills something else
 * (Linux; elsewhere the browser's own limits are all there is).
 */
export const watchMemory = (groupId: number | undefined, kill: () => void) => {
  let exceededBytes: number | undefined;
  const look = () => {
    const bytes = groupId === undefined ? undefined : groupMemoryBytes(groupId);
    if (bytes === undefined || bytes <= maxPageMemoryBytes) return;
    exceededBytes = bytes;
    clearInterval(timer);
    kill();
  };
  const timer = setInterval(look, everyMs);
  return {
    /** What the page is to blame for; undefined: it kept within bounds. */
    finding: (): string | undefined =>
      exceededBytes === undefined
        ? undefined
        : `out of memory: the page used ${(exceededBytes / 1e9).toFixed(1)} GB and was stopped`,
    stop: (): void => clearInterval(timer),
  };
};
