import { raiseLab } from '../lab.ts';
import { twoSites } from '../topology/two-sites.ts';

/** A raise in a process of its own, for tests that kill it: `raise-until-killed.ts NAME`. */
const [name = ''] = process.argv.slice(2);
process.stdout.write('starting\n');
const lab = await raiseLab({ topology: twoSites, name });
process.stdout.write('up\n');
lab.close();
