import { Type } from '@sinclair/typebox';
import type { Jobs } from '../jobs/jobs.ts';
import type { State } from '../state/state.ts';
import type { Store } from '../store/store.ts';
import { answers, noContent } from './answers.ts';
import type { App } from './app.ts';
import { Problem } from './problems.ts';

/** A ping that takes longer counts as no answer. */
const pingTimeoutMs = 5_000;

const Healthy = Type.Object({ status: Type.Literal('ok') });
const Ready = Type.Object({
  status: Type.Literal('ok'),
  engines: Type.Record(Type.String(), Type.String()),
});

/** For those who watch the collector, and for devices that look for captive portals. No log-in. */
export const registerHealthRoutes = (
  app: App,
  parts: { store: Store; state: State; jobs: Jobs; isStopping: () => boolean },
): void => {
  app.get(
    '/healthz',
    { schema: { tags: ['health'], response: answers(Healthy, 'The process runs') } },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    { schema: { tags: ['health'], response: answers(Ready, 'Every engine answers') } },
    async () => {
      const { store, state, jobs } = parts;
      if (parts.isStopping()) {
        throw new Problem('engine-unavailable', { detail: 'this collector is stopping' });
      }
      const trouble = await troubleOf({ store, state, jobs });
      if (Object.keys(trouble).length === 0) {
        const engines = { store: store.engine, state: state.engine, jobs: jobs.engine };
        return { status: 'ok' as const, engines };
      }
      const detail = Object.entries(trouble)
        .map(([name, what]) => `${name} ${what}`)
        .join('; ');
      throw new Problem('engine-unavailable', {
        detail,
        retryAfterSeconds: 5,
        extensions: { engines: trouble },
      });
    },
  );

  // RFC 7710's older cousin: a portal in the way answers with anything but this.
  app.get(
    '/generate_204',
    { schema: { tags: ['health'], response: noContent('No captive portal is in the way') } },
    async (_request, reply) => reply.code(204).header('cache-control', 'no-store').send(),
  );
};

type Engine = { ping(): Promise<void> };

/** What each engine that is not well does. No more: it is told without a log-in, the log says why. */
const troubleOf = async (engines: Record<string, Engine>): Promise<Record<string, string>> => {
  const asked = Object.entries(engines).map(
    async ([name, engine]) => [name, await answerOf(engine)] as const,
  );
  const answers = await Promise.all(asked);
  return Object.fromEntries(answers.filter(([, answer]) => answer !== 'answers'));
};

const answerOf = async (engine: Engine): Promise<string> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`gave no answer in ${pingTimeoutMs} ms`), pingTimeoutMs);
  });
  const answer = engine.ping().then(
    () => 'answers',
    () => 'is not available',
  );
  const first = await Promise.race([answer, late]);
  clearTimeout(timer);
  return first;
};
