/** Lines of a recording in the order in which they are judged, with where each stands in it. */
export type NumberedLines = {
  texts: readonly string[];
  /** From 1, of `texts[at]`. */
  lineOf: (at: number) => number;
};

/** In the order in which they came. */
export async function* numbered(batches: AsyncIterable<string[]>): AsyncGenerator<NumberedLines> {
  let before = 0;
  for await (const texts of batches) {
    const first = before + 1;
    yield { texts, lineOf: (at) => first + at };
    before += texts.length;
  }
}
