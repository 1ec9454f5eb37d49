import type { Migration } from './migration.ts';

export const deviceFacts: Migration = {
  id: 6,
  name: 'device-facts',
  statements: [
    'alter table devices add column user_id text',
    `alter table devices add column labels jsonb not null default '[]'`,
    'alter table devices add column posture jsonb',
    'alter table devices add column posture_at bigint',
    'alter table devices add column facts_changed_at bigint',
    // The newest of each is asked for every second, while edges wait for news.
    'create index devices_revoked_at on devices (revoked_at)',
    'create index devices_facts_changed_at on devices (facts_changed_at)',
  ],
};
