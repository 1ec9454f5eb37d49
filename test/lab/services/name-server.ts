import type { Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { type DecodedPacket, decode, encode, type Question } from 'dns-packet';
import type { Log } from '#runtime/log.ts';
import { healthyNames, type NameBehaviour } from './control.ts';
import { bindInside, listenInside } from './namespace-sockets.ts';
import type { ServedNode, Service } from './service.ts';
import { createTally } from './tally.ts';
import { authority, resolve, type Zone } from './zone.ts';

const port = 53;
const flags = { authoritative: 0x0400, truncated: 0x0200, recursion: 0x0080 };
const askedForRecursion = 0x0100;
const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };

/** The lab's resolver at one node: UDP on its addresses, TCP, EDNS (RFC 1035, 6891, 7766). */
export const startNameServer = async (node: ServedNode, zone: Zone, log: Log): Promise<Service> => {
  let behaviour: NameBehaviour = healthyNames;
  const tally = createTally();
  const connections = new Set<Socket>();

  const answer: AnswerMessage = async (message, source, protocol) => {
    const query = readQuery(message);
    const question = query?.questions?.[0];
    if (query === undefined || question === undefined) return undefined;
    tally.request({ target: `${question.name} ${question.type}`, source, protocol });
    const { delayMs, dropRatio } = behaviour;
    if (Math.random() < dropRatio) return undefined;
    const isDatagram = protocol === 'udp';
    const reply = makeReply({ zone, behaviour, query, question, isDatagram });
    if (delayMs > 0) await wait(delayMs, undefined, { ref: false });
    tally.answer(reply.rcode);
    return reply.message;
  };

  /** Names that can be read but not written again are among what strangers send. */
  const answerOrNot: AnswerMessage = (message, source, protocol) =>
    answer(message, source, protocol).catch((error: Error) => {
      log.warn({ component: 'name-server', node: node.name, err: error }, 'question not answered');
      return undefined;
    });

  const datagrams = await Promise.all(
    node.addresses.map((address) => bindInside(node.namespace, address, port)),
  );
  for (const socket of datagrams) serveDatagrams(socket, answerOrNot);
  const server = createServer((socket) => {
    tally.connection();
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveConnection(socket, answerOrNot);
  });
  await listenInside(node.namespace, server, port);

  return {
    behaviour: () => behaviour,
    change: async (change) => {
      behaviour = { ...behaviour, ...change };
    },
    reset: async () => {
      behaviour = healthyNames;
    },
    requests: tally.counts,
    stop: async () => {
      for (const socket of datagrams) socket.close();
      for (const socket of connections) socket.destroy();
      server.close();
    },
  };
};

type AnswerMessage = (
  message: Buffer,
  source: string | undefined,
  protocol: string,
) => Promise<Buffer | undefined>;

const serveDatagrams = (socket: DatagramSocket, answer: AnswerMessage): void => {
  let isClosed = false;
  socket.once('close', () => {
    isClosed = true;
  });
  // An answer that found no way back, as behind a link that is down, is lost like any other.
  socket.on('error', () => {});
  socket.on('message', (message, from) => {
    void answer(message, from.address, 'udp').then((reply) => {
      if (reply && !isClosed) socket.send(reply, from.port, from.address, () => {});
    });
  });
};

/** Each message is led by its length (RFC 1035 §4.2.2); answers may overtake each other. */
const serveConnection = (socket: Socket, answer: AnswerMessage): void => {
  let received = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (piece) => {
    received = Buffer.concat([received, piece]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      void answer(received.subarray(2, end), socket.remoteAddress, 'tcp').then((reply) => {
        if (reply && socket.writable) socket.write(withLength(reply));
      });
      received = received.subarray(end);
    }
  });
};

const withLength = (message: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
};

/** What is no query gets no answer: never one to an answer, lest two servers talk for ever. */
const readQuery = (message: Buffer): DecodedPacket | undefined => {
  try {
    const packet = decode(message);
    return packet.type === 'query' ? packet : undefined;
  } catch {
    return undefined;
  }
};

type Asked = {
  zone: Zone;
  behaviour: NameBehaviour;
  query: DecodedPacket;
  question: Question;
  isDatagram: boolean;
};

const makeReply = ({ zone, behaviour, query, question, isDatagram }: Asked) => {
  const isAnswered = behaviour.rcode === 'NOERROR';
  const found = resolve(zone, behaviour.wrongAnswers, question);
  const rcode = isAnswered ? found.rcode : behaviour.rcode;
  const answers = isAnswered ? found.records : [];
  const asked = query.additionals?.find((record) => record.type === 'OPT');
  const reply = {
    type: 'response' as const,
    id: query.id ?? 0,
    flags:
      flags.authoritative |
      flags.recursion |
      ((query.flags ?? 0) & askedForRecursion) |
      rcodes[rcode],
    questions: [question],
    answers,
    authorities: isAnswered && answers.length === 0 ? [authority] : [],
    additionals: asked === undefined ? [] : [extension],
  };
  const message = encode(reply);
  const roomBytes = asked === undefined ? 512 : Math.max(512, asked.udpPayloadSize);
  if (!isDatagram || message.length <= roomBytes) return { rcode, message };
  const short = { ...reply, answers: [], authorities: [], flags: reply.flags | flags.truncated };
  return { rcode, message: encode(short) };
};

const extension = {
  type: 'OPT' as const,
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};
