import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { browserProcesses } from './browser-processes.ts';

/** What page loads may leave behind on a machine (Linux). */
export const countLeftovers = (workFolder: string) => ({
  processCount: browserProcesses(workFolder).length,
  profileCount: countIn(workFolder, () => true),
  temporaryCount: countIn(tmpdir(), (name) => /chrom|puppeteer/i.test(name)),
  descriptorCount: countIn('/proc/self/fd', () => true),
  childCount: childrenOf(process.pid),
  memoryMb: Math.round(process.memoryUsage().rss / 1e6),
});

const countIn = (folder: string, isMeant: (name: string) => boolean): number => {
  try {
    return readdirSync(folder).filter(isMeant).length;
  } catch {
    return 0;
  }
};

/** Zombies too; of all threads, as each may start some (proc(5)). */
const childrenOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim())
    .filter((list) => list !== '')
    .reduce((count, list) => count + list.split(' ').length, 0);
