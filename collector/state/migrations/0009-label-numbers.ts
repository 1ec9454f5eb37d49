import type { Migration } from './migration.ts';

export const labelNumbers: Migration = {
  id: 9,
  name: 'label-numbers',
  statements: [
    // The first key finds a combination's number, the second keeps a number from being given twice.
    `create table label_numbers (
      measurement text not null,
      labels text not null,
      number integer not null,
      primary key (measurement, labels)
    )`,
    'create unique index label_numbers_number on label_numbers (measurement, number)',
  ],
};
