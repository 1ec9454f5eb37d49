import { parentPort, workerData } from 'node:worker_threads';
import { createEngine, type Engine } from '#collector/diagnose/fleet/engine.ts';
import type { Facts, Reading } from '#collector/diagnose/fleet/reading.ts';
import { isSnapshot } from '#collector/diagnose/fleet/snapshot.ts';
import type { Outcome } from './engine.ts';

export type ThreadData = { binMs: number; facts: Facts; saved?: Uint8Array };

export type Question = {
  id: number;
  ask:
    | { call: 'observe'; readings: readonly Reading[] }
    | { call: 'advanceTo'; timeMs: number }
    | { call: 'learn'; facts: Facts }
    | { call: 'save' };
};

export type Answer = { id: number; result?: unknown; error?: string };

const begin = (data: ThreadData): Engine => {
  const { saved, ...config } = data;
  // Nothing else holds on to it: it is as large as the engine.
  delete data.saved;
  // The engine itself would begin anew without a word.
  if (saved && !isSnapshot(saved)) throw new Error('saved by another version, or not by an engine');
  return createEngine(config, saved);
};
const engine = begin(workerData as ThreadData);

const answer = (question: Question['ask']): unknown => {
  switch (question.call) {
    case 'observe':
      for (const reading of question.readings) engine.observe(reading);
      return undefined;
    case 'advanceTo':
      // Without what inference accepted: functions do not cross threads.
      return engine
        .advanceTo(question.timeMs)
        .map(({ fromMs, toMs, verdicts, incidents }): Outcome => {
          return { fromMs, toMs, verdicts, incidents };
        });
    case 'learn':
      return engine.learn(question.facts);
    case 'save':
      return engine.save();
  }
};

/** What was saved is handed over, not copied. */
const say = (words: Answer): void =>
  parentPort?.postMessage(
    words,
    words.result instanceof Uint8Array ? [words.result.buffer as ArrayBuffer] : [],
  );

parentPort?.on('message', ({ id, ask }: Question) => {
  try {
    say({ id, result: answer(ask) });
  } catch (error) {
    say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
say({ id: 0 });
