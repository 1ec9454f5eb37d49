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
  parts: { store: Store; state: State; jobs: Jobs },
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
      const silent = await silentEngines({ store, state, jobs });
      if (silent.length === 0) {
        const engines = { store: store.engine, state: state.engine, jobs: jobs.engine };
        return { status: 'ok' as const, engines };
      }
      const detail = `no answer from: ${silent.join(', ')}`;
      throw new Problem('engine-unavailable', { detail, retryAfterSeconds: 5 });
    },
  );

  // RFC 7710's older cousin: a portal in the way answers with anything but this.
  app.get(
    '/generate_204',
    { schema: { tags: ['health'], response: noContent('No captive portal is in the way') } },
    async (_request, reply) => reply.code(204).header('cache-control', 'no-store').send(),
  );
};

const silentEngines = async (
  engines: Record<string, { ping(): Promise<void> }>,
): Promise<string[]> => {
  const results = await Promise.all(
    Object.entries(engines).map(async ([name, engine]) =>
      (await doesAnswer(engine)) ? [] : [name],
    ),
  );
  return results.flat();
};

const doesAnswer = (engine: { ping(): Promise<void> }): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), pingTimeoutMs);
    engine
      .ping()
      .then(() => resolve(true))
      .catch(() => resolve(false))
      .finally(() => clearTimeout(timer));
  });
