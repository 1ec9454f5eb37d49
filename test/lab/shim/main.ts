import { check, explain } from '#contract/check.ts';
import { createLog } from '#runtime/log.ts';
import { type Order, OrderSchema, type Report } from './protocol.ts';
import { createQueues } from './queues.ts';
import { serveControls } from './server.ts';
import { createShared } from './shared.ts';
import { startTiming } from './start-timing.ts';

/**
 * The shim's process: this thread serves the controls, a worker keeps time. Its parent sends the
 * order over the channel between them and may be gone afterwards.
 */
const log = createLog('lab-shim').child({ component: 'shim' });
const endWithoutParent = () => process.exit(1);
process.once('disconnect', endWithoutParent);
process.once('message', (order) => void start(order));

async function start(order: unknown): Promise<void> {
  try {
    await run(checkedOrder(order));
    await report({ ready: true });
    process.off('disconnect', endWithoutParent);
    process.disconnect();
  } catch (error) {
    log.error({ err: error }, 'could not start');
    await report({ error: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

function checkedOrder(order: unknown): Order {
  const checked = check(OrderSchema, order);
  if (!checked.ok) throw new Error(`not an order: ${explain(checked.mistakes)}`);
  return checked.value;
}

function report(what: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(what, () => resolve());
  });
}

/** The process ends because nothing is left once controls and timing have stopped. */
async function run({ socketPath, queues }: Order): Promise<void> {
  const shared = createShared(queues.length);
  const byKey = createQueues(queues, shared);
  const timing = await startTiming({ queues, shared });
  let isEnding = false;
  const end = (reason: string) => {
    if (isEnding) return;
    isEnding = true;
    log.info({ reason }, 'shim ends');
    controls.stop();
    timing.stop();
  };
  const controls = await serveControls({ socketPath, queues: byKey, onEnd: end });
  process.on('SIGTERM', () => end('SIGTERM')).on('SIGINT', () => end('SIGINT'));
  timing.failed.then((error) => {
    log.error({ err: error }, 'the timing thread failed');
    process.exitCode = 1;
    end('the timing thread failed');
  }, endWithoutParent);
  log.info({ queues: queues.length, isRealTime: timing.isRealTime, socketPath }, 'shim runs');
}
