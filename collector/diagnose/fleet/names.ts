/** Numbers for texts: the first text is 1, 0 stands for none. */
export type Names = {
  numberOf(text: string): number;
  /** 0: not known. */
  find(text: string): number;
  /** '': the number is nobody's. */
  textOf(number: number): string;
  /** One more than the largest number. */
  readonly count: number;
  /** Another value whenever a number means something else. */
  readonly changes: number;
  /** Texts whose number is 0 in `used` are forgotten; the next ones get their numbers. */
  keepOnly(used: Uint8Array): void;
  save(): string[];
};

export const createNames = (saved: readonly string[] = []): Names => {
  const texts: string[] = ['', ...saved];
  const numbers = new Map<string, number>([['', 0]]);
  let free: number[] = [];
  let changes = 0;

  const listFree = (): void => {
    free = [];
    // The lowest is given away first, also after a restart.
    for (let number = texts.length - 1; number > 0; number -= 1) {
      if (texts[number] === '') free.push(number);
    }
  };
  for (const [number, text] of texts.entries()) if (text !== '') numbers.set(text, number);
  listFree();

  return {
    numberOf(text) {
      const known = numbers.get(text);
      if (known !== undefined) return known;
      const number = free.pop() ?? texts.length;
      numbers.set(text, number);
      texts[number] = text;
      changes += 1;
      return number;
    },
    find: (text) => numbers.get(text) ?? 0,
    textOf: (number) => texts[number] ?? '',
    get count() {
      return texts.length;
    },
    get changes() {
      return changes;
    },
    keepOnly(used) {
      for (const [number, text] of texts.entries()) {
        if (text === '' || used[number] === 1) continue;
        numbers.delete(text);
        texts[number] = '';
        changes += 1;
      }
      listFree();
    },
    save: () => texts.slice(1),
  };
};
