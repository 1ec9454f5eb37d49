import { createHash } from 'node:crypto';
import { keyColumns } from './baseline.ts';
import { deviceColumns, edgeColumns } from './fleet-columns.ts';
import { kindNames } from './kinds.ts';
import { lateColumns } from './late-log.ts';
import { lossColumns } from './losses.ts';
import { openBinColumns } from './open-bin.ts';
import { pathTables } from './paths.ts';
import { placeColumns } from './places.ts';

/** Of what is saved by other means, or means something else now. */
const revision = 1;

/**
 * What a snapshot's numbers mean: kinds are stored by their place in the list, rows by their columns.
 * One made with others is of no use.
 */
export const layout = createHash('sha256')
  .update(
    JSON.stringify({
      ...{ revision, kindNames, keyColumns, deviceColumns, edgeColumns, lossColumns },
      ...{ placeColumns, pathTables, openBinColumns, lateColumns },
    }),
  )
  .digest('hex');
