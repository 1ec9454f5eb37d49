import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Row } from '../rows.ts';
import type { AccessFigures } from './access-role.ts';
import { alone } from './rows.ts';

/** The edge's policy with 200,000 listed domains; the targets are the spike's figures. */
export const measureAccess = async (place: { log: (line: string) => void }): Promise<Row[]> => {
  const role = join(import.meta.dirname, 'access-role.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--expose-gc', '--import', 'tsx'],
    role,
  ]);
  const figures = JSON.parse(stdout) as AccessFigures;
  place.log(`access: ${stdout}`);
  const listed = `of ${figures.domainCount} domains`;
  return [
    alone(`category look-up ${listed}`, 'µs', figures.lookupUs, '<=3.1'),
    alone(`category list ${listed}`, 'MB', figures.listMb, '<=63'),
    ...figures.rules.map(({ count, decisionUs }) =>
      alone(`policy decision, ${count} rules`, 'µs', decisionUs, '<=20'),
    ),
  ];
};
