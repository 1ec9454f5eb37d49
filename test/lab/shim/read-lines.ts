import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Each line that comes. A connection that breaks ends them: its `close` says so, no error need. */
export const readLines = (connection: Socket, onLine: (line: string) => void): void => {
  createInterface({ input: connection })
    .on('line', onLine)
    // readline hands on what the socket says, where nobody would listen.
    .on('error', () => {});
};
