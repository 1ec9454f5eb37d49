/** Numbers for texts: the first text is 1, 0 stands for none. */
export type Names = {
  numberOf(text: string): number;
  /** 0: not known. */
  find(text: string): number;
  textOf(number: number): string;
  readonly count: number;
  save(): string[];
};

export const createNames = (saved: readonly string[] = []): Names => {
  const texts: string[] = ['', ...saved];
  const numbers = new Map(texts.map((text, number) => [text, number]));
  return {
    numberOf(text) {
      const known = numbers.get(text);
      if (known !== undefined) return known;
      numbers.set(text, texts.length);
      texts.push(text);
      return texts.length - 1;
    },
    find: (text) => numbers.get(text) ?? 0,
    textOf: (number) => texts[number] ?? '',
    get count() {
      return texts.length;
    },
    save: () => texts.slice(1),
  };
};
