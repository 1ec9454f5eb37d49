import type { Migration } from './migration.ts';

export const runAccounts: Migration = {
  id: 11,
  name: 'run-accounts',
  statements: [
    `create table run_accounts (
      device_id uuid not null,
      day_at bigint not null,
      book_id uuid not null,
      sequence bigint not null,
      from_at bigint not null,
      until_at bigint not null,
      told_at bigint not null,
      probes jsonb not null,
      checked_sequence bigint not null default -1,
      checked_at bigint not null default 0,
      sums jsonb,
      unexplained_count integer,
      primary key (device_id, day_at, book_id)
    )`,
    'create index run_accounts_day on run_accounts (day_at)',
    'create index run_accounts_unchecked on run_accounts (told_at) where checked_sequence < sequence',
    `create index run_accounts_unexplained on run_accounts (checked_at)
      where unexplained_count <> 0`,
    `create table refused_runs (
      device_id uuid not null,
      batch_id uuid not null,
      day_at bigint not null,
      probe_id text not null,
      run_count integer not null,
      primary key (device_id, batch_id, day_at, probe_id)
    )`,
    'create index refused_runs_device_day on refused_runs (device_id, day_at)',
    'create index refused_runs_day on refused_runs (day_at)',
  ],
};
