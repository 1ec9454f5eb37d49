import { createLog } from '#runtime/log.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { createWorker } from './worker.ts';

// A terminal and some service managers signal the whole group: the supervisor says when to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// Without its supervisor a worker has no listener, no policy and nobody to report to.
let isDrained = false;
process.on('disconnect', () => process.exit(isDrained ? 0 : 1));

let lastWritten = Promise.resolve();
const tell = (message: FromWorker): void => {
  if (!process.connected) return;
  lastWritten = new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
};
const worker = createWorker({
  tell,
  makeLog: (level, index) => createLog('edge', level).child({ worker: index }),
  end() {
    isDrained = true;
    // What waits to be written is dropped when the channel closes.
    void lastWritten.then(() => process.connected && process.disconnect());
  },
});
process.on('message', (message, socket) => worker.on(message as ToWorker, socket));
