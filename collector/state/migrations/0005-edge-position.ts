import type { Migration } from './migration.ts';

export const edgePosition: Migration = {
  id: 5,
  name: 'edge-position',
  statements: ['alter table edges add column position jsonb'],
};
