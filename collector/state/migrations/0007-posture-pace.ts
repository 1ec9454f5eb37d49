import type { Migration } from './migration.ts';

export const posturePace: Migration = {
  id: 7,
  name: 'posture-pace',
  statements: [
    'alter table devices add column posture_from_at bigint',
    'alter table devices add column posture_before jsonb',
    'create index devices_posture_from_at on devices (posture_from_at)',
  ],
};
