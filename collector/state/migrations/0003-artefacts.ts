import type { Migration } from './migration.ts';

export const artefacts: Migration = {
  id: 3,
  name: 'artefacts',
  statements: [
    `create table artefacts (
      result_id uuid not null,
      kind text not null,
      device_id uuid not null,
      app_id text not null,
      media_type text not null,
      encoding text not null,
      bytes bytea not null,
      at bigint not null,
      primary key (result_id, kind)
    )`,
    'create index artefacts_device_at on artefacts (device_id, at)',
    'create index artefacts_at on artefacts (at)',
  ],
};
