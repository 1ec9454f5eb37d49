import { execFileSync } from 'node:child_process';
import {
  closeSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeFolder, removeFolder } from './server-process.ts';

/** A disk of its own in memory (needs root), which can be filled to the last byte and given room again. */
export const mountSmallDisk = (megabytes: number) => {
  const folder = makeFolder('disk');
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder]);
  const ballast = join(folder, 'ballast');
  return {
    folder,
    freeBytes: () => statfsSync(folder).bavail * statfsSync(folder).bsize,
    /** To the last page, or but for some bytes. */
    fill(leaveBytes = 0): void {
      const file = openSync(ballast, 'a');
      try {
        for (const bytes of [1_048_576, 4_096]) {
          const block = Buffer.alloc(bytes);
          while (writeWhole(file, block));
        }
      } finally {
        closeSync(file);
      }
      if (leaveBytes > 0) truncateSync(ballast, Math.max(0, statSync(ballast).size - leaveBytes));
    },
    makeRoom: () => rmSync(ballast, { force: true }),
    remove(): void {
      execFileSync('umount', ['--lazy', folder]);
      removeFolder(folder);
    },
  };
};

const writeWhole = (file: number, block: Buffer): boolean => {
  try {
    return writeSync(file, block) === block.length;
  } catch {
    return false;
  }
};

export type SmallDisk = ReturnType<typeof mountSmallDisk>;
