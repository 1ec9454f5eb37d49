import { createLog } from '#runtime/log.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { createWorker } from './worker.ts';

// A terminal and some service managers signal the whole group: the supervisor says when to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// Without its supervisor a worker has no listener, no policy and nobody to report to.
let isDrained = false;
process.on('disconnect', () => process.exit(isDrained ? 0 : 1));

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
const worker = createWorker({
  tell,
  makeLog: (level, index) => createLog('edge', level).child({ worker: index }),
  end() {
    isDrained = true;
    process.disconnect();
  },
});
process.on('message', (message, socket) => worker.on(message as ToWorker, socket));
