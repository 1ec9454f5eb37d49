import { createReadStream } from 'node:fs';
import { copyFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import { CategoriesRefused, type CategoryList, createCategoryReader } from './categories.ts';

const mostBytes = 128_000_000;
const defaultCheckEveryMs = 5_000;

/** Reads a list without holding up flows: a piece of the file is a few milliseconds' work. */
export const readCategories = async (file: string): Promise<CategoryList> => {
  const { size } = await stat(file);
  if (size > mostBytes) throw new CategoriesRefused(`more than ${mostBytes} bytes`);
  const reader = createCategoryReader();
  for await (const text of createReadStream(file, { encoding: 'utf8' })) {
    reader.push(text as string);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return reader.end();
};

/**
 * Follows a category file: loads it, and again whenever it has changed. One that is broken or gone
 * leaves in force what was there. Of the last good one a copy is kept: for the next start, and for
 * the edge's other processes to read.
 */
export const startCategoryFile = (parts: {
  file: string;
  keepIn: string;
  checkEveryMs?: number;
  /** `copy`: a file that holds what was loaded; `told`: what it is, in words. */
  onLoaded: (list: CategoryList, copy: string, told: string) => void;
  onRefused: (reason: string) => void;
  log: Log;
}): Running => {
  const log = parts.log.child({ component: 'categories', file: parts.file });
  const copy = join(parts.keepIn, 'categories.txt');
  const fresh = `${copy}.new`;
  const stopping = new AbortController();
  let seen = '';

  const load = async (file: string): Promise<CategoryList> => {
    const beganMs = performance.now();
    const list = await readCategories(file);
    const { domainCount, duplicateCount, names } = list;
    const tookMs = Math.round(performance.now() - beganMs);
    log.info({ domainCount, duplicateCount, categoryCount: names.size, tookMs }, 'list loaded');
    return list;
  };

  const look = async (): Promise<'unchanged' | 'loaded' | 'refused'> => {
    const mark = await markOf(parts.file);
    if (mark === seen) return 'unchanged';
    try {
      await copyFile(parts.file, fresh);
      // Written to meanwhile: half of it may have been read. Looked at again next time.
      if ((await markOf(parts.file)) !== mark) return 'unchanged';
      seen = mark;
      const list = await load(fresh);
      await rename(fresh, copy);
      parts.onLoaded(list, copy, describe(list));
      return 'loaded';
    } catch (error) {
      const { message } = error as Error;
      log.error({ reason: message }, 'list refused; the one before stays in force');
      parts.onRefused(message);
      seen = mark;
      return 'refused';
    }
  };

  const takeCopy = async (): Promise<void> => {
    const list = await load(copy).catch(() => undefined);
    if (list) parts.onLoaded(list, copy, `${describe(list)}, as kept from before`);
  };

  const follow = async (): Promise<void> => {
    if ((await look()) === 'refused') await takeCopy();
    while (!stopping.signal.aborted) {
      await sleep(parts.checkEveryMs ?? defaultCheckEveryMs, stopping.signal);
      if (!stopping.signal.aborted) await look();
    }
  };
  const ended = follow();
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
};

const markOf = async (file: string): Promise<string> => {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'missing';
  }
};

const describe = ({ domainCount, names, duplicateCount }: CategoryList): string =>
  `${domainCount} domains in ${names.size} categories, ${duplicateCount} named more than once`;
