import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';
import type { Census } from './census.ts';
import type { Metrics } from './metrics.ts';

/** Prometheus' text format 0.0.4, for who has a viewer's token; for everybody only where the config says so. */
export const registerMetricsRoute = (
  app: App,
  parts: {
    metrics: Metrics;
    census: Census;
    access: 'token' | 'public';
    requireViewer: (request: FastifyRequest) => Promise<void>;
  },
): void => {
  const { metrics, census, access } = parts;
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['health'],
        summary: 'What this collector counts about itself, for Prometheus',
        ...(access === 'token' ? { security: [{ operatorToken: [] }] } : {}),
      },
      ...(access === 'token' ? { onRequest: parts.requireViewer } : {}),
    },
    async (_request, reply) => {
      await census();
      const text = await metrics.registry.text();
      return reply.type(metrics.registry.contentType).serializer(String).send(text);
    },
  );
};
