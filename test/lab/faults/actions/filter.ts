import type { Lab } from '../../lab.ts';
import { must } from './doer.ts';

/** Rules of one fault in a node, as a table of their own beside the lab's. */
export const putTable = async (
  lab: Lab,
  node: string,
  table: string,
  chains: readonly string[],
): Promise<void> => {
  // Declared, emptied, written: whatever an earlier try left there goes, in one step.
  const text = `table inet ${table} {}\ndelete table inet ${table}\ntable inet ${table} {\n${chains.join('\n')}\n}\n`;
  await must(lab, node, 'nft', ['-f', '-'], text);
};

export const removeTable = async (lab: Lab, node: string, table: string): Promise<void> => {
  await must(lab, node, 'nft', ['-f', '-'], `table inet ${table} {}\ndelete table inet ${table}\n`);
};

/** Before the queues of the shim (mangle, -150), so that what is dropped waits for nothing. */
export const beforeShim = -160;
