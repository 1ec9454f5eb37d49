import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** A state that changes entry by entry, and is on disk as it is in memory. */
export type BookFile<S, E> = {
  state: () => S;
  /** Changes the state; the change outlives this process once this returns. */
  write(entry: E): void;
  close(): void;
};

type BookFileOptions<S, E> = {
  folder: string;
  name: string;
  /** Of what was kept; undefined: there was none, or nothing can be learnt from it. */
  open: (kept: unknown) => S;
  apply: (state: S, entry: E) => void;
};

/** Entries are written behind a picture of the state; when there are this many bytes, a new picture. */
const journalBytes = 128 * 1024;

/**
 * The picture is renamed into place and the entries are appended, neither is synced: they survive the
 * program's death at any point, and a power cut costs at most the last moments. On a full disk the
 * book goes on in memory, and is written when there is room again.
 */
export const openBookFile = <S, E>(options: BookFileOptions<S, E>): BookFile<S, E> => {
  const { folder, name, apply } = options;
  const pictureFile = join(folder, `${name}.json`);
  const journalFile = (number: number) => join(folder, `${name}.${number}.log`);
  const kept = readPicture(pictureFile);
  const state = options.open(kept.state);
  let { number } = kept;
  for (const entry of readJournal<E>(journalFile(number))) apply(state, entry);
  let journal: { file: number; bytes: number } | undefined;
  let isClosed = false;

  const turnPage = () => {
    const old = journal;
    const fresh = { file: openSync(journalFile(number + 1), 'w', 0o600), bytes: 0 };
    try {
      const picture = { number: number + 1, state };
      writeFileSync(`${pictureFile}.new`, JSON.stringify(picture), { mode: 0o600 });
      renameSync(`${pictureFile}.new`, pictureFile);
    } catch (error) {
      closeSync(fresh.file);
      throw error;
    }
    journal = fresh;
    number += 1;
    if (old !== undefined) closeSync(old.file);
    rmSync(journalFile(number - 1), { force: true });
  };

  const append = (entry: E) => {
    if (journal === undefined || journal.bytes > journalBytes) return turnPage();
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      if (writeSync(journal.file, line) !== line.byteLength) throw new Error('no room');
      journal.bytes += line.byteLength;
    } catch {
      // What was half written would spoil the next; a new picture holds this entry, too.
      const { file, bytes } = journal;
      journal = undefined;
      try {
        ftruncateSync(file, bytes);
      } finally {
        closeSync(file);
      }
      turnPage();
    }
  };

  const attempt = (step: () => void) => {
    try {
      step();
    } catch {
      // A full disk: the next entry tries to write all of it.
    }
  };
  // Also cuts off what a kill left half written.
  attempt(turnPage);

  return {
    state: () => state,
    write: (entry) => {
      if (isClosed) return;
      apply(state, entry);
      attempt(() => append(entry));
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      if (journal !== undefined) closeSync(journal.file);
    },
  };
};

const readPicture = (path: string): { number: number; state: unknown } => {
  try {
    const picture = JSON.parse(readFileSync(path, 'utf8')) as { number: number; state: unknown };
    if (Number.isSafeInteger(picture.number)) return picture;
  } catch {
    // None yet, or damaged.
  }
  return { number: 0, state: undefined };
};

/** Whole lines only: the last may have been cut off, and nobody was told that it was written. */
const readJournal = <E>(path: string): E[] => {
  try {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as E);
  } catch {
    return [];
  }
};
