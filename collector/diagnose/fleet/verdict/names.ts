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
    edge: (id) => once(id === '' ? 'the edge' : `edge ${edge(id)}`),
    inText: (text) =>
      once(
        text.replace(edgeIds, (id) => edge(id)).replace(applicationIds, (id) => application(id)),
      ),
  };
};

/** Ids are slugs; in elements' names an edge's stands behind "edge", an application's behind these. */
const edgeIds = /(?<=\bedge )[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?/g;
const applicationIds = /(?<=\b(?:of|for|to|and) )[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?/g;

/** An edge that people call "Edge 5" is not "edge Edge 5". */
const once = (text: string): string => text.replace(/\bedge (?=Edge\b)/g, '');
