import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };
import { type DumpedRow, dumpState, loadState } from '../state/dump.ts';
import type { Database } from '../state/state.ts';
import { BadBackup, readBackup, writeBackup } from './backup-file.ts';

/** The first operator's: without it nobody could enter what is restored elsewhere. */
const tokenName = 'operator-token';
/** Lines that are no row: a file, and the counts at the end. */
const [fileLine, endLine] = ['file:operator-token', 'end'];

/** The whole state of a tenant into one file at `path`, which must not be there. */
export const backUpState = async (parts: {
  db: Database;
  stateFolder: string;
  path: string;
  passphrase: string | undefined;
  now: number;
}): Promise<Record<string, number>> => {
  let counts: Record<string, number> = {};
  const about = {
    createdAt: parts.now,
    program: packageFile.version,
    passphrase: parts.passphrase,
  };
  await writeBackup(parts.path, about, async (line) => {
    const token = join(parts.stateFolder, tokenName);
    if (existsSync(token)) {
      await line(lineOf(fileLine, JSON.stringify(readFileSync(token, 'utf8').trim())));
    }
    counts = await dumpState(parts.db, ({ table, json }) => line(lineOf(table, json)));
    await line(lineOf(endLine, JSON.stringify(counts)));
  });
  return counts;
};

/** The state of the file, and the first operator's token where it had one. Nothing changes where it throws. */
export const restoreState = async (parts: {
  db: Database;
  path: string;
  passphrase: string | undefined;
  replace: boolean;
}): Promise<{
  counts: Record<string, number>;
  operatorToken: string | undefined;
  createdAt: number;
}> => {
  const { header, lines } = await readBackup(parts.path, parts.passphrase);
  let operatorToken: string | undefined;
  let promised: string | undefined;
  const read: Record<string, number> = {};
  const rows = async function* (): AsyncIterable<DumpedRow> {
    for await (const line of lines()) {
      const { table, json } = partsOf(line);
      if (table === fileLine) operatorToken = JSON.parse(json) as string;
      else if (table === endLine) promised = json;
      else {
        read[table] = (read[table] ?? 0) + 1;
        yield { table, json };
      }
    }
    checkCounts(promised, read);
  };
  const counts = await loadState(parts.db, rows(), { replace: parts.replace });
  return { counts, operatorToken, createdAt: header.createdAt };
};

/** JSON of two, written and taken apart as text: what the engine wrote stays as it is. */
const lineOf = (table: string, json: string): string => `["${table}",${json}]`;

const partsOf = (line: string): DumpedRow => {
  const [, table, json] = /^\["([a-z0-9_:-]+)",(.*)\]$/s.exec(line) ?? [];
  if (table === undefined || json === undefined) throw new BadBackup('a line is not understood');
  return { table, json };
};

/** In the transaction: what is not whole is not restored. */
const checkCounts = (promised: string | undefined, read: Record<string, number>): void => {
  const told = JSON.parse(promised ?? '{}') as Record<string, number>;
  const wrong = Object.keys({ ...told, ...read }).filter(
    (table) => (told[table] ?? 0) !== (read[table] ?? 0),
  );
  if (promised === undefined || wrong.length > 0) {
    throw new BadBackup(`the back-up is not whole (${wrong.join(', ') || 'no end'})`);
  }
};
