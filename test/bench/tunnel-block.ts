import { createHash } from 'node:crypto';

/** 1 MiB that is the same in every process and compresses to nothing useful. */
export const benchBlock = (): Buffer => {
  const parts: Buffer[] = [];
  for (let i = 0; i < 32_768; i++) parts.push(createHash('sha256').update(`block ${i}`).digest());
  return Buffer.concat(parts);
};

/** Takes a stream's chunks and says whether they are the block over and over: memcmp, not a hash. */
export const createBlockCheck = (block: Buffer) => {
  let at = 0;
  let isRight = true;
  return {
    add(chunk: Buffer): void {
      for (let from = 0; from < chunk.length; ) {
        const size = Math.min(chunk.length - from, block.length - (at % block.length));
        const expected = block.subarray(at % block.length, (at % block.length) + size);
        if (chunk.compare(expected, 0, size, from, from + size) !== 0) isRight = false;
        from += size;
        at += size;
      }
    },
    isRight: (byteCount: number): boolean => isRight && at === byteCount,
  };
};
