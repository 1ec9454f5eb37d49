import type { Socket } from 'node:dgram';
import http2, { type ServerHttp2Stream } from 'node:http2';
import { formatEdgeTiming } from '#contract/server-timing.ts';
import { carryDatagrams, maxWaitingBytes } from '#runtime/capsules/datagram-stream.ts';
import type { Admit, Admitted } from './admit.ts';
import type { DatagramLimit } from './datagram-limit.ts';
import { bytesOf, createMayPass, type MayPass } from './datagram-pace.ts';
import type { ServeProtocol } from './exchange-h2.ts';
import type { Moved } from './flow-request.ts';
import type { Pace } from './limits.ts';
import type { Meter } from './meter.ts';
import { refuse } from './refusal.ts';
import { refuseStream } from './refuse-stream.ts';
import { connectUdp } from './udp-socket.ts';
import { parseUdpPath } from './udp-target.ts';

/** RFC 4787 section 4.3: not below 2 minutes, save for well-known ports, whose use is known. */
const idleMs = { dns: 20_000, other: 120_000 };
/** For a client to end a stream that was ended on it. */
const lingerMs = 10_000;

/** `connect-udp` (RFC 9298): datagrams of one destination over one stream. */
export const createServeUdp =
  (parts: {
    edgeId: string;
    admit: Admit;
    datagrams: DatagramLimit;
    meter: Meter;
    /** Left out: devices may move as many bytes as they can. */
    pace?: (deviceId: string) => Pace | undefined;
    /** Left out: 20 s for DNS, else 2 minutes. */
    idleMs?: number;
  }): ServeProtocol =>
  async ({ stream, headers, deviceId }) => {
    const { edgeId } = parts;
    const destination = parseUdpPath(headers[':path']);
    if (!destination) {
      const expected = '/.well-known/masque/udp/{host}/{port}/';
      return refuseStream(stream, edgeId, refuse('http_request_error', expected));
    }
    const receivedMs = performance.now();
    const admission = await parts.admit({ deviceId, destination, receivedMs, protocol: 'udp' });
    if (!admission.admitted) {
      const timing = formatEdgeTiming(admission.timing);
      return refuseStream(stream, edgeId, admission.refusal, timing);
    }
    const connected = await connectUdp(admission.addresses, destination.port);
    if ('problem' in connected) {
      const refusal = refuse('destination_unavailable', connected.problem);
      const { timing } = admission.fail(refusal);
      return refuseStream(stream, edgeId, refusal, formatEdgeTiming(timing));
    }
    admission.timing.address = connected.address;
    admission.begin();
    if (stream.destroyed || stream.closed) {
      connected.socket.close();
      return admission.done({ upBytes: 0, downBytes: 0 });
    }
    stream.respond({
      ':status': 200,
      'capsule-protocol': '?1',
      'server-timing': formatEdgeTiming(admission.timing),
    });
    return relayDatagrams({
      stream,
      socket: connected.socket,
      admission,
      meter: parts.meter,
      mayPass: createMayPass({
        datagrams: (count) => parts.datagrams.take(deviceId, count),
        pace: parts.pace?.(deviceId),
      }),
      idleMs: parts.idleMs ?? (destination.port === 53 ? idleMs.dns : idleMs.other),
    });
  };

const relayDatagrams = (options: {
  stream: ServerHttp2Stream;
  socket: Socket;
  admission: Admitted;
  meter: Meter;
  mayPass: MayPass;
  idleMs: number;
}): void => {
  const { stream, socket, meter } = options;
  const moved: Moved = { upBytes: 0, downBytes: 0 };
  let isOpen = true;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;

  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(idle);
    socket.close();
  };
  /** RFC 9298 section 3.1: the stream ends with the socket. */
  const end = () => {
    close();
    if (stream.destroyed) return;
    stream.end();
    setTimeout(() => stream.close(), lingerMs).unref();
  };
  const idle = setTimeout(end, options.idleMs);
  // An ICMP error, on most systems the news that nobody listens there.
  socket.on('error', () => {
    close();
    stream.close(http2.constants.NGHTTP2_CONNECT_ERROR);
  });

  const carried = carryDatagrams({
    stream,
    onDatagrams(datagrams) {
      if (!isOpen || socket.getSendQueueSize() > maxWaitingBytes) return;
      idle.refresh();
      const passing = options.mayPass(datagrams);
      moved.firstUpMs ??= performance.now();
      const before = moved.upBytes;
      for (let i = 0; i < passing; i++) {
        const datagram = datagrams[i] as Buffer;
        moved.upBytes += datagram.length;
        // The error that waits for the next send would be lost; one call back in a batch is enough.
        if (i === 0) socket.send(datagram, tellError);
        else socket.send(datagram);
      }
      meter.up(moved.upBytes - before);
    },
    // Not `close(PROTOCOL_ERROR)`: after the client's END_STREAM Node would end in order as well.
    onMalformed: (what) => stream.destroy(new Error(what)),
  });
  const tellError = (error: NodeJS.ErrnoException | null) => {
    // Too long for the path is that datagram's matter alone.
    if (error && error.code !== 'EMSGSIZE' && isOpen) socket.emit('error', error);
  };

  // libuv reads up to 32 at a time: they go into one write once it is through.
  const flush = () => {
    const datagrams = waiting;
    waiting = [];
    waitingBytes = 0;
    if (!isOpen) return;
    idle.refresh();
    const passing = options.mayPass(datagrams);
    if (passing === 0) return;
    const passed = passing < datagrams.length ? datagrams.slice(0, passing) : datagrams;
    if (!carried.send(passed)) return;
    moved.firstDownMs ??= performance.now();
    const bytes = bytesOf(passed);
    moved.downBytes += bytes;
    meter.down(bytes);
  };
  socket.on('message', (datagram) => {
    if (waitingBytes > maxWaitingBytes) return;
    if (waiting.length === 0) setImmediate(flush);
    waitingBytes += datagram.length;
    waiting.push(datagram);
  });

  stream.once('end', end);
  stream.once('close', () => {
    close();
    options.admission.done(moved);
  });
  if (stream.destroyed) close();
};
