import { connect, type Socket } from 'node:net';

/**
 * A way to take a socket's bytes without a Readable in between. Bytes that come before someone
 * has attached wait, and the socket stops reading.
 */
export type Tap = { attach(deliver: Deliver): void };

/**
 * Takes a chunk, and calls `release` once nobody reads it any more: its memory is read into again.
 * False makes the socket stop reading; `socket.resume()` goes on.
 */
export type Deliver = (chunk: Buffer, release: () => void) => boolean;

export type Dialled = {
  socket: Socket;
  address: string;
  /** Handshake with this address. */
  connectMs: number;
  /** Before it began: other addresses had not answered by then. */
  waitedMs: number;
  tap: Tap;
};

export type DialError = 'refused' | 'timed-out' | 'unreachable' | 'reset';

/** No address answered; `kind` is the most telling of the attempts' errors. */
export class DialFailed extends Error {
  override name = 'DialFailed';
  readonly kind: DialError;
  constructor(kind: DialError, message: string) {
    super(message);
    this.kind = kind;
  }
}

const perAddressMs = 5_000;
/** RFC 8305's connection attempt delay: the next address starts beside the one still waiting. */
const staggerMs = 300;

/**
 * Connects to the first address that answers. Every attempt has its own 5 s: Node's
 * autoSelectFamily would give up on an address after 250 ms and call a far one unreachable.
 */
export const dial = (options: {
  addresses: readonly string[];
  port: number;
  signal: AbortSignal;
  /** `tap`: bytes go to the tap; `stream`: the socket is read as a stream. */
  read: 'tap' | 'stream';
}): Promise<Dialled> =>
  new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const waiting = [...options.addresses];
    const open = new Set<Socket>();
    const errors: { kind: DialError; message: string }[] = [];
    let stagger: NodeJS.Timeout | undefined;
    let settled = false;

    const settle = (winner: Socket | undefined) => {
      settled = true;
      clearTimeout(stagger);
      options.signal.removeEventListener('abort', onAbort);
      for (const socket of open) if (socket !== winner) socket.destroy();
    };
    const onAbort = () => {
      settle(undefined);
      reject(new DialFailed('reset', 'the client went away'));
    };
    const next = () => {
      clearTimeout(stagger);
      const address = waiting.shift();
      if (address === undefined) {
        if (open.size > 0) return;
        settle(undefined);
        return reject(worst(errors));
      }
      if (waiting.length > 0) stagger = setTimeout(next, staggerMs);
      const isFirst = waiting.length === options.addresses.length - 1;
      const waitedMs = isFirst ? 0 : performance.now() - startedMs;
      attempt(address, { ...options, open }).then(
        (dialled) => {
          if (settled) return dialled.socket.destroy();
          settle(dialled.socket);
          return resolve({ ...dialled, waitedMs });
        },
        (error: DialFailed) => {
          errors.push(error);
          if (!settled) next();
        },
      );
    };
    if (options.signal.aborted) return onAbort();
    options.signal.addEventListener('abort', onAbort, { once: true });
    next();
  });

const attempt = (
  address: string,
  options: { port: number; read: 'tap' | 'stream'; open: Set<Socket> },
): Promise<Omit<Dialled, 'waitedMs'>> =>
  new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const tap = createTap();
    const socket = connect({
      host: address,
      port: options.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      autoSelectFamily: false,
      ...(options.read === 'tap' ? { onread: tap.onread } : {}),
    });
    options.open.add(socket);
    const timer = setTimeout(
      () => socket.destroy(new DialFailed('timed-out', `${address}: no answer in 5 s`)),
      perAddressMs,
    );
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      options.open.delete(socket);
      reject(error instanceof DialFailed ? error : fromSystem(address, error));
    };
    const closed = () => fail(new DialFailed('reset', `${address}: given up`));
    socket.once('error', fail).once('close', closed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail).off('close', closed);
      tap.resume = () => socket.resume();
      resolve({ socket, address, connectMs: performance.now() - startedMs, tap });
    });
  });

const bufferBytes = 65_536;
/** Below this a copy is cheaper than giving a whole 64 KB buffer away. */
const copyBelowBytes = 8_192;

/** Buffers a flow keeps for its next reads: what one turn of a fast download has under way. */
const keptBuffers = 4;
/**
 * What every socket reads into until it has shown that it brings much: libuv reads and hands over
 * without a turn in between, and the bytes are copied out at once. So thousands of flows that say
 * little do not hold 64 KB each.
 */
const scratch = Buffer.allocUnsafeSlow(bufferBytes);

const createTap = () => {
  let buffer: Buffer = scratch;
  let deliver: Deliver | undefined;
  const free: Buffer[] = [];
  const early: Buffer[] = [];
  const nothing = () => {};
  const release = (used: Buffer) => {
    if (free.length < keptBuffers) free.push(used);
  };
  const give = (readBytes: number, from: Buffer, to: Deliver): boolean => {
    const isSmall = readBytes < copyBelowBytes;
    const isOwn = from !== scratch;
    if (isOwn && isSmall) release(from);
    buffer = isSmall ? scratch : (free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes));
    const read = from.subarray(0, readBytes);
    if (isOwn && !isSmall) return to(read, () => release(from));
    return to(Buffer.from(read), nothing);
  };
  const keep: Deliver = (chunk) => {
    early.push(chunk);
    return false;
  };
  const tap = {
    onread: {
      buffer: () => buffer,
      callback: (readBytes: number, from: Uint8Array): boolean =>
        give(readBytes, from as Buffer, deliver ?? keep),
    },
    resume: () => {},
    attach(to: Deliver) {
      deliver = to;
      const wantsMore = early.splice(0).map((chunk) => to(chunk, nothing));
      if (wantsMore.length > 0 && wantsMore.every(Boolean)) tap.resume();
    },
  };
  return tap;
};

const kinds: Record<string, DialError> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timed-out',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  ECONNRESET: 'reset',
};

const fromSystem = (address: string, error: NodeJS.ErrnoException): DialFailed =>
  new DialFailed(kinds[error.code ?? ''] ?? 'unreachable', `${address}: ${error.code ?? error}`);

/** An address that answers "no" says more than one that is silent. */
const worst = (errors: readonly { kind: DialError; message: string }[]): DialFailed => {
  for (const kind of ['refused', 'reset', 'timed-out'] as const) {
    const found = errors.find((error) => error.kind === kind);
    if (found) return new DialFailed(found.kind, found.message);
  }
  return new DialFailed('unreachable', errors[0]?.message ?? 'no address to try');
};
