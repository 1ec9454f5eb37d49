import type { SharedIncident } from '#contract/verdict.ts';

/** Of every bin's incidents those of which there is news: opened, ended, wider, elsewhere. */
export const createNews = () => {
  const told = new Map<string, string>();
  return {
    of: (incidents: readonly SharedIncident[]): SharedIncident[] =>
      incidents.filter((incident) => {
        const { id, endedAt, level, scope, element, deviceCount, pairCount } = incident;
        const news = JSON.stringify([endedAt, level, scope, element, deviceCount, pairCount]);
        if (told.get(id) === news) return false;
        if (endedAt === null) told.set(id, news);
        else told.delete(id);
        return true;
      }),
  };
};
