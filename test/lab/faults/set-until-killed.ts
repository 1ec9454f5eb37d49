import { attachLab } from '../lab.ts';
import { setFaults } from './apply.ts';

// Sets faults in the lab named first and says so line by line, to be killed in the middle of it.
const [name = '', ...faults] = process.argv.slice(2);
const lab = await attachLab(name);
process.stdout.write('attached\n');
await setFaults(lab, faults);
process.stdout.write('set\n');
setInterval(() => {}, 1_000);
