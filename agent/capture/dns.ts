import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net';
import { normalHost } from '#contract/host-pattern.ts';
import type { Log } from '#runtime/log.ts';
import type { Open } from '../forwarding/open.ts';
import type { FlowFacts, RouteDecision } from '../forwarding/route.ts';
import {
  type AskServer,
  askByUdp,
  byDial,
  byOpen,
  createFrameReader,
  createStreamAsker,
  framed,
} from './dns-ask.ts';
import { addressesIn, answerTo, fitting, type Query, readQuery } from './dns-message.ts';
import type { Names } from './names.ts';

/** Where queries to one name server are redirected to. */
export type DnsListener = { server: string; udpPort: number; tcpPort: number };

export type DnsCapture = {
  /**
   * Opens listeners for these name servers, and closes those of others. Gives those that are open;
   * what became of the rest is told by `problem`.
   */
  listen(servers: readonly string[]): Promise<DnsListener[]>;
  /** Of the last `listen`; undefined: every server has its listener. */
  problem(): string | undefined;
  /** Queries since the start, by what became of them. */
  counts(): DnsCounts;
  stop(): Promise<void>;
};

export type DnsCounts = { direct: number; tunnel: number; private: number; failed: number };

export type QuestionWay = 'direct' | 'tunnel' | 'private';

/** More at once are answered with a failure: memory has an end. */
const maxWaiting = 1_000;
/** Of an address that stands for a private name: after a start of the agent it is asked for anew. */
const standInTtlS = 60;

/**
 * Which way a question goes. Names that are not carried are resolved where the device is; so is
 * everything else where the device's name server is a local one, whom the edge could not reach.
 */
export const decideQuestion = (
  name: string,
  server: string,
  route: (flow: FlowFacts) => RouteDecision,
  ownHosts: readonly string[] = [],
): QuestionWay => {
  // A resolver of this machine asks on the agent's behalf too: without the edge there is no tunnel.
  if (ownHosts.some((host) => normalHost(host) === name)) return 'direct';
  const { action, rule } = route({ host: name, port: 443 });
  if (action !== 'tunnel') return 'direct';
  if (rule.startsWith('private ')) return 'private';
  return route({ host: server, port: 53, protocol: 'tcp' }).action === 'tunnel'
    ? 'tunnel'
    : 'direct';
};

/**
 * Answers the queries of the device's programs in their name servers' place, and remembers to which
 * addresses names lead. Names of private applications get an address that stands for them: the edge
 * resolves them when they are used.
 */
export const startDnsCapture = (parts: {
  route: (flow: FlowFacts) => RouteDecision;
  names: Names;
  open: Open;
  /** Of collector and edges. */
  ownHosts?: () => readonly string[];
  log: Log;
  /** Asks a name server straight; left out: port 53 of it. */
  askDirect?: (server: string) => AskServer;
}): DnsCapture => {
  const { names } = parts;
  const counts: DnsCounts = { direct: 0, tunnel: 0, private: 0, failed: 0 };
  const places = new Map<string, Promise<Place>>();
  let problem: string | undefined;
  let waitingCount = 0;

  const answering = (server: string) => {
    const udp = (parts.askDirect ?? askByUdp)(server);
    const tcp = createStreamAsker(byDial(server));
    const tunnel = createStreamAsker(byOpen(server, parts.open));
    const resolve = async (query: Query, isByTcp: boolean): Promise<Buffer> => {
      const way = decideQuestion(query.name, server, parts.route, parts.ownHosts?.());
      counts[way] += 1;
      if (way === 'private') return answerPrivate(query, names);
      const tunnelled = way === 'tunnel' ? await tunnel.ask(query) : 'unreachable';
      // Without a tunnel names are still resolved: nobody could log in to a captive portal otherwise.
      const direct = isByTcp ? tcp.ask : udp;
      const answer = tunnelled === 'unreachable' ? await direct(query) : tunnelled;
      if (answer === undefined || answer === 'unreachable') {
        counts.failed += 1;
        return answerTo(query, 'failure');
      }
      for (const { address, ttlS } of addressesIn(answer))
        names.remember(query.name, address, ttlS);
      return answer;
    };
    return {
      async answer(bytes: Buffer, isByTcp: boolean): Promise<Buffer | undefined> {
        const query = readQuery(bytes);
        if (query === undefined) return undefined;
        if (waitingCount >= maxWaiting) return answerTo(query, 'failure');
        waitingCount += 1;
        try {
          const answer = await resolve(query, isByTcp);
          return isByTcp ? answer : fitting(answer, query);
        } catch (error) {
          parts.log.error({ component: 'capture', err: error }, 'query failed inside the agent');
          return answerTo(query, 'failure');
        } finally {
          waitingCount -= 1;
        }
      },
      stop() {
        tcp.stop();
        tunnel.stop();
      },
    };
  };

  return {
    async listen(servers) {
      for (const [server, place] of places) {
        if (servers.includes(server)) continue;
        places.delete(server);
        void place.then(({ stop }) => stop()).catch(() => {});
      }
      for (const server of servers) {
        if (places.has(server)) continue;
        places.set(server, startPlace(server, answering(server)));
      }
      const listeners: DnsListener[] = [];
      const problems: string[] = [];
      const opening = [...places].map(async ([server, place]) => {
        const opened = await place.catch((error: Error) => error);
        if (!(opened instanceof Error)) return listeners.push(opened.listener);
        // Tried anew with the next call.
        places.delete(server);
        return problems.push(`${server} (${opened.message})`);
      });
      await Promise.all(opening);
      problem = problems.join(', ') || undefined;
      return listeners;
    },
    problem: () => problem,
    counts: () => ({ ...counts }),
    async stop() {
      const all = [...places.values()];
      places.clear();
      for (const place of await Promise.allSettled(all)) {
        if (place.status === 'fulfilled') place.value.stop();
      }
    },
  };
};

