import { statfsSync } from 'node:fs';
import { StateUnavailable } from './state.ts';

/**
 * Three segments of PostgreSQL's log (16 MB each). PGlite that finds no room for one neither fails nor
 * answers: it takes the process's thread and never gives it back. So it is not let get that far.
 */
const neededBytes = 48_000_000;
const lookEveryMs = 250;

/** Throws StateUnavailable while the disk of a folder has too little room to write. */
export const createRoomCheck = (folder: string): (() => void) => {
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let isRoom = true;
  return () => {
    if (performance.now() - lookedAtMs > lookEveryMs) {
      lookedAtMs = performance.now();
      const { bavail, bsize } = statfsSync(folder);
      isRoom = bavail * bsize >= neededBytes;
    }
    if (isRoom) return;
    throw new StateUnavailable(
      `state engine: PGlite: disk full: less than ${neededBytes / 1e6} MB left for ${folder}`,
    );
  };
};
