import type { Migration } from './migration.ts';

export const runRequests: Migration = {
  id: 4,
  name: 'run-requests',
  statements: [
    `create table run_requests (
      id uuid primary key,
      device_id uuid not null,
      run_order jsonb not null,
      run_count integer not null,
      actor text not null,
      created_at bigint not null,
      expires_at bigint not null,
      state text not null,
      picked_up_at bigint,
      reported_at bigint,
      made_count integer not null,
      lost_count integer not null,
      reason text not null
    )`,
    'create index run_requests_device on run_requests (device_id, expires_at)',
    'create index run_requests_created_at on run_requests (created_at)',
  ],
};
