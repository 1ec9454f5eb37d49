import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { readReflectedStamp, sentTimeOf, stampTime, writeStamp } from '#contract/stamp.ts';

export type StreamPlan = {
  address: string;
  family: 4 | 6;
  port: number;
  packetBytes: number;
  intervalMs: number;
  packetCount: number;
  /** How long answers are awaited after the last packet. */
  lingerMs: number;
  /** Without any answer so long after the first packet, nothing more is sent. */
  giveUpMs: number;
};

/** One packet that was sent. Times are epoch milliseconds by a clock that does not jump. */
export type SentPacket = {
  sentAtMs: number;
  /** After the moment its place in the stream was. */
  lateMs: number;
};

/** One answer, in the order in which they came. */
export type ReceivedPacket = {
  /** Of the packet it answers: its place in the stream. */
  sequence: number;
  /** The reflector's own count. */
  reflectorSequence: number;
  /** By the reflector's clock. */
  reflectedAtMs: { received: number; returned: number };
  receivedAtMs: number;
};

export type Stream = {
  sent: SentPacket[];
  received: ReceivedPacket[];
  /** Answers that came again after so many had, and were only counted. */
  unkeptCount: number;
  /** Set when the system told that packets cannot be sent or are refused. */
  error: Error | undefined;
};

/** Copies of answers that are kept: they tell no more than that there are some. */
const maxKeptCopies = 1_000;

/** The wall clock at the program's start, carried on by the monotonic one. */
const nowMs = (): number => performance.timeOrigin + performance.now();

/**
 * Sends a packet every `intervalMs` by a fixed schedule – one that is late goes out at once and moves
 * no other – and takes the answers. One that is not to a packet of this stream, by place, session and
 * time as sent, is dropped; so is, by the connected socket, what comes from anyone else.
 */
export const runStream = (plan: StreamPlan, signal: AbortSignal): Promise<Stream> =>
  new Promise((resolve) => {
    const stream: Stream = { sent: [], received: [], unkeptCount: 0, error: undefined };
    const times: bigint[] = [];
    const answered = new Set<number>();
    const sessionId = randomInt(1, 65_536);
    const socket = createSocket(plan.family === 6 ? 'udp6' : 'udp4');
    let startedMs = 0;
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;

    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      socket.close();
      resolve(stream);
    };

    const sendDue = (): void => {
      const sequence = stream.sent.length;
      const dueMs = startedMs + sequence * plan.intervalMs;
      const lateMs = Math.max(0, performance.now() - dueMs);
      const packet = writeStamp({ sequence, sessionId }, plan.packetBytes);
      const sentAtMs = nowMs();
      stampTime(packet, sentAtMs);
      times.push(sentTimeOf(packet));
      stream.sent.push({ sentAtMs, lateMs });
      socket.send(packet, takeError);
      scheduleNext();
    };

    const scheduleNext = (): void => {
      const isSilent =
        stream.received.length === 0 && performance.now() - startedMs > plan.giveUpMs;
      if (stream.sent.length >= plan.packetCount || isSilent) {
        timer = setTimeout(finish, isSilent ? 0 : plan.lingerMs);
        return;
      }
      const dueMs = startedMs + stream.sent.length * plan.intervalMs;
      timer = setTimeout(sendDue, Math.max(0, dueMs - performance.now()));
    };

    const takeError = (error: Error | null): void => {
      if (error !== null) stream.error ??= error;
    };

    const receive = (bytes: Buffer): void => {
      const receivedAtMs = nowMs();
      const packet = readReflectedStamp(bytes);
      if (isOver || packet === undefined || packet.sender.sessionId !== sessionId) return;
      const { sequence } = packet.sender;
      if (times[sequence] !== packet.sentTime) return;
      if (answered.has(sequence) && stream.received.length - answered.size >= maxKeptCopies) {
        stream.unkeptCount += 1;
        return;
      }
      const reflectedAtMs = { received: packet.receivedAtMs, returned: packet.returnedAtMs };
      const reflectorSequence = packet.sequence;
      stream.received.push({ sequence, reflectorSequence, reflectedAtMs, receivedAtMs });
      answered.add(sequence);
      if (answered.size === plan.packetCount) finish();
    };

    listen(socket, receive, takeError);
    socket.connect(plan.port, plan.address, (error?: Error) => {
      if (isOver) return;
      if (error) {
        takeError(error);
        finish();
        return;
      }
      startedMs = performance.now();
      sendDue();
    });
    socket.once('error', () => {
      // Before the stream began there is nothing more to wait for.
      if (startedMs === 0) finish();
    });
    signal.addEventListener('abort', finish, { once: true });
    if (signal.aborted) finish();
  });

const listen = (
  socket: Socket,
  receive: (bytes: Buffer) => void,
  takeError: (error: Error) => void,
): void => {
  socket.on('message', receive);
  // A port that is closed: the system passes on what ICMP says.
  socket.on('error', takeError);
};
