import { ownRow, type Row } from '#test/bench/rows.ts';
import type { ScaleMeasurement } from '../scale.ts';

type Measured = readonly ScaleMeasurement[];

/** What is wanted of the whole fleet on two cores, whoever does it. */
const most = { closeMs: 30_000, bytes: 1e9 } as const;

/** Of several processes the slowest counts, and what they hold together. */
export const scaleRows = (measured: Measured): Row[] => {
  const of = nameOf(measured);
  const closeMs = Math.max(...measured.map(({ closeMostMs }) => closeMostMs));
  const bytes = sum(measured, ({ residentBytes }) => residentBytes);
  return [
    ownRow(
      `${of}: closing a bin, the slowest`,
      's',
      closeMs / 1e3,
      '≤ 30',
      closeMs <= most.closeMs,
    ),
    ownRow(
      `${of}: closing a bin, on average`,
      's',
      Math.max(...measured.map((one) => one.closeMs)) / 1e3,
    ),
    ownRow(`${of}: memory, at most`, 'GB', bytes / 1e9, '≤ 1', bytes <= most.bytes),
    ownRow(
      `${of}: taking in a reading`,
      'µs',
      Math.max(...measured.map(({ readingMicros }) => readingMicros)),
    ),
  ];
};

/** Where the memory is: what a checkpoint in the middle of a bin holds, for each device. */
export const scaleTable = (measured: Measured): string[] => {
  const devices = measured[0]?.devices ?? 1;
  const names = new Set(measured.flatMap(({ tableBytes }) => Object.keys(tableBytes)));
  const rows = [...names].map((name) => ({
    name,
    bytes: sum(measured, ({ tableBytes }) => tableBytes[name] ?? 0),
  }));
  return [
    `${nameOf(measured)}: ${sum(measured, ({ readings }) => readings)} readings, ${sum(measured, ({ verdicts }) => verdicts)} verdicts in the last bin`,
    '',
    '| table | bytes a device |',
    '|---|---|',
    ...rows
      .filter(({ bytes }) => bytes >= devices)
      .map(({ name, bytes }) => `| ${name} | ${Math.round(bytes / devices)} |`),
  ];
};

const nameOf = ([first]: Measured): string => {
  if (first === undefined) return '';
  const { devices, applications, binMs, shards } = first;
  const split = shards === 1 ? '' : ` in ${shards} processes`;
  return `${devices} devices × ${applications} applications, bins of ${binMs / 60_000} min${split}`;
};

const sum = (measured: Measured, of: (one: ScaleMeasurement) => number): number =>
  measured.reduce((total, one) => total + of(one), 0);
