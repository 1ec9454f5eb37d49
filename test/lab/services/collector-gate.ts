import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { operatorPort } from './control.ts';
import { connectInside } from './namespace-sockets.ts';
import type { ServedNode, Service } from './service.ts';
import { listenAtPath } from './socket-file.ts';
import { createTally } from './tally.ts';

/** Leads to the collector's operator listener, from outside its namespace: see call-over-socket. */
export const collectorSocket = (folder: string): string => join(folder, 'collector.sock');

/** Paths of Unix sockets know no network namespaces: what connects here comes out in the node. */
export const startCollectorGate = async (node: ServedNode, folder: string): Promise<Service> => {
  const tally = createTally();
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    tally.connection();
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    lead(socket, connectInside(node.namespace, operatorPort), node.name);
  });
  await listenAtPath(server, collectorSocket(folder));
  return {
    behaviour: () => undefined,
    change: async () => {},
    reset: async () => {},
    requests: tally.counts,
    stop: async () => {
      for (const socket of connections) socket.destroy();
      server.close();
    },
  };
};

const lead = (near: Socket, far: Socket, node: string): void => {
  let isReached = false;
  far.once('connect', () => {
    isReached = true;
    near.pipe(far).pipe(near);
  });
  near.on('error', () => far.destroy()).once('close', () => far.destroy());
  far.on('error', () => {
    if (isReached) near.destroy();
    else near.end(notRunning(node));
  });
  far.once('close', () => isReached && near.end());
};

const notRunning = (node: string): string => {
  const text = `no collector listens on port ${operatorPort} of node ${node}\n`;
  return `HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`;
};
