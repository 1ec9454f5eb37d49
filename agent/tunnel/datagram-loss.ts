import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import type { EdgeEntry } from '#contract/policy.ts';
import { readReflectedStamp, stampBytes, stampTime, writeStamp } from '#contract/stamp.ts';

/**
 * Loss of datagrams between device and edge, outside the tunnel: one small packet a second to the
 * edge's reflector (STAMP, RFC 8762). The tunnel itself goes over TCP, which hides what the path loses.
 */
export type DatagramLoss = {
  /** Undefined, or an edge without reflector: nothing is sent. */
  setEdge(edge: EdgeEntry | undefined): void;
  /** Of those sent since the last call and due by now; null without any. */
  takeRatio(): number | null;
  stop(): void;
};

export const startDatagramLoss = ({ intervalMs = 1_000, answerMs = 2_000 } = {}): DatagramLoss => {
  let socket: Socket | undefined;
  let target: { id: string; host: string; port: number } | undefined;
  let sequence = 0;
  let waiting = new Map<number, NodeJS.Timeout>();
  let counts = { due: 0, lost: 0 };

  const close = () => {
    for (const timer of waiting.values()) clearTimeout(timer);
    waiting = new Map();
    counts = { due: 0, lost: 0 };
    socket?.close();
    socket = undefined;
  };
  const receive = (message: Buffer) => {
    const answered = readReflectedStamp(message)?.sender.sequence;
    const timer = answered === undefined ? undefined : waiting.get(answered);
    if (answered === undefined || timer === undefined) return;
    clearTimeout(timer);
    waiting.delete(answered);
    counts.due += 1;
  };
  const send = () => {
    if (!socket || !target) return;
    const sent = sequence;
    sequence += 1;
    const timer = setTimeout(() => {
      waiting.delete(sent);
      counts.due += 1;
      counts.lost += 1;
    }, answerMs);
    timer.unref();
    waiting.set(sent, timer);
    const packet = writeStamp({ sequence: sent, sessionId: 0 }, stampBytes.shortest);
    stampTime(packet, Date.now());
    // A packet that could not even be sent (no route) is one that did not arrive.
    socket.send(packet, () => {});
  };
  const timer = setInterval(send, intervalMs);
  timer.unref();

  return {
    setEdge(edge) {
      const next =
        edge?.reflectorPort === undefined
          ? undefined
          : { id: edge.id, host: edge.host, port: edge.reflectorPort };
      if (JSON.stringify(next) === JSON.stringify(target)) return;
      close();
      target = next;
      if (!next) return;
      // Once: a name would be asked for with every packet.
      lookup(next.host, (error, address, family) => {
        if (error || target !== next) return;
        const made = createSocket(family === 6 ? 'udp6' : 'udp4').unref();
        made.on('error', () => {}).on('message', receive);
        // No way there: nothing can be sent, so nothing is known.
        made.connect(next.port, address, (failure?: Error) => {
          if (!failure && target === next) socket = made;
          else made.close();
        });
      });
    },
    takeRatio() {
      const { due, lost } = counts;
      counts = { due: 0, lost: 0 };
      return due === 0 ? null : lost / due;
    },
    stop() {
      clearInterval(timer);
      target = undefined;
      close();
    },
  };
};
