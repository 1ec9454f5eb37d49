import { Socket } from 'node:net';
import type { FlowRecord } from '#contract/telemetry.ts';
import type { Log, LogLevel } from '#runtime/log.ts';
import type { Amounts, Bank } from '../bank.ts';
import { readCategories } from '../category-file.ts';
import { type Forwarder, type ListenerName, startForwarder } from '../forwarder.ts';
import { createLimits, type Limits } from '../limits.ts';
import type { SessionStart } from '../session.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

/**
 * What a worker takes from the bank at once, of each kind for each device: most flows ask nobody, and
 * no more than two lots lie unused with each worker.
 */
const lot = 16;
/** Records of flows travel together. */
const flowsEveryMs = 100;

/** One of the processes that carry an edge's flows: told by messages, it tells by messages. */
export const createWorker = (parts: {
  tell: (message: FromWorker) => void;
  makeLog: (level: LogLevel, index: number) => Log;
  /** Called when all is drained. */
  end: () => void;
}) => {
  const { tell } = parts;
  const bank = createRemoteBank(tell);
  const sessions = createSessionNumbers(tell);
  const flows = createFlowPost(tell);
  let log: Log | undefined;
  let limits: Limits | undefined;
  let forwarder: Forwarder | undefined;
  /** Lists are loaded one after the other: the last one told stays in force. */
  let loading = Promise.resolve();

  const start = async (order: WorkerStart): Promise<void> => {
    log = parts.makeLog(order.logLevel, order.process.index);
    limits = createLimits({ bank, lot, bytesPerSecond: order.bytesPerSecond });
    forwarder = await startForwarder(order.options, {
      limits,
      process: order.process,
      onFlow: flows.add,
      onSession: sessions.begin,
      onBurst: (asked) => tell({ type: 'burst', asked }),
      log,
    });
    if (order.categoryFile !== undefined) await loadCategories(order.categoryFile);
    tell({ type: 'ready' });
  };
  /** What was in force stays when it cannot be read: the supervisor read the same file before. */
  const loadCategories = async (file: string): Promise<void> => {
    try {
      forwarder?.setCategories(await readCategories(file));
    } catch (error) {
      log?.error({ component: 'categories', file, err: error }, 'list not loaded');
    }
  };
  const drain = async (drainMs: number): Promise<void> => {
    try {
      await forwarder?.stop(drainMs);
      flows.send();
    } finally {
      parts.end();
    }
  };
  const accept = (socket: Socket, listener: ListenerName): void => {
    socket.once('close', () => tell({ type: 'connection-closed' }));
    if (forwarder) forwarder.accept(socket, listener);
    else socket.destroy();
  };
  const answer = (id: number): void => {
    limits?.prune();
    if (!forwarder) return;
    const counts = forwarder.counts();
    tell({ type: 'reading', id, reading: forwarder.takeReading(), counts });
  };
  const failed = (error: unknown) =>
    tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });

  return {
    on(message: ToWorker, handle?: unknown): void {
      switch (message.type) {
        case 'start':
          loading = start(message).catch(failed);
          break;
        case 'policy':
          forwarder?.setPolicy(message.config);
          break;
        case 'certificate':
          forwarder?.setCertificate(message.certificate);
          break;
        case 'categories':
          loading = loading.then(() => loadCategories(message.file));
          break;
        case 'socket':
          // There is none when the client went away on the way here.
          if (handle instanceof Socket) accept(handle, message.listener);
          else tell({ type: 'connection-closed' });
          break;
        case 'grant':
          bank.granted(message.id, message.amounts);
          break;
        case 'end-session':
          sessions.end(message.session);
          break;
        case 'read':
          answer(message.id);
          break;
        case 'drain':
          drain(message.drainMs).catch(failed);
          break;
      }
    },
  };
};

/** The supervisor's bank, asked by messages. */
const createRemoteBank = (
  tell: (message: FromWorker) => void,
): Bank & { granted(id: number, amounts: Amounts): void } => {
  const waiting = new Map<number, (amounts: Amounts) => void>();
  let lastId = 0;
  return {
    grant: (key, wanted) =>
      new Promise((resolve) => {
        lastId += 1;
        waiting.set(lastId, resolve);
        tell({ type: 'ask', id: lastId, key, wanted });
      }),
    giveBack: (key, openCount) => tell({ type: 'give-back', key, openCount }),
    granted(id, amounts) {
      waiting.get(id)?.(amounts);
      waiting.delete(id);
    },
  };
};

/** Sessions have numbers, so that the supervisor can have one ended. */
const createSessionNumbers = (tell: (message: FromWorker) => void) => {
  const ends = new Map<number, () => void>();
  let lastNumber = 0;
  return {
    begin({ deviceId, address, end }: SessionStart): () => void {
      lastNumber += 1;
      const session = lastNumber;
      ends.set(session, end);
      tell({ type: 'session', session, deviceId, address });
      return () => {
        ends.delete(session);
        tell({ type: 'session-ended', session });
      };
    },
    end: (session: number): void => ends.get(session)?.(),
  };
};

const createFlowPost = (tell: (message: FromWorker) => void) => {
  let records: FlowRecord[] = [];
  let timer: NodeJS.Timeout | undefined;
  const send = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (records.length > 0) tell({ type: 'flows', records });
    records = [];
  };
  return {
    send,
    add(record: FlowRecord): void {
      records.push(record);
      timer ??= setTimeout(send, flowsEveryMs);
    },
  };
};
