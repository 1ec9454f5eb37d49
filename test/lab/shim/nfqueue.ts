import { allocate, close, type Memory } from '../kernel/libc.ts';
import { inNamespace } from '../kernel/namespace.ts';
import {
  createInbox,
  type Inbox,
  openNetfilterSocket,
  sendMessages,
} from '../kernel/netlink-socket.ts';

/** All queues of one namespace, over one netlink socket that stays in it. */
export type QueueSocket = {
  descriptor: number;
  /** Takes what waits (up to an inbox full), each packet by its queue number and the kernel's id. */
  receive(onPacket: (queueNumber: number, packet: number) => void): void;
  /** Lets a packet go or drops it, with the next `flush` at the latest. */
  decide(queueNumber: number, packet: number, isAccepted: boolean): void;
  flush(): void;
};

// linux/netfilter/nfnetlink_queue.h
const messagePacket = 0x300;
const messageVerdict = 0x301;
const messageConfig = 0x302;
const messageError = 2;
const attributePacketHeader = 1;
const verdictDrop = 0;
const verdictAccept = 1;

const headerBytes = 16;
const attributesOffset = headerBytes + 4;
const verdictBytes = 32;
const configBytes = 64;
const verdictsAtOnce = 256;
/** Of the 20,000 packets a second that a link may carry, one second's worth. */
const longestQueue = 20_000;
// Metadata of ~100 bytes takes about 1 kB of the buffer.
const receiveBufferBytes = 32 * 1024 * 1024;

/** What comes for any socket is read at once, so all of a thread's sockets share one. */
export const createPacketInbox = (): Inbox => createInbox(64, 512);

/**
 * Binds queues of a namespace. Packets that come meanwhile (rules may stand before the queues do)
 * are kept for the first `receive`, so that none is lost between two answers of the kernel.
 */
export const openQueues = (
  namespace: string,
  queueNumbers: readonly number[],
  inbox: Inbox,
): QueueSocket => {
  const descriptor = inNamespace(namespace, () => openNetfilterSocket(receiveBufferBytes));
  const early: [queueNumber: number, packet: number][] = [];
  try {
    bindQueues(namespace, descriptor, queueNumbers, (onAnswer) =>
      readMessages(inbox, descriptor, (...packet) => early.push(packet), onAnswer),
    );
  } catch (error) {
    close(descriptor);
    throw error;
  }
  return {
    descriptor,
    ...createVerdicts(descriptor),
    receive(onPacket) {
      for (const [queueNumber, packet] of early) onPacket(queueNumber, packet);
      early.length = 0;
      // Verdicts are answered only for packets the kernel no longer has: their link went down.
      readMessages(inbox, descriptor, onPacket, ignore);
    },
  };
};

const ignore = (): void => {};

const readMessages = (
  inbox: Inbox,
  descriptor: number,
  onPacket: (queueNumber: number, packet: number) => void,
  onAnswer: (sequence: number, errno: number) => void,
): void => {
  const { view } = inbox;
  const count = inbox.receive(descriptor);
  for (let slot = 0; slot < count; slot += 1) {
    const start = slot * inbox.slotBytes;
    const type = view.getUint16(start + 4, true);
    if (type === messagePacket) {
      const packet = packetIdOf(view, start, start + inbox.lengthOf(slot));
      if (packet !== undefined) onPacket(view.getUint16(start + 18, false), packet);
    } else if (type === messageError) {
      onAnswer(view.getUint32(start + 8, true), -view.getInt32(start + headerBytes, true));
    }
  }
};

const packetIdOf = (view: DataView, start: number, end: number): number | undefined => {
  let at = start + attributesOffset;
  while (at + 8 <= end) {
    if (view.getUint16(at + 2, true) === attributePacketHeader)
      return view.getUint32(at + 4, false);
    at += Math.max(4, (view.getUint16(at, true) + 3) & ~3);
  }
  return undefined;
};

