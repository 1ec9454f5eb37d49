/**
 * Causes know ids, people know names. An id within words stands between characters that no id and no
 * name has (Unicode's private use), so that its name can take its place wherever the words are told.
 */
const begin = { application: '\u{e000}', edge: '\u{e001}', site: '\u{e002}' } as const;
const end = '\u{e003}';

export const markedApplication = (id: string | null): string =>
  `${begin.application}${id ?? ''}${end}`;

/** Told with the word before it: "edge Amsterdam". */
export const markedEdge = (id: string | null): string => `${begin.edge}${id ?? ''}${end}`;

/** Told with the words before it: "site berlin". */
export const markedSite = (id: string): string => `${begin.site}${id}${end}`;

export const withNames = (
  words: string,
  names: Record<keyof typeof begin, (id: string) => string>,
): string =>
  words
    .replace(marked, (_, kind: string, id: string) =>
      kind === begin.edge
        ? names.edge(id)
        : kind === begin.site
          ? names.site(id)
          : names.application(id),
    )
    // Of words that were cut within an id.
    .replace(leftOver, '');

const marked = /([\u{e000}-\u{e002}])([^\u{e000}-\u{e003}]*)\u{e003}/gu;
const leftOver = /[\u{e000}-\u{e003}]/gu;
