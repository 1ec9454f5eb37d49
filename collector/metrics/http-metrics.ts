import type { FastifyRequest } from 'fastify';
import type { App } from '../http/app.ts';
import type { Metrics } from './metrics.ts';

/** Times a listener's answers, by route: what no route is made for is one line, whatever it was. */
export const measureHttp = (app: App, listener: string, { http, ingest }: Metrics): void => {
  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      listener,
      ...nameOf(request),
      status: `${Math.floor(reply.statusCode / 100)}xx`,
    };
    http.seconds.observe(labels, reply.elapsedTime / 1_000);
    if (labels.route === '/v1/ingest' && Buffer.isBuffer(request.body)) {
      ingest.bytes.add({}, request.body.length);
    }
  });
};

const nameOf = (request: FastifyRequest): { method: string; route: string } => {
  const route = request.is404 ? undefined : request.routeOptions.url;
  return route === undefined ? { method: 'any', route: 'none' } : { method: request.method, route };
};