const createVerdicts = (descriptor: number): Pick<QueueSocket, 'decide' | 'flush'> => {
  const memory = allocate(verdictsAtOnce * verdictBytes);
  for (let at = 0; at < memory.bytes.length; at += verdictBytes) {
    writeHeader(memory.view, at, verdictBytes, messageVerdict, 1);
    memory.view.setUint16(at + attributesOffset, 12, true); // NFQA_VERDICT_HDR { verdict, id }
    memory.view.setUint16(at + attributesOffset + 2, 2, true);
  }
  let byteCount = 0;
  const flush = () => {
    if (byteCount === 0) return;
    const ready = byteCount;
    byteCount = 0;
    sendMessages(descriptor, memory, ready);
  };
  return {
    flush,
    decide(queueNumber, packet, isAccepted) {
      memory.view.setUint16(byteCount + 18, queueNumber, false);
      memory.view.setUint32(byteCount + 24, isAccepted ? verdictAccept : verdictDrop, false);
      memory.view.setUint32(byteCount + 28, packet, false);
      byteCount += verdictBytes;
      if (byteCount === memory.bytes.length) flush();
    },
  };
};

const writeHeader = (
  view: DataView,
  at: number,
  length: number,
  type: number,
  flags: number,
): void => {
  view.setUint32(at, length, true);
  view.setUint16(at + 4, type, true);
  view.setUint16(at + 6, flags, true);
};

/** The errors a kernel gives are worth words: they come when two shims meet. */
const bindErrors: Readonly<Record<number, string>> = {
  1: 'is held by another process, or this one may not bind queues (EPERM)',
  16: 'is bound already (EBUSY)',
};

type Read = (onAnswer: (sequence: number, errno: number) => void) => void;

const bindQueues = (
  namespace: string,
  descriptor: number,
  queueNumbers: readonly number[],
  read: Read,
): void => {
  const memory = allocate(configBytes);
  for (const queueNumber of queueNumbers) {
    writeConfig(memory, queueNumber);
    sendMessages(descriptor, memory, configBytes);
    const errno = answerTo(queueNumber, read);
    if (errno === 0) continue;
    const reason = bindErrors[errno] ?? `could not be bound (errno ${errno})`;
    throw new Error(`queue ${queueNumber} of namespace ${namespace} ${reason}`);
  }
};

/** The kernel answers within the call that asks, but packets may stand before the answer. */
const answerTo = (sequence: number, read: Read): number => {
  const patience = performance.now() + 5_000;
  let answer: number | undefined;
  while (answer === undefined) {
    read((given, errno) => {
      if (given === sequence) answer = errno;
    });
    if (performance.now() > patience) throw new Error('the kernel does not answer over netlink');
  }
  return answer;
};

/**
 * One message that binds a queue and sets all of it: a queue bound without its copy mode drops
 * packets. Fail-open: packets that find the queue full pass undelayed.
 */
const writeConfig = ({ view, bytes }: Memory, queueNumber: number): void => {
  bytes.fill(0);
  const requestAndAcknowledge = 1 | 4;
  writeHeader(view, 0, configBytes, messageConfig, requestAndAcknowledge);
  view.setUint32(8, queueNumber, true); // sequence: which answer is whose
  view.setUint16(18, queueNumber, false);
  const attribute = (at: number, type: number, length: number) => {
    view.setUint16(at, length, true);
    view.setUint16(at + 2, type, true);
  };
  attribute(20, 1, 8); // NFQA_CFG_CMD: bind
  view.setUint8(24, 1);
  attribute(28, 2, 9); // NFQA_CFG_PARAMS: copy_range 0, copy_mode META
  view.setUint8(36, 1);
  attribute(40, 3, 8); // NFQA_CFG_QUEUE_MAXLEN
  view.setUint32(44, longestQueue, false);
  attribute(48, 4, 8); // NFQA_CFG_MASK: FAIL_OPEN
  view.setUint32(52, 1, false);
  attribute(56, 5, 8); // NFQA_CFG_FLAGS
  view.setUint32(60, 1, false);
};
