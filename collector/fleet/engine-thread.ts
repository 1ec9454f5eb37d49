import { Worker } from 'node:worker_threads';
import type { FleetEngine, MakeEngine } from './engine.ts';
import type { Answer, Question, ThreadData } from './engine-thread-child.ts';

type Waiting = { done: (result: never) => void; failed: (error: Error) => void };

/**
 * An engine in a thread of its own: closing a bin of a large fleet takes seconds of arithmetic, in
 * which this one goes on to serve. A thread that ends fails what was asked of it.
 */
export const startEngineThread: MakeEngine = async ({ binMs, facts }, saved) => {
  const workerData: ThreadData = { binMs, facts, ...(saved === undefined ? {} : { saved }) };
  const worker = startWorker(workerData);
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let ended: Error | undefined;

  const end = (error: Error): void => {
    ended ??= error;
    for (const { failed } of waiting.values()) failed(ended);
    waiting.clear();
  };
  worker.on('message', ({ id, result, error }: Answer) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.done(result as never);
    else one?.failed(new Error(error));
  });
  worker.on('error', end);
  worker.on('exit', () => end(new Error('the engine has ended')));
  // It holds no process up.
  worker.unref();

  const answerTo = <T>(id: number): Promise<T> =>
    new Promise<T>((done, failed) => {
      if (ended) failed(ended);
      else waiting.set(id, { done: done as Waiting['done'], failed });
    });
  const ask = <T>(question: Question['ask']): Promise<T> => {
    asked += 1;
    const answer = answerTo<T>(asked);
    if (!ended) worker.postMessage({ id: asked, ask: question } satisfies Question);
    return answer;
  };

  // Its first word: what was saved could be read.
  await answerTo<void>(0);
  return {
    observe: (readings) => ask({ call: 'observe', readings }),
    advanceTo: (timeMs) => ask({ call: 'advanceTo', timeMs }),
    learn: (changed) => ask({ call: 'learn', facts: changed }),
    save: () => ask({ call: 'save' }),
    async stop() {
      await worker.terminate();
    },
  } satisfies FleetEngine;
};

const startWorker = (workerData: ThreadData): Worker =>
  new Worker(new URL('./engine-thread-start.mjs', import.meta.url), {
    workerData,
    execArgv: [],
    // Handed over, not copied, where it is in no pool with others.
    transferList: isAlone(workerData.saved) ? [workerData.saved.buffer as ArrayBuffer] : [],
  });

const isAlone = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
  bytes !== undefined && bytes.byteLength === bytes.buffer.byteLength;
