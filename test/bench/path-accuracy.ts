/**
 * Paths beside the wire, traceroute, mtr and scamper, in networks of namespaces made for it. Needs
 * root and Debian's tshark, traceroute, mtr-tiny, scamper:
 * `npx tsx test/bench/path-accuracy.ts [--verdicts 200] [--only wire|hops|branches|time|many|verdict]`.
 * On a machine that does something else meanwhile the figures of time mean nothing.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { hasScamper, pathParts, pathRows } from './path/rows.ts';

const { values } = parseArgs({
  options: { verdicts: { type: 'string', default: '200' }, only: { type: 'string' } },
});
const parts = pathParts.filter((part) => values.only === undefined || values.only === part);
console.log(`load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
console.table(await pathRows({ parts, verdictRuns: Number(values.verdicts) }));
if (!hasScamper()) console.log('no scamper found (apt-get install scamper): branches not compared');
console.log(`load of the machine after: ${loadavg()[0]?.toFixed(2)}`);
