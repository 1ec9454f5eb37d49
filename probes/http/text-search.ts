/** Looks for a text in a stream of bytes, also across chunks, keeping no more than the text's length. */
export const createTextSearch = (text: string) => {
  const wanted = Buffer.from(text, 'utf8');
  let isFound = wanted.length === 0;
  let tail: Buffer = Buffer.alloc(0);
  return {
    read(chunk: Buffer): void {
      if (isFound) return;
      const seen = Buffer.concat([tail, chunk]);
      isFound = seen.includes(wanted);
      tail = seen.subarray(Math.max(0, seen.length - wanted.length + 1));
    },
    found: (): boolean => isFound,
  };
};
