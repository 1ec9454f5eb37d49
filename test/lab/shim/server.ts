import { once } from 'node:events';
import { chmodSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { check, explain } from '#contract/check.ts';
import { type Answer, type Request, RequestSchema } from './protocol.ts';
import type { Queues } from './queues.ts';
import { readLines } from './read-lines.ts';

const presenceIntervalMs = 500;

/** Serves the shim's controls on a Unix socket. `onEnd` once: asked to stop, or the socket is gone. */
export const serveControls = async (given: {
  socketPath: string;
  queues: Queues;
  onEnd: (reason: string) => void;
}): Promise<{ stop(): void }> => {
  const { socketPath, queues, onEnd } = given;
  await removeDeadSocket(socketPath);
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection)).on('error', () => {});
    answerLines(connection, queues, onEnd);
  });
  server.listen(socketPath);
  await once(server, 'listening');
  chmodSync(socketPath, 0o600);
  const presence = watchPresence(socketPath, () => onEnd('its socket is gone'));
  return {
    stop() {
      clearInterval(presence);
      server.close();
      for (const connection of connections) connection.end();
    },
  };
};

/** A shim without its socket could not be told to stop: it ends with it. */
const watchPresence = (socketPath: string, onGone: () => void): NodeJS.Timeout => {
  const { ino } = statSync(socketPath);
  return setInterval(() => {
    if (statSync(socketPath, { throwIfNoEntry: false })?.ino !== ino) onGone();
  }, presenceIntervalMs);
};

const removeDeadSocket = async (socketPath: string): Promise<void> => {
  if (statSync(socketPath, { throwIfNoEntry: false }) === undefined) return;
  const probe = createConnection(socketPath);
  try {
    await once(probe, 'connect');
  } catch {
    rmSync(socketPath, { force: true });
    return;
  } finally {
    probe.destroy();
  }
  throw new Error(`a shim already answers at ${socketPath}`);
};

const answerLines = (connection: Socket, queues: Queues, onEnd: (reason: string) => void): void => {
  readLines(connection, (line) => {
    connection.write(`${JSON.stringify(answerTo(line, queues, onEnd))}\n`);
  });
};

const answerTo = (line: string, queues: Queues, onEnd: (reason: string) => void): Answer => {
  let id = 0;
  try {
    const checked = check(RequestSchema, JSON.parse(line));
    if (!checked.ok) throw new Error(`not a request: ${explain(checked.mistakes)}`);
    id = checked.value.id;
    return { id, value: carryOut(checked.value, queues, onEnd) ?? null };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
};

const carryOut = (request: Request, queues: Queues, onEnd: (reason: string) => void): unknown => {
  switch (request.type) {
    case 'set':
      return queues.set(request.key, request.change);
    case 'get':
      return queues.get(request.key);
    case 'counters':
      return queues.counters();
    case 'stop':
      // After the answer is on its way.
      return void setImmediate(() => onEnd('asked to stop'));
  }
};
