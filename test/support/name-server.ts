import { createSocket, type RemoteInfo } from 'node:dgram';
import { setTimeout as wait } from 'node:timers/promises';

/** RFC 1035 §3.2.2 and its followers: the types this server can be given. */
const types = { A: 1, NS: 2, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33 } as const;
const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

type RecordType = keyof typeof types;

/** How one question is answered. `data` is in the type's usual text form, as in a zone file. */
export type Reply = {
  data?: readonly string[];
  rcode?: keyof typeof rcodes;
  delayMs?: number;
  /** Says nothing at all. */
  isSilent?: boolean;
};

/**
 * A small authoritative DNS server over UDP, on loopback unless told otherwise, speaking the real wire format. A name it
 * was told of but not for this type has no such record; any other name does not exist, unless there
 * is an answer for `*`.
 */
export const startNameServer = async (
  zone: Record<string, Partial<Record<RecordType, Reply>>>,
  at = { host: '127.0.0.1', port: 0 },
) => {
  const questions: { name: string; type: string }[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => void answer(message, from));

  const answer = async (message: Buffer, from: RemoteInfo): Promise<void> => {
    const question = readQuestion(message);
    const type = typeNameOf(question.type);
    questions.push({ name: question.name, type });
    const records = zone[question.name] ?? zone['*'];
    const reply: Reply = records ? (records[type as RecordType] ?? {}) : { rcode: 'NXDOMAIN' };
    if (reply.isSilent) return;
    if (reply.delayMs !== undefined) await wait(reply.delayMs);
    if (!isStopped) socket.send(writeReply(message, question, reply), from.port, from.address);
  };

  let isStopped = false;
  await new Promise<void>((resolve) => {
    socket.bind(at.port, at.host, resolve);
  });
  return {
    address: `${at.host}:${socket.address().port}`,
    port: socket.address().port,
    questions,
    async stop(): Promise<void> {
      if (isStopped) return;
      isStopped = true;
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      });
    },
  };
};

type Question = { name: string; type: number; end: number };

const typeNameOf = (number: number): string =>
  Object.entries(types).find(([, value]) => value === number)?.[0] ?? `TYPE${number}`;

const readQuestion = (message: Buffer): Question => {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('ascii', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
};

const writeReply = (message: Buffer, question: Question, reply: Reply): Buffer => {
  const data = reply.data ?? [];
  const header = Buffer.alloc(12);
  message.copy(header, 0, 0, 2);
  // QR, AA, RD copied, RA.
  header.writeUInt16BE(
    0x8480 | (message.readUInt16BE(2) & 0x0100) | rcodes[reply.rcode ?? 'NOERROR'],
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(data.length, 6);
  const answers = data.map((text) => writeRecord(question.type, text));
  return Buffer.concat([header, message.subarray(12, question.end), ...answers]);
};

const writeRecord = (type: number, text: string): Buffer => {
  const data = writeData(typeNameOf(type), text);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the question's name, by pointer
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
};

const writeData = (type: string, text: string): Buffer => {
  const words = text.split(' ');
  const numbers = (count: number) =>
    Buffer.from(words.slice(0, count).flatMap((word) => [Number(word) >> 8, Number(word) & 255]));
  switch (type) {
    case 'A':
      return Buffer.from(text.split('.').map(Number));
    case 'AAAA':
      return writeIpv6(text);
    case 'TXT':
      return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
    case 'MX':
      return Buffer.concat([numbers(1), writeName(words[1] ?? '')]);
    case 'SRV':
      return Buffer.concat([numbers(3), writeName(words[3] ?? '')]);
    default:
      return writeName(text);
  }
};

const writeName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

const writeIpv6 = (text: string): Buffer => {
  const [left = '', right = ''] = text.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const missing = text.includes('::') ? 8 - groups(left).length - groups(right).length : 0;
  const all = [...groups(left), ...Array<number>(missing).fill(0), ...groups(right)];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
};
