import type { Migration } from './migration.ts';

/** Open ones are counted every few seconds, and are few among those that are kept. */
export const openIncidents: Migration = {
  id: 12,
  name: 'open-incidents',
  statements: ['create index incidents_open on incidents (state) where live'],
};
