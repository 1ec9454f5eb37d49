import type { TLSSocket } from 'node:tls';

const watchMs = 200;
const rescueMs = 20;

/**
 * Node's HTTP/2 stops reading while one of its writes is under way. When bulk goes both ways, both
 * ends of a session can be so, each waiting for the other to read: neither ever goes on, and the
 * pings stand still as well. So this end takes up reading again by itself when a write stays. What
 * comes meanwhile waits in Node, no more of it than the session's window.
 */
export const keepReading = (socket: TLSSocket): void => {
  let wasWaiting = false;
  const look = () => {
    const handle = handleOf(socket);
    if (!handle) return;
    const isWaiting = handle.writeQueueSize > 0;
    if (isWaiting && wasWaiting) handle.readStart();
    wasWaiting = isWaiting;
    timer = setTimeout(look, isWaiting ? rescueMs : watchMs).unref();
  };
  let timer = setTimeout(look, watchMs).unref();
  socket.once('close', () => clearTimeout(timer));
};

/** libuv's stream under TLS; Node has no public name for it. */
const handleOf = (socket: TLSSocket) =>
  (socket as unknown as { _handle?: { writeQueueSize: number; readStart(): void } | null })._handle;
