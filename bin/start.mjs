// `npm start`: installs what is missing, then runs the whole of whyslow on this machine.
import { ensureInstalled, requireNode } from './install.mjs';

requireNode();
ensureInstalled();
process.argv.splice(2, 0, 'up');
await import('./whyslow.mjs');
