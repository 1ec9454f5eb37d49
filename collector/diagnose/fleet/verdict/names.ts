import type { Facts } from '../reading.ts';

/** What people call the ids in a sentence; an id that nobody named is its own name. */
export type Names = {
  device(id: string): string;
  application(id: string): string;
  /** With the word before it: "edge Amsterdam". */
  edge(id: string): string;
};

export const namesOf = (facts: Facts): Names => ({
  device: (id) => facts.devices[id]?.name ?? id,
  application: (id) => facts.applications[id]?.name ?? id,
  edge: (id) => (id === '' ? 'the edge' : `edge ${facts.edges[id]?.name ?? id}`),
});
