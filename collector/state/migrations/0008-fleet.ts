import type { Migration } from './migration.ts';

export const fleet: Migration = {
  id: 8,
  name: 'fleet',
  statements: [
    `create table fleet_shards (
      shard text primary key,
      bin_ms integer not null,
      bin bigint not null,
      read_at bigint not null,
      device_count integer not null,
      worker text not null,
      kept_until bigint not null,
      working_until bigint not null
    )`,
    `create table fleet_checkpoints (
      shard text not null,
      part integer not null,
      bin_ms integer not null,
      bin bigint not null,
      read_at bigint not null,
      bytes bytea not null,
      saved_at bigint not null,
      primary key (shard, part)
    )`,
    'create index fleet_checkpoints_saved_at on fleet_checkpoints (saved_at)',
    `create table standing_causes (
      shard text not null,
      device_id uuid not null,
      app_id text not null,
      at bigint not null,
      verdict jsonb not null,
      primary key (shard, device_id, app_id)
    )`,
    'create index standing_causes_pair on standing_causes (device_id, app_id)',
    'create index standing_causes_at on standing_causes (at)',
    `create table shared_incidents (
      id uuid primary key,
      key text not null,
      live boolean not null,
      started_at bigint not null,
      seen_at bigint not null,
      ended_at bigint,
      incident jsonb not null,
      affected jsonb not null,
      history jsonb not null,
      told_to jsonb not null default '[]',
      end_told boolean not null default false
    )`,
    'create index shared_incidents_key on shared_incidents (key)',
    'create index shared_incidents_live on shared_incidents (live, started_at)',
    'create index shared_incidents_ended_at on shared_incidents (ended_at)',
    `create table shared_incident_parts (
      shard text not null,
      part_id uuid not null,
      incident_id uuid not null,
      live boolean not null,
      incident jsonb not null,
      affected jsonb not null,
      history jsonb not null,
      primary key (shard, part_id)
    )`,
    'create index shared_incident_parts_incident on shared_incident_parts (incident_id)',
    `create table late_batches (
      id uuid primary key,
      role text not null,
      sender text not null,
      from_at bigint not null,
      offsets_ms jsonb not null,
      stored_at bigint not null
    )`,
    'create index late_batches_stored_at on late_batches (stored_at)',
    'alter table incidents add column told_by uuid',
  ],
};
