import type { Migration } from './migration.ts';

export const reflector: Migration = {
  id: 2,
  name: 'reflector',
  statements: ['alter table edges add column reflector_port integer'],
};
