import type { Socket } from 'node:net';
import { cut } from './cut.ts';
import type { Opened } from './open.ts';

/**
 * Moves bytes between a local client and its flow until both directions have ended. Plain handlers
 * instead of `.pipe()`: less CPU per byte (docs/tunnel.md). Half-close is kept, a reset stays one.
 */
export const relay = (client: Socket, flow: Opened, head: Buffer): void => {
  const { stream } = flow;
  let clientFailed = false;

  client.on('data', (chunk: Buffer) => {
    flow.moved(chunk.length);
    if (!stream.write(chunk)) client.pause();
  });
  stream.on('drain', () => client.resume());
  stream.on('data', (chunk: Buffer) => {
    flow.moved(chunk.length);
    if (!client.write(chunk)) stream.pause();
  });
  client.on('drain', () => stream.resume());
  client.on('end', () => stream.end());
  stream.on('end', () => {
    if (flow.wasCut()) cut(client);
    else client.end();
  });
  client.on('error', () => {
    clientFailed = true;
  });
  stream.on('error', () => {});
  client.on('close', () => {
    const isComplete = client.readableEnded && client.writableFinished && !clientFailed;
    if (!isComplete && !stream.destroyed) flow.reset();
  });
  stream.on('close', () => {
    const isComplete = stream.readableEnded && !flow.wasCut();
    if (!isComplete) cut(client);
  });

  if (stream.destroyed) cut(client);
  else if (client.destroyed) flow.reset();
  else {
    if (head.length > 0) {
      flow.moved(head.length);
      stream.write(head);
    }
    // Its end may have come with the request, before anyone here listened for it.
    if (client.readableEnded) stream.end();
    client.resume();
  }
};
