import { describeErrno } from './libc.ts';

/** A network interface whose packets are this program's. Goes when its last holder closes or dies. */
export type Tun = {
  /** As the kernel named it. */
  name: string;
  /** Gives packets to the kernel, as if they had come in by this interface; returns how many it took. */
  write(packets: readonly Buffer[]): number;
  /** Stopping twice is fine. */
  close(): Promise<void>;
};

/** No TUN device can be had; the message names what is missing. */
export class TunUnavailable extends Error {
  override name = 'TunUnavailable';
}

const openReadWrite = 2;
const nonBlocking = 0o4_000;
const closeOnExec = 0o2_000_000;
/** TUNSETIFF of linux/if_tun.h. */
const setInterface = 0x4004_54ca;
/** IFF_TUN | IFF_NO_PI: bare IP packets. */
const bareIpPackets = 0x1001;
const readable = 1;
const errorOrHangUp = 0x38;
const again = 11;
const notPermitted = 1;
const accessDenied = 13;
/** Packets of one turn of the event loop, so that others get theirs. */
export const batchPackets = 512;
/**
 * The wait is ended by `close`, but by nothing when the process exits while it goes on: Node would
 * then wait for its thread.
 */
const pollMs = 1_000;

/**
 * Opens a TUN device. It is down and has no addresses yet (`ip` does that). Packets given to
 * `onPackets` are views of memory that the next batch overwrites.
 */
export const openTun = async (parts: {
  /** Of its name; the kernel adds a number. */
  prefix: string;
  /** Longer packets are cut: the interface's own MTU must not be larger. */
  mtuBytes: number;
  onPackets: (packets: Buffer[]) => void;
  /** It was removed by somebody else. */
  onLost: (reason: string) => void;
}): Promise<Tun> => {
  const system = await bindSystem();
  const { descriptor, name } = openDevice(system, parts.prefix);
  const wake = system.eventfd(0, nonBlocking | closeOnExec);
  const slots = makeSlots(parts.mtuBytes);
  const waited = system.allocate(16);
  waited.bytes.writeInt32LE(descriptor, 0);
  waited.bytes.writeInt16LE(readable, 4);
  waited.bytes.writeInt32LE(wake, 8);
  waited.bytes.writeInt16LE(readable, 12);
  let isClosed = false;
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });

  const readBatch = (): Buffer[] | undefined => {
    const packets: Buffer[] = [];
    for (const slot of slots) {
      const length = system.read(descriptor, slot, slot.length);
      if (length > 0) packets.push(slot.subarray(0, length));
      else return system.errno() === again || packets.length > 0 ? packets : undefined;
    }
    return packets;
  };
  const wait = () => system.poll.async(waited.address, 2, pollMs, turn);
  const turn = () => {
    if (isClosed) return release();
    const events = waited.bytes.readInt16LE(6);
    const packets = (events & (readable | errorOrHangUp)) === 0 ? [] : readBatch();
    if (packets === undefined) {
      isClosed = true;
      release();
      return parts.onLost(`${name} was removed (${describeErrno(system.errno())})`);
    }
    if (packets.length > 0) parts.onPackets(packets);
    return wait();
  };
  const release = () => {
    system.close(descriptor);
    system.close(wake);
    system.free(waited);
    ended();
  };
  wait();

  return {
    name,
    write(packets) {
      if (isClosed) return 0;
      let taken = 0;
      for (const packet of packets) {
        if (system.write(descriptor, packet, packet.length) === packet.length) taken += 1;
      }
      return taken;
    },
    close() {
      if (!isClosed) {
        isClosed = true;
        system.write(wake, one, one.length);
      }
      return end;
    },
  };
};

/** What an eventfd counts. */
const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

const makeSlots = (mtuBytes: number): Buffer[] => {
  const memory = Buffer.allocUnsafeSlow(batchPackets * mtuBytes);
  return Array.from({ length: batchPackets }, (_, i) =>
    memory.subarray(i * mtuBytes, (i + 1) * mtuBytes),
  );
};

const openDevice = (system: System, prefix: string): { descriptor: number; name: string } => {
  const path = '/dev/net/tun';
  const descriptor = system.open(path, openReadWrite | nonBlocking | closeOnExec);
  if (descriptor === -1) {
    const errno = system.errno();
    const isThere = errno === notPermitted || errno === accessDenied;
    throw new TunUnavailable(
      `cannot open ${path}: ${describeErrno(errno)}; ${
        isThere
          ? 'this user may not: its mode has to let it'
          : 'load the kernel module tun, or give the container the device'
      }`,
    );
  }
  // struct ifreq: the name, then the flags.
  const request = Buffer.alloc(40);
  request.write(`${prefix}%d`, 0, 15, 'latin1');
  request.writeUInt16LE(bareIpPackets, 16);
  if (system.ioctl(descriptor, setInterface, request) === -1) {
    const reason = describeErrno(system.errno());
    system.close(descriptor);
    throw new TunUnavailable(`cannot make a TUN device: ${reason}; it takes CAP_NET_ADMIN`);
  }
  return { descriptor, name: request.toString('latin1', 0, request.indexOf(0)) };
};

type System = Awaited<ReturnType<typeof bindSystem>>;

const bindSystem = async () => {
  if (process.platform !== 'linux') {
    throw new TunUnavailable(`TUN devices are had on Linux only, not on ${process.platform}`);
  }
  const koffi = await import('koffi').then(
    (found) => found.default,
    () => {
      throw new TunUnavailable('the package koffi is not installed: TUN devices need it');
    },
  );
  const library = koffi.load('libc.so.6');
  return {
    open: library.func('int open(const char *, int)') as (path: string, flags: number) => number,
    ioctl: library.func('int ioctl(int, ulong, void *)') as (
      descriptor: number,
      request: number,
      argument: Buffer,
    ) => number,
    read: library.func('long read(int, void *, size_t)') as Transfer,
    write: library.func('long write(int, const void *, size_t)') as Transfer,
    close: library.func('int close(int)') as (descriptor: number) => number,
    eventfd: library.func('int eventfd(uint, int)') as (value: number, flags: number) => number,
    poll: library.func('int poll(void *, ulong, int)') as unknown as { async: Poll },
    errno: () => koffi.errno(),
    allocate(size: number) {
      const address = koffi.alloc('uint8', size) as bigint;
      return { address, bytes: Buffer.from(koffi.view(address, size)).fill(0) };
    },
    free: ({ address }: { address: bigint }) => void koffi.free(address),
  };
};

type Transfer = (descriptor: number, bytes: Buffer, length: number) => number;
type Poll = (waited: bigint, count: number, timeoutMs: number, done: () => void) => void;
