import type { Migration } from './migration.ts';

export const rollups: Migration = {
  id: 10,
  name: 'rollups',
  statements: [
    `create table rollup_progress (
      id integer primary key,
      next_bin bigint not null,
      worker text not null,
      working_until bigint not null,
      raw_from bigint not null
    )`,
    `create table rollup_bins (
      bin bigint not null,
      working boolean not null,
      primary key (bin, working)
    )`,
  ],
};
