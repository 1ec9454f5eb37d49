import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { dial } from '#probes/dial.ts';
import type { Open } from '../forwarding/open.ts';
import { isAnswerTo, type Query, withId } from './dns-message.ts';

/** Gives a query to a name server; undefined: no answer in time. The answer bears the query's id. */
export type AskServer = (query: Query) => Promise<Buffer | undefined>;

/** Programs wait 5 s (resolv.conf(5)) before they ask the next server. */
export const askTimeoutMs = 4_500;

/** Straight to the server, over UDP: a socket, and so a source port, for every query. */
export const askByUdp =
  (server: string): AskServer =>
  (query) =>
    new Promise((resolve) => {
      const id = randomInt(0, 65_536);
      const socket = createSocket(isIP(server.replace(/%.*$/, '')) === 6 ? 'udp6' : 'udp4');
      let isOver = false;
      const end = (answer: Buffer | undefined) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        socket.close();
        resolve(answer && withId(answer, query.id));
      };
      const timer = setTimeout(() => end(undefined), askTimeoutMs);
      const endIfFailed = (error?: Error | null) => {
        if (error) end(undefined);
      };
      socket.on('error', endIfFailed);
      socket.on('message', (bytes) => {
        if (isAnswerTo(bytes, query, id)) end(bytes);
      });
      // Connected: the kernel drops what comes from anybody else.
      socket.connect(53, server, (error?: Error) => {
        endIfFailed(error);
        if (!isOver) socket.send(withId(query.bytes, id), endIfFailed);
      });
    });

/** `refused`: by somebody's rule, so there is no other way to be tried either. */
type Connect = (signal: AbortSignal) => Promise<Duplex | 'refused' | undefined>;

/** Straight to the server, over TCP. */
export const byDial =
  (server: string): Connect =>
  async (signal) => {
    const dialled = await dial({ host: server, port: 53, signal });
    return dialled.ok ? dialled.socket : undefined;
  };

/** By the way any connection to the server goes; that is the tunnel, where it is up. */
export const byOpen =
  (server: string, open: Open): Connect =>
  async (signal) => {
    const opened = await open({ host: server, port: 53 }, signal);
    if (opened.ok) return opened.stream;
    return opened.status === 403 ? 'refused' : undefined;
  };

type Waiting = { query: Query; settle: (answer: Buffer | undefined) => void };
type Line = { stream: Duplex; waiting: Map<number, Waiting> };

/** An idle connection is closed by us before the server does (RFC 7766 section 6.2.3). */
const idleMs = 5_000;

/** `unreachable`: no connection came about, and nothing was asked. */
export type AskByStream = (query: Query) => Promise<Buffer | 'unreachable' | undefined>;

/**
 * Over one connection that is kept while it is used. Queries of different programs may bear the same
 * id: each gets one of its own here.
 */
export const createStreamAsker = (connect: Connect): { ask: AskByStream; stop(): void } => {
  let line: Promise<Line | 'refused' | undefined> | undefined;
  const stopping = new AbortController();

  const openLine = async (): Promise<Line | 'refused' | undefined> => {
    const stream = await connect(stopping.signal);
    if (stream === undefined || stream === 'refused') return stream;
    const opened: Line = { stream, waiting: new Map() };
    const idle = setTimeout(() => stream.destroy(), idleMs);
    const read = createFrameReader((bytes) => {
      idle.refresh();
      const waiting = opened.waiting.get(bytes.length < 2 ? -1 : bytes.readUInt16BE(0));
      if (waiting && isAnswerTo(bytes, waiting.query, bytes.readUInt16BE(0))) waiting.settle(bytes);
    });
    stream.on('data', read).on('error', () => {});
    stream.once('end', () => stream.destroy());
    stream.once('close', () => {
      clearTimeout(idle);
      line = undefined;
      for (const { settle } of [...opened.waiting.values()]) settle(undefined);
    });
    stream.resume();
    return opened;
  };

  const askOnce = async (query: Query): Promise<Buffer | 'unreachable' | 'lost' | undefined> => {
    line ??= openLine().catch(() => undefined);
    const opening = line;
    const opened = await opening;
    if (opened === undefined || opened === 'refused') {
      if (line === opening) line = undefined;
      return opened === undefined ? 'unreachable' : undefined;
    }
    if (opened.stream.destroyed) return 'lost';
    return new Promise((resolve) => {
      const id = freeId(opened.waiting);
      const timer = setTimeout(() => settle(undefined, true), askTimeoutMs);
      const settle = (answer: Buffer | undefined, isLate = false) => {
        clearTimeout(timer);
        opened.waiting.delete(id);
        resolve(answer ? withId(answer, query.id) : isLate ? undefined : 'lost');
      };
      opened.waiting.set(id, { query, settle });
      opened.stream.write(framed(withId(query.bytes, id)));
    });
  };

  return {
    async ask(query) {
      // A kept connection may have been closed while the query was on its way.
      const answer = await askOnce(query);
      const again = answer === 'lost' ? await askOnce(query) : answer;
      return again === 'lost' ? undefined : again;
    },
    stop() {
      stopping.abort();
      void line
        ?.then((opened) => typeof opened === 'object' && opened.stream.destroy())
        .catch(() => {});
    },
  };
};

const freeId = (taken: ReadonlyMap<number, unknown>): number => {
  for (;;) {
    const id = randomInt(0, 65_536);
    if (!taken.has(id)) return id;
  }
};

/** Length and message (RFC 1035 section 4.2.2), in one write (RFC 7766 section 8). */
export const framed = (message: Buffer): Buffer => {
  const bytes = Buffer.allocUnsafe(2 + message.length);
  bytes.writeUInt16BE(message.length, 0);
  message.copy(bytes, 2);
  return bytes;
};

/** Takes chunks and gives whole messages. */
export const createFrameReader = (onMessage: (message: Buffer) => void) => {
  let kept: Buffer = Buffer.alloc(0);
  return (chunk: Buffer): void => {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
      const end = 2 + kept.readUInt16BE(0);
      onMessage(kept.subarray(2, end));
      kept = kept.subarray(end);
    }
  };
};
