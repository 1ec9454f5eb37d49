// `npm start`: installs what is missing, then runs the whole of whyslow on this machine.
import { ensureInstalled, requireNode } from './install.mjs';

// `npm start | head`: a reader that has gone is no fault of ours.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});
requireNode();
ensureInstalled();
process.argv.splice(2, 0, 'up');
await import('./whyslow.mjs');
