import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { DnsAttempt } from '#contract/body/dns.ts';
import type { DnsServer } from '#contract/dns-server.ts';
import { sinceMs } from '../duration.ts';
import { encodeQuery, type Message, type Question, randomId, readAnswer } from './message.ts';
import { rcodeOf } from './records.ts';

/** What became of a question over UDP. Times of attempts are since `startedMs`. */
export type UdpEnd = {
  attempts: DnsAttempt[];
  /** The answer, with the attempt and the server it is of. */
  answered: { message: Message; attempt: DnsAttempt; server: DnsServer } | undefined;
  /** Why there is none; undefined where nobody said anything. */
  error: unknown;
};

/** As c-ares has it (glibc waits 5 s): a packet lost once costs two seconds, and is sent again. */
const attemptTimeoutMs = 2_000;
const leastAttempts = 3;
/** Sent in turn to each of several servers; each is asked at least twice. */
const roundsOfAll = 2;

/** Answers that send a stub resolver to its next server. */
const passedOn = new Set(['SERVFAIL', 'REFUSED', 'NOTIMP']);

type Line = {
  server: DnsServer;
  socket: Socket;
  isConnected: boolean;
  /** By id. */
  flights: Map<number, DnsAttempt>;
};

/**
 * Asks over UDP, again after 2 s, from one socket a server. Each attempt has an id of its own and
 * stays valid until the end, so that a late answer is told from an early one to the repetition: a
 * slow server and a lost packet do not look alike.
 */
export const askUdp = (
  servers: readonly DnsServer[],
  question: Question,
  startedMs: number,
  signal: AbortSignal,
): Promise<UdpEnd> =>
  new Promise((resolve) => {
    const attempts: DnsAttempt[] = [];
    const lines = new Map<string, Line>();
    const limit = Math.max(leastAttempts, servers.length * roundsOfAll);
    const refusing = new Set<string>();
    let second: UdpEnd['answered'];
    let lastError: unknown;
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;

    const finish = (answered: UdpEnd['answered']): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      for (const { socket } of lines.values()) socket.close();
      for (const attempt of attempts) {
        if (attempt.outcome === 'unanswered') attempt.endedMs = sinceMs(startedMs);
      }
      resolve({ attempts, answered: answered ?? second, error: lastError });
    };
    const giveUp = () => finish(undefined);

    const next = (): void => {
      clearTimeout(timer);
      if (isOver) return;
      const usable = servers.filter(({ name }) => !refusing.has(name));
      const server = usable[attempts.length % Math.max(1, usable.length)];
      if (server === undefined || attempts.length >= limit) giveUp();
      else {
        timer = setTimeout(next, attemptTimeoutMs);
        send(server);
      }
    };

    const send = (server: DnsServer): void => {
      const startMs = sinceMs(startedMs);
      const attempt: DnsAttempt = {
        server: server.name,
        transport: 'udp',
        startedMs: startMs,
        endedMs: startMs,
        outcome: 'unanswered',
      };
      attempts.push(attempt);
      const line = lines.get(server.name) ?? open(server);
      const id = randomId();
      line.flights.set(id, attempt);
      const post = () => {
        if (isOver) return;
        attempt.startedMs = sinceMs(startedMs);
        line.socket.send(encodeQuery(question, id));
      };
      if (line.isConnected) post();
      else line.socket.once('connect', post);
    };

    const open = (server: DnsServer): Line => {
      const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
      const line: Line = { server, socket, isConnected: false, flights: new Map() };
      lines.set(server.name, line);
      socket.on('error', (error) => fail(line, error));
      socket.on('message', (bytes) => receive(line, bytes));
      socket.once('connect', () => {
        line.isConnected = true;
      });
      // So that the kernel drops what comes from anywhere else, and tells of a closed port.
      socket.connect(server.port, server.host);
      return line;
    };

    const receive = ({ server, flights }: Line, bytes: Buffer): void => {
      const message = isOver ? undefined : readAnswer(bytes, question, flights);
      const attempt = flights.get(message?.packet.id ?? -1);
      if (message === undefined || attempt === undefined) return;
      attempt.endedMs = sinceMs(startedMs);
      attempt.outcome = message.packet.flag_tc ? 'truncated' : 'answered';
      const answered = { message, attempt, server };
      if (servers.length > 1 && passedOn.has(rcodeOf(message.packet))) {
        second = answered;
        refuse(server);
      } else finish(answered);
    };

    const fail = ({ server, flights }: Line, error: unknown): void => {
      if (isOver) return;
      lastError = error;
      for (const attempt of flights.values()) {
        if (attempt.outcome !== 'unanswered') continue;
        attempt.outcome = 'failed';
        attempt.endedMs = sinceMs(startedMs);
      }
      refuse(server);
    };

    /** Not asked again. */
    const refuse = (server: DnsServer): void => {
      refusing.add(server.name);
      next();
    };

    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    else next();
  });
