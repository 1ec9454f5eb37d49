import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { familyOf } from './packet.ts';
import { roundGapMs } from './strategy.ts';
import { atMost } from './trace.ts';

export type EndToEndRequest = {
  protocol: 'tcp' | 'udp';
  address: string;
  port: number;
  count: number;
  timeoutMs: number;
};

/** Linux repeats a SYN after 1 s: a handshake that took so long is a loss, not a round trip. */
const synRepeatMs = 950;

/**
 * Round trips to the target without any privilege, in the order sent; null for no answer. Paced as
 * the rounds of a trace are. A refusal is an answer too: it came from the target.
 */
export const measureEndToEnd = async (
  request: EndToEndRequest,
  signal: AbortSignal,
): Promise<(number | null)[]> => {
  const send = request.protocol === 'tcp' ? tcpRoundTrip : udpRoundTrip;
  const settled: (number | null)[] = [];
  const outstanding: Promise<void>[] = [];
  for (let round = 0; round < request.count && !signal.aborted; round += 1) {
    const one = send(request, signal).then((rttMs) => {
      if (rttMs !== 'cut-short') settled[round] = rttMs;
    });
    outstanding.push(one);
    if (round + 1 === request.count) break;
    const { leastMs, mostMs } = roundGapMs(round + 1);
    const startedMs = performance.now();
    await atMost(one, mostMs, signal);
    await atMost(new Promise(() => {}), leastMs - (performance.now() - startedMs), signal);
  }
  await Promise.all(outstanding);
  return settled.filter((rttMs) => rttMs !== undefined);
};

type RoundTrip = number | null | 'cut-short';

const elapsedMs = (sinceNs: bigint): number => Number(process.hrtime.bigint() - sinceNs) / 1e6;

/** SYN → SYN-ACK or RST. */
const tcpRoundTrip = (request: EndToEndRequest, signal: AbortSignal): Promise<RoundTrip> =>
  new Promise((resolve) => {
    const sentNs = process.hrtime.bigint();
    const socket = connect({
      host: request.address,
      port: request.port,
      autoSelectFamily: false,
    });
    const end = (outcome: RoundTrip) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
      socket.destroy();
      resolve(outcome);
    };
    const cut = () => end('cut-short');
    const timer = setTimeout(end, Math.min(request.timeoutMs, synRepeatMs), null);
    signal.addEventListener('abort', cut, { once: true });
    socket.once('connect', () => end(elapsedMs(sentNs)));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? elapsedMs(sentNs) : null),
    );
  });

/**
 * An empty datagram → any datagram, or ICMP port unreachable, which a connected UDP socket is told
 * as ECONNREFUSED. A socket for each, so that a late answer cannot be taken for the next one's.
 */
const udpRoundTrip = (request: EndToEndRequest, signal: AbortSignal): Promise<RoundTrip> =>
  new Promise((resolve) => {
    let sentNs = process.hrtime.bigint();
    let isOver = false;
    const socket = createSocket(familyOf(request.address) === 6 ? 'udp6' : 'udp4');
    const end = (outcome: RoundTrip) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
      socket.close();
      resolve(outcome);
    };
    const cut = () => end('cut-short');
    const timer = setTimeout(end, request.timeoutMs, null);
    signal.addEventListener('abort', cut, { once: true });
    socket.once('message', () => end(elapsedMs(sentNs)));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? elapsedMs(sentNs) : null),
    );
    socket.connect(request.port, request.address, (error?: Error) => {
      if (error) end(null);
      if (isOver) return;
      sentNs = process.hrtime.bigint();
      socket.send(Buffer.alloc(0));
    });
  });

/** Whether this machine has a route to the address: asks the kernel, sends nothing. */
export const hasRoute = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket(familyOf(address) === 6 ? 'udp6' : 'udp4');
    const end = (found: boolean) => {
      socket.close();
      resolve(found);
    };
    socket.once('error', () => end(false));
    socket.connect(9, address, (error?: Error) => end(error === undefined || error === null));
  });
