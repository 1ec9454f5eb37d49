import type { Facts } from '../reading.ts';

/** What people call the ids in a sentence; an id that nobody named is its own name. */
export type Names = {
  device(id: string): string;
  application(id: string): string;
  /** With the word before it: "edge Amsterdam". */
  edge(id: string): string;
  /** An element's name with what people call its applications and edges. */
  inText(text: string): string;
};

export const namesOf = (facts: Facts): Names => {
  const application = (id: string): string => facts.applications[id]?.name ?? id;
  const edge = (id: string): string => facts.edges[id]?.name ?? id;
  return {
    application,
    device: (id) => facts.devices[id]?.name ?? id,
    edge: (id) => (id === '' ? 'the edge' : `edge ${edge(id)}`),
    inText: (text) =>
      text.replace(words, (word, before: string, id: string) => {
        if (before === 'edge ') return `edge ${edge(id)}`;
        return before === '' && !Object.hasOwn(facts.applications, id)
          ? word
          : `${before}${application(id)}`;
      }),
  };
};

/** Ids are slugs, and stand in elements' names behind "edge" or "of", or else by themselves. */
const words = /(?<![\w.:-])(edge |of |for |to |)([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?![\w:-])/g;
