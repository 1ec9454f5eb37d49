import { createHash } from 'node:crypto';

/** 1 MiB that is the same in every process and compresses to nothing useful. */
export const benchBlock = (): Buffer => {
  const parts: Buffer[] = [];
  for (let i = 0; i < 32_768; i++) parts.push(createHash('sha256').update(`block ${i}`).digest());
  return Buffer.concat(parts);
};
