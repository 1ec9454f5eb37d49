import { createDatagramInbox, endsOf, type FlowKey } from './datagram-inbox.ts';
import { type Libc, openLibc } from './libc.ts';
import { type ReadableWait, waitReadable } from './readable.ts';
import { createReplySockets } from './reply-sockets.ts';

/** Datagrams that TPROXY diverted to this process, of both families, on one port of loopback. */
export type TransparentUdp = {
  port: number;
  /** Answers to this flow are wanted, until `end`. */
  begin(flow: FlowKey): void;
  /**
   * As if the destination itself answered. What cannot be sent is dropped: it is UDP. So is what is for
   * a flow that has not begun, or has ended: answers are late at times.
   */
  reply(flow: FlowKey, datagrams: readonly Buffer[]): void;
  /** No more answers for this flow. */
  end(flow: FlowKey): void;
  stop(): Promise<void>;
};

const family = { four: 2, six: 10 } as const;
const datagramSocket = 2;
const level = { socket: 1, ip: 0, ipv6: 41 } as const;
/** asm-generic/socket.h, linux/in.h, linux/in6.h. */
const option = {
  reuseAddress: 2,
  receiveBufferForce: 33,
  four: { transparent: 19, receiveOriginal: 20 },
  six: { transparent: 75, receiveOriginal: 74, only: 26 },
} as const;
const receiveBufferBytes = 4_194_304;

/**
 * Throws where it cannot be had: no Linux, no koffi, or not the capabilities for it. The rules that
 * bring datagrams here, and the one that keeps answers out of them, are the caller's.
 */
export const openTransparentUdp = async (parts: {
  /** In one call what was there; the payloads are the receiver's to keep. */
  onDatagrams: (batch: ReadonlyMap<FlowKey, Buffer[]>) => void;
}): Promise<TransparentUdp> => {
  const libc = await openLibc();
  if (!libc) throw new Error('transparent UDP needs Linux on x64 or arm64, and the package koffi');
  checkReplies(libc);
  const { sockets, port } = openBoth(libc);
  const own = new Set(sockets.map((socket) => libc.localAddress(socket).toString('latin1')));
  const inbox = createDatagramInbox(libc);
  const replies = createReplySockets(libc, (address) =>
    openTransparent(libc, address, (socket) =>
      libc.setOption(socket, level.socket, option.reuseAddress, 1),
    ),
  );
  let wait: ReadableWait | undefined;
  const close = () => {
    for (const socket of sockets) libc.close(socket);
    replies.stop();
    inbox.free();
  };
  try {
    wait = await waitReadable({
      descriptors: sockets,
      onReadable(descriptor) {
        const batch = inbox.read(descriptor);
        // What is sent to the port itself was diverted by nobody, and would go round in circles.
        for (const flow of batch.keys()) if (own.has(endsOf(flow).destination)) batch.delete(flow);
        if (batch.size > 0) parts.onDatagrams(batch);
      },
    });
  } catch (error) {
    close();
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    port,
    begin: replies.begin,
    reply: replies.send,
    end: replies.end,
    stop() {
      stopping ??= wait.stop().then(close);
      return stopping;
    },
  };
};

/** What is asked of a well-known port is answered from it. */
const checkReplies = (libc: Libc): void => {
  try {
    libc.close(openTransparent(libc, socketAddress(Buffer.of(192, 0, 2, 1), 443), () => {}));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') return;
    throw new Error(
      `datagrams cannot be answered for others (${message}): it takes CAP_NET_ADMIN and CAP_NET_BIND_SERVICE`,
    );
  }
};

const maxPortTries = 20;

/** The rules name one port for both families. */
const openBoth = (libc: Libc): { sockets: number[]; port: number } => {
  for (let tries = 1; ; tries++) {
    const four = openListener(libc, socketAddress(Buffer.of(127, 0, 0, 1), 0));
    const port = libc.localAddress(four).readUInt16BE(2);
    const loopbackSix = Buffer.concat([Buffer.alloc(15), Buffer.of(1)]);
    try {
      return { sockets: [four, openListener(libc, socketAddress(loopbackSix, port))], port };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A machine without IPv6 has no IPv6 datagrams either.
      if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return { sockets: [four], port };
      libc.close(four);
      if (code !== 'EADDRINUSE' || tries === maxPortTries) throw error;
    }
  }
};

const openListener = (libc: Libc, address: Buffer): number =>
  openTransparent(libc, address, (socket, isSix) => {
    const [ofLevel, receiveOriginal] = isSix
      ? [level.ipv6, option.six.receiveOriginal]
      : [level.ip, option.four.receiveOriginal];
    libc.setOption(socket, ofLevel, receiveOriginal, 1);
    libc.setOption(socket, level.socket, option.receiveBufferForce, receiveBufferBytes);
  });

/** A socket that may have any address, bound to this one. */
const openTransparent = (
  libc: Libc,
  address: Buffer,
  prepare: (socket: number, isSix: boolean) => void,
): number => {
  const isSix = address.readUInt16LE(0) === family.six;
  const socket = libc.socket(isSix ? family.six : family.four, datagramSocket, 0);
  try {
    if (isSix) {
      libc.setOption(socket, level.ipv6, option.six.only, 1);
      libc.setOption(socket, level.ipv6, option.six.transparent, 1);
    } else {
      libc.setOption(socket, level.ip, option.four.transparent, 1);
    }
    prepare(socket, isSix);
    libc.bind(socket, address);
    return socket;
  } catch (error) {
    libc.close(socket);
    throw error;
  }
};

/** struct sockaddr_in or sockaddr_in6. */
const socketAddress = (address: Buffer, port: number): Buffer => {
  const isSix = address.length === 16;
  const bytes = Buffer.alloc(isSix ? 28 : 16);
  bytes.writeUInt16LE(isSix ? family.six : family.four, 0);
  bytes.writeUInt16BE(port, 2);
  address.copy(bytes, isSix ? 8 : 4);
  return bytes;
};

/** Who sent to whom, for people and for the policy. */
export const readFlow = (
  flow: FlowKey,
): Record<'source' | 'destination', { host: string; port: number }> => {
  const half = flow.length / 2;
  return {
    source: readAddress(Buffer.from(flow.slice(0, half), 'latin1')),
    destination: readAddress(Buffer.from(flow.slice(half), 'latin1')),
  };
};

const readAddress = (bytes: Buffer): { host: string; port: number } => {
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === family.four) return { host: bytes.subarray(4, 8).join('.'), port };
  const groups = bytes.toString('hex', 8, 24).match(/.{4}/g) ?? [];
  // As RFC 5952 writes it; the URL parser does.
  return { host: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port };
};
