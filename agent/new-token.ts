import { readFileSync } from 'node:fs';
import { chown, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '#runtime/durable-file.ts';

/**
 * Where a token lies by which this device is to enrol anew, whatever identity it has. It is the owner's
 * word like the rest of the state folder, works with or without a running agent, and is gone once read.
 */
const pathOf = (stateFolder: string): string => join(stateFolder, 'enrollment-token');

export const readNewToken = (stateFolder: string): string | undefined => {
  try {
    return readFileSync(pathOf(stateFolder), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
};

export const removeNewToken = (stateFolder: string): Promise<void> =>
  rm(pathOf(stateFolder), { force: true });

/** For the owner of the folder, also where root writes it. */
export const leaveNewToken = async (stateFolder: string, token: string): Promise<void> => {
  const { uid, gid } = await stat(stateFolder);
  await writeDurably(pathOf(stateFolder), `${token}\n`);
  if (process.getuid?.() === 0) await chown(pathOf(stateFolder), uid, gid);
};
