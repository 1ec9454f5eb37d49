import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { programsFolder } from '../programs/program-file.ts';

/** DuckDB's file and its log. */
const isSeries = (name: string): boolean => name.startsWith('series.duckdb');

/** Keeps what each set of programs stored, numbered in their order; undefined: keeps nothing. */
export const recorderOf = (folder: string | undefined): ((labFolder: string) => void) => {
  let count = 0;
  return (labFolder) => {
    if (folder === undefined) return;
    count += 1;
    const into = join(folder, String(count));
    mkdirSync(into, { recursive: true });
    for (const program of readdirSync(programsFolder(labFolder), { withFileTypes: true })) {
      if (!program.isDirectory()) continue;
      const from = join(programsFolder(labFolder), program.name);
      for (const name of readdirSync(from).filter(isSeries)) {
        copyFileSync(join(from, name), join(into, name));
      }
    }
  };
};
