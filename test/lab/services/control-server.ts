import { createServer, type IncomingMessage } from 'node:http';
import { wrongInChange } from './control.ts';
import type { ServedNode, Service } from './service.ts';
import { listenAtPath } from './socket-file.ts';

export type Served = ReadonlyMap<string, { node: ServedNode; service: Service }>;

type Reply = { status: number; value?: unknown };

/** The services' controls as HTTP over a Unix socket, so that `curl --unix-socket` works too. */
export const startControlServer = async (options: {
  socketPath: string;
  served: Served;
  stop: () => void;
}): Promise<{ stop(): Promise<void> }> => {
  const server = createServer(async (request, response) => {
    const reply = await answer(request, options.served).catch((error: Error) => ({
      status: 500,
      value: { error: error.message },
    }));
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.value ?? {}));
    if (request.method === 'POST' && request.url === '/stop') options.stop();
  });
  await listenAtPath(server, options.socketPath);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
};

const answer = async (request: IncomingMessage, served: Served): Promise<Reply> => {
  const [, first = '', name = '', what = ''] = (request.url ?? '').split('/');
  switch (`${request.method} ${first}`) {
    case 'GET nodes':
      return name === '' ? { status: 200, value: [...served.keys()] } : read(served, name, what);
    case 'PATCH nodes':
      return change(served, name, await readJson(request));
    case 'POST reset':
      for (const { service } of served.values()) await service.reset();
      return { status: 200 };
    case 'POST stop':
      return { status: 200 };
    default:
      return { status: 404, value: { error: `no ${request.method} ${request.url}` } };
  }
};

const read = (served: Served, name: string, what: string): Reply => {
  const found = served.get(name);
  if (found === undefined) return unknownNode(served, name);
  if (what === 'requests') return { status: 200, value: found.service.requests() };
  const behaviour = found.service.behaviour();
  if (behaviour !== undefined) return { status: 200, value: behaviour };
  return wrong(name, wrongInChange(found.node.role, {}) ?? '');
};

const change = async (served: Served, name: string, asked: unknown): Promise<Reply> => {
  const found = served.get(name);
  if (found === undefined) return unknownNode(served, name);
  const mistakes = wrongInChange(found.node.role, asked);
  if (mistakes !== undefined) return wrong(name, mistakes);
  await found.service.change(asked as Record<string, unknown>);
  return { status: 200 };
};

const wrong = (name: string, text: string): Reply => ({
  status: 400,
  value: { error: `${name}: ${text}` },
});

const unknownNode = (served: Served, name: string): Reply => ({
  status: 404,
  value: { error: `no service at node ${name}: there are ${[...served.keys()].join(', ')}` },
});

const readJson = async (request: IncomingMessage): Promise<unknown> => {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return JSON.parse(text);
};
