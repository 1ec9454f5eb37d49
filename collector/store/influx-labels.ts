import { labelReader, numbersPerMs } from './influx-line.ts';
import { type Row, type RowsOf, type Table, tableOf } from './row.ts';

/** A measurement and one combination of its labels, as text. */
type Combination = { measurement: string; labels: string };

/**
 * The dictionary of all collectors that write to one database: gives every combination its number,
 * below `below`, once for good. One that is not in the answer found no number free.
 */
export type LabelNumbers = {
  numbersOf(
    asked: readonly Combination[],
    below: number,
  ): Promise<readonly (Combination & { number: number })[]>;
};

/** A row and the number of its labels; undefined where the dictionary is full. */
export type NumberedRow = { name: string; table: Table; row: Row; number: number | undefined };

/** Remembers what the dictionary said, which never changes, and asks it once for all that is new. */
export const createNumbering = (dictionary: LabelNumbers) => {
  const known = new Map<string, Map<string, number>>();

  const learn = async (asked: readonly Combination[]): Promise<void> => {
    for (const { measurement, labels, number } of await dictionary.numbersOf(asked, numbersPerMs)) {
      numbersIn(known, measurement).set(labels, number);
    }
  };

  return async (rowsOf: RowsOf): Promise<NumberedRow[]> => {
    const rows = [...rowsOf].flatMap(([name, of]) => labelled(name, [...of.values()]));
    const asked = new Map<string, Combination>();
    for (const { name, labels } of rows) {
      if (labels === null || numbersIn(known, name).has(labels)) continue;
      asked.set(`${name}\t${labels}`, { measurement: name, labels });
    }
    if (asked.size > 0) await learn([...asked.values()]);
    return rows.map(({ labels, ...row }) => ({
      ...row,
      number: labels === null ? 0 : numbersIn(known, row.name).get(labels),
    }));
  };
};

/** Without labels the time alone tells the points of a series apart. */
const labelled = (name: string, rows: readonly Row[]) => {
  const table = tableOf(name);
  const isLabelled = (table.labels?.length ?? 0) > 0;
  const labelsOf = labelReader(table);
  return rows.map((row) => ({ name, table, row, labels: isLabelled ? labelsOf(row) : null }));
};

const numbersIn = (known: Map<string, Map<string, number>>, name: string): Map<string, number> => {
  const found = known.get(name) ?? new Map<string, number>();
  known.set(name, found);
  return found;
};
