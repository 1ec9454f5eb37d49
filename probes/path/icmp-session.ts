import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Request } from 'net-ping';
import type { PathAnswer } from './messages.ts';
import {
  canonicalAddress,
  decodeIcmp,
  encodeEcho,
  type Family,
  type IcmpMessage,
  nonceBytes,
} from './packet.ts';
import { createFlowIds } from './sockets/flow-ids.ts';

/** All probes of one run share it: one id, one nonce, one target. */
export type Flow = {
  /** Sends one echo request; resolves with its answer, or null when none came in time. */
  probe(ttl: number, timeoutMs: number): Promise<PathAnswer | null>;
  close(): void;
};

export type IcmpSession = { openFlow(address: string): Flow; close(): void };

type Pending = Request & {
  ttl: number;
  flow: FlowState;
  sequence: number;
  sentNs: bigint;
  settle: (answer: PathAnswer | null) => void;
};

type FlowState = { id: number; nonce: Buffer; address: string; nextSequence: number };

type NetPing = typeof import('net-ping');

/**
 * The process's one raw socket of an address family. Throws where the add-on is missing or the
 * system does not permit raw sockets.
 */
export const openIcmpSession = async (
  family: Family,
  onError: (error: Error) => void,
): Promise<IcmpSession> => {
  const netPing = await import('net-ping');
  const session = createSession(
    'default' in netPing ? (netPing.default as NetPing) : netPing,
    family,
  );
  session.on('error', onError);
  const flows = createFlowIds();
  const opened: IcmpSession = {
    openFlow(address) {
      const flow: FlowState = {
        id: flows.take(),
        nonce: randomBytes(nonceBytes),
        address: canonicalAddress(address),
        nextSequence: 1,
      };
      return {
        probe: (ttl, timeoutMs) => session.sendProbe(flow, address, ttl, timeoutMs),
        close: () => flows.give(flow.id),
      };
    },
    close: () => void session.close(),
  };
  await warmUp(opened, family);
  return opened;
};

/**
 * The first packets through code that has not run yet read 0.3–0.7 ms too long. A few to this
 * machine itself take that; where even loopback is down they are lost quickly.
 */
const warmUp = async (session: IcmpSession, family: Family): Promise<void> => {
  const flow = session.openFlow(family === 6 ? '::1' : '127.0.0.1');
  for (let sent = 0; sent < warmUpPackets; sent += 1) await flow.probe(64, 20);
  flow.close();
};
const warmUpPackets = 8;

const createSession = (netPing: NetPing, family: Family) => {
  const hopLimit = hopLimitOption(family);

  class ParallelSession extends netPing.Session {
    lastTtl = 0;

    sendProbe(
      flow: FlowState,
      target: string,
      ttl: number,
      timeoutMs: number,
    ): Promise<PathAnswer | null> {
      return new Promise((settle) => {
        const sequence = flow.nextSequence;
        flow.nextSequence = (sequence % 0xffff) + 1;
        const pending: Pending = {
          id: requestKey(flow.id, sequence),
          retries: 0,
          timeout: timeoutMs,
          target,
          ttl,
          flow,
          sequence,
          sentNs: 0n,
          settle,
          callback: (error) => settle(outcomeOfError(error)),
        };
        this.reqQueue(pending);
      });
    }

    override toBuffer(request: Request): Buffer {
      const { flow, sequence } = request as Pending;
      return encodeEcho(family, { id: flow.id, sequence, nonce: flow.nonce });
    }

    // Called immediately before sendto(): the clock is read as the very last thing. raw-socket
    // sends one packet per turn of the event loop, so a burst is spread and answers are read
    // in between.
    override onBeforeSocketSend(request: Request): void {
      const pending = request as Pending;
      if (this.lastTtl !== pending.ttl) {
        this.getSocket().setOption(hopLimit.level, hopLimit.option, pending.ttl);
        this.lastTtl = pending.ttl;
      }
      pending.sentNs = process.hrtime.bigint();
    }

    override onSocketMessage(received: Buffer, source: string): void {
      const receivedNs = process.hrtime.bigint();
      const message = decodeIcmp(family, received);
      if (message === undefined) return;
      const pending = this.reqs[requestKey(message.id, message.sequence)] as Pending | undefined;
      if (pending === undefined || pending.sentNs === 0n || !belongs(message, pending.flow)) return;
      this.reqRemove(pending.id);
      const address = canonicalAddress(source);
      pending.settle({
        kind: answerKind(message, address, pending.flow),
        address,
        rttMs: Number(receivedNs - pending.sentNs) / 1e6,
      });
    }

    // net-ping stops reading while nothing is outstanding; other programs' ICMP then queues up in
    // the socket and would delay the next run's first answers. Reading on costs next to nothing.
    override reqRemove(id: number): Request | undefined {
      const request = super.reqRemove(id);
      if (this.getSocket().recvPaused) this.getSocket().resumeRecv();
      return request;
    }
  }

  return new ParallelSession({
    networkProtocol: family === 6 ? netPing.NetworkProtocol.IPv6 : netPing.NetworkProtocol.IPv4,
  });
};

const requestKey = (id: number, sequence: number): number => id * 0x10000 + sequence;

const outcomeOfError = (error: Error | null): PathAnswer | null => {
  if (error === null || error.name === 'RequestTimedOutError') return null;
  return { kind: 'unsent', message: error.message };
};

/** Several programs trace at once, with ids of their own choosing: the id alone proves nothing. */
const belongs = (message: IcmpMessage, flow: FlowState): boolean => {
  if (message.nonce !== undefined) return message.nonce.equals(flow.nonce);
  return message.quotedDestination === flow.address;
};

const answerKind = (
  message: IcmpMessage,
  address: string,
  flow: FlowState,
): 'target' | 'hop' | 'unreachable' => {
  if (message.kind === 'reply') return 'target';
  if (message.kind === 'time-exceeded') return 'hop';
  return address === flow.address ? 'target' : 'unreachable';
};

/** net-ping sets IP_TTL on IPv6 sockets too, where it has no effect: every hop limit is then 64. */
const hopLimitOption = (family: Family): { level: number; option: number } => {
  const fromNetPing = createRequire(createRequire(import.meta.url).resolve('net-ping'));
  const { SocketLevel, SocketOption } = fromNetPing('raw-socket') as {
    SocketLevel: Record<string, number>;
    SocketOption: Record<string, number>;
  };
  return family === 6
    ? { level: SocketLevel['IPPROTO_IPV6'] ?? 41, option: SocketOption['IPV6_UNICAST_HOPS'] ?? 16 }
    : { level: SocketLevel['IPPROTO_IP'] ?? 0, option: SocketOption['IP_TTL'] ?? 2 };
};