const answerPrivate = (query: Query, names: Names): Buffer =>
  query.type === 'A'
    ? answerTo(query, { address: names.standIn(query.name), ttlS: standInTtlS })
    : answerTo(query, 'nothing');

type Answering = {
  answer(bytes: Buffer, isByTcp: boolean): Promise<Buffer | undefined>;
  stop(): void;
};
type Place = { listener: DnsListener; stop(): void };

/**
 * On loopback of the server's family: bound to any address, the answer would leave from another
 * address than the query was redirected to, and netfilter would not know it.
 */
const startPlace = async (server: string, answering: Answering): Promise<Place> => {
  const isSix = isIP(server.replace(/%.*$/, '')) === 6;
  const host = isSix ? '::1' : '127.0.0.1';
  const udp = createSocket(isSix ? 'udp6' : 'udp4');
  const tcp = createServer();
  // Of accepting: out of descriptors, for one.
  tcp.on('error', () => {});
  const sockets = new Set<Socket>();
  const stop = () => {
    answering.stop();
    udp.close();
    tcp.close();
    for (const socket of sockets) socket.destroy();
  };
  answerUdp(udp, answering);
  answerTcp(tcp, sockets, answering);
  udp.bind(0, host);
  tcp.listen(0, host);
  const opened = await Promise.allSettled([once(udp, 'listening'), once(tcp, 'listening')]);
  const failed = opened.find((each) => each.status === 'rejected');
  if (failed) {
    stop();
    throw failed.reason;
  }
  const tcpPort = (tcp.address() as AddressInfo).port;
  return { listener: { server, udpPort: udp.address().port, tcpPort }, stop };
};

const answerUdp = (socket: UdpSocket, { answer }: Answering): void => {
  let isClosed = false;
  socket.once('close', () => {
    isClosed = true;
  });
  // An answer to a program that has gone comes back as an error.
  socket.on('error', () => {});
  socket.on('message', async (bytes, from) => {
    const answered = await answer(bytes, false);
    if (answered && !isClosed) socket.send(answered, from.port, from.address, () => {});
  });
};

/** RFC 7766 section 6.2.3: a server may close an idle connection after seconds. */
const idleMs = 10_000;

const answerTcp = (server: Server, sockets: Set<Socket>, { answer }: Answering): void => {
  server.maxConnections = 500;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(idleMs, () => socket.destroy());
    const give = async (bytes: Buffer) => {
      const answered = await answer(bytes, true);
      if (answered && !socket.destroyed) socket.write(framed(answered));
    };
    socket.on(
      'data',
      createFrameReader((bytes) => void give(bytes)),
    );
  });
};
