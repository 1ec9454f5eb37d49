import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';

/** Memory outside V8's heap: nothing moves or frees it while the kernel knows its address. */
export type Memory = { address: bigint; bytes: Buffer };

/** What of the C library the path probes need. Calls are synchronous and never wait. */
export type Libc = {
  /** Non-blocking, closed on exec. Throws the system's error. */
  socket(family: number, type: number, protocol: number): number;
  close(descriptor: number): void;
  setOption(descriptor: number, level: number, option: number, value: number | Buffer): void;
  /** Four bytes as a number; undefined where the option cannot be read. */
  getNumber(descriptor: number, level: number, option: number): number | undefined;
  getBytes(descriptor: number, level: number, option: number, bytes: number): Buffer | undefined;
  bind(descriptor: number, address: Buffer): void;
  /** 0, or the error's number; EINPROGRESS is one of them. */
  connect(descriptor: number, address: Buffer): number;
  /** The socket's own address, as the kernel writes it. */
  localAddress(descriptor: number): Buffer;
  /** 0, or the error's number. */
  send(descriptor: number, bytes: Buffer, address: Buffer | null): number;
  /** Messages that were there; 0 where there were none. */
  receive(descriptor: number, messages: Memory, count: number, flags: number): number;
  /** CLOCK_REALTIME, the clock of the kernel's receive timestamps. */
  realtimeNs(): bigint;
  allocate(size: number): Memory;
  free(memory: Memory): void;
};

const nonBlocking = 0o4_000;
const closeOnExec = 0o2_000_000;

/**
 * Undefined where it cannot be had: no Linux, no koffi for this machine, or structures laid out in
 * another way than `inbox.ts` knows (32 bits, big-endian).
 */
export const openLibc = async (): Promise<Libc | undefined> => {
  const isKnown = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  if (!isKnown || endianness() !== 'LE') return undefined;
  try {
    return bindLibc((await import('koffi')).default);
  } catch {
    return undefined;
  }
};

type Call = (...given: (number | bigint | Buffer | null)[]) => number;

const bindLibc = (koffi: typeof import('koffi')['default']): Libc => {
  const library = koffi.load('libc.so.6');
  const declare = (prototype: string) => library.func(prototype) as unknown as Call;
  const socket = declare('int socket(int, int, int)');
  const close = declare('int close(int)');
  const setsockopt = declare('int setsockopt(int, int, int, void *, uint)');
  const getsockopt = declare('int getsockopt(int, int, int, void *, void *)');
  const bind = declare('int bind(int, void *, uint)');
  const connect = declare('int connect(int, void *, uint)');
  const getsockname = declare('int getsockname(int, void *, void *)');
  const sendto = declare('long sendto(int, void *, size_t, int, void *, uint)');
  const recvmmsg = declare('int recvmmsg(int, void *, uint, int, void *)');
  const clockGettime = declare('int clock_gettime(int, void *)');
  const time = Buffer.alloc(16);
  const number = Buffer.alloc(4);
  const size = Buffer.alloc(4);

  const must = (name: string, result: number): number => {
    if (result !== -1) return result;
    throw systemError(name, koffi.errno());
  };
  const errnoOf = (result: number): number => (result === -1 ? koffi.errno() : 0);

  return {
    socket: (family, type, protocol) =>
      must('socket', socket(family, type | nonBlocking | closeOnExec, protocol)),
    close: (descriptor) => void close(descriptor),
    setOption(descriptor, level, option, value) {
      const bytes = typeof value === 'number' ? number : value;
      if (typeof value === 'number') number.writeInt32LE(value);
      must('setsockopt', setsockopt(descriptor, level, option, bytes, bytes.length));
    },
    getNumber(descriptor, level, option) {
      size.writeUInt32LE(4);
      const failed = getsockopt(descriptor, level, option, number, size) === -1;
      return failed ? undefined : number.readInt32LE();
    },
    getBytes(descriptor, level, option, bytes) {
      const value = Buffer.alloc(bytes);
      size.writeUInt32LE(bytes);
      return getsockopt(descriptor, level, option, value, size) === -1 ? undefined : value;
    },
    bind: (descriptor, address) => void must('bind', bind(descriptor, address, address.length)),
    connect: (descriptor, address) => errnoOf(connect(descriptor, address, address.length)),
    localAddress(descriptor) {
      const address = Buffer.alloc(28);
      size.writeUInt32LE(address.length);
      must('getsockname', getsockname(descriptor, address, size));
      return address.subarray(0, size.readUInt32LE());
    },
    send: (descriptor, bytes, address) =>
      errnoOf(sendto(descriptor, bytes, bytes.length, 0, address, address?.length ?? 0)),
    receive: (descriptor, messages, count, flags) =>
      Math.max(0, recvmmsg(descriptor, messages.address, count, flags, null)),
    realtimeNs() {
      clockGettime(0, time);
      return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
    },
    allocate(bytes) {
      const address = koffi.alloc('uint8', bytes) as bigint;
      return { address, bytes: Buffer.from(koffi.view(address, bytes)).fill(0) };
    },
    free: ({ address }) => void koffi.free(address),
  };
};

export const systemError = (name: string, errno: number): NodeJS.ErrnoException => {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${name}: ${describeErrno(errno)}`), { code, errno: -errno });
};

/** In the system's words where they are worth more than the name. */
export const describeErrno = (errno: number): string => {
  const code = getSystemErrorName(-errno);
  return code === 'EPERM' || code === 'EACCES' ? `operation not permitted (${code})` : code;
};
