import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import { Uuid } from '#contract/scalar.ts';
import { writeDurably } from '#runtime/durable-file.ts';

/** Requests live minutes; this many last for as long as any could still be handed out. */
const mostIds = 1_000;

const Kept = Type.Object({
  ids: Type.Array(Type.Object({ id: Uuid, ended: Type.Boolean() })),
});
type Kept = Static<typeof Kept>;

/** Which requests were begun, so that each is at most once, whatever is restarted in between. */
export type RememberedRequests = {
  isKnown(id: string): boolean;
  /** On disk, power cut or not, before the first of its runs. */
  begin(id: string): Promise<void>;
  end(id: string): Promise<void>;
  /** Begun and not ended: by an agent that is no more, when asked at the start. */
  open(): string[];
};

export const openRemembered = async (folder: string): Promise<RememberedRequests> => {
  const file = join(folder, 'requests.json');
  const kept = await readKept(file);
  let written = Promise.resolve();

  const save = (): Promise<void> => {
    kept.ids.splice(0, kept.ids.length - mostIds);
    const text = JSON.stringify(kept);
    written = written.catch(() => {}).then(() => writeDurably(file, text));
    return written;
  };

  return {
    isKnown: (id) => kept.ids.some((each) => each.id === id),
    begin: (id) => {
      kept.ids.push({ id, ended: false });
      return save();
    },
    end: (id) => {
      for (const each of kept.ids) if (each.id === id) each.ended = true;
      return save();
    },
    open: () => kept.ids.filter(({ ended }) => !ended).map(({ id }) => id),
  };
};

const readKept = async (file: string): Promise<Kept> => {
  try {
    const read = check(Kept, JSON.parse(await readFile(file, 'utf8')));
    if (read.ok) return read.value;
  } catch {
    // None yet, or damaged: what was asked before has expired by the time it matters.
  }
  return { ids: [] };
};
