import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

/**
 * The C library, for what Node has no words for. All calls are synchronous and so run on the calling
 * thread, which is what setns and the scheduler go by. Pointers are addresses (`koffi.address`) of
 * memory the caller keeps, see `allocate`.
 */
const library = koffi.load('libc.so.6');

const errnoOfInterrupt = 4;

/** The call's result; throws an error with the kernel's code where it is -1. Repeats after EINTR. */
const checked =
  <A extends (number | bigint | null)[]>(name: string, call: (...given: A) => number) =>
  (...given: A): number => {
    for (;;) {
      const result = call(...given);
      if (result !== -1) return result;
      const errno = koffi.errno();
      if (errno !== errnoOfInterrupt) throw systemError(name, errno);
    }
  };

const systemError = (name: string, errno: number): NodeJS.ErrnoException =>
  Object.assign(new Error(`${name}: ${getSystemErrorName(-errno)}`), {
    code: getSystemErrorName(-errno),
    errno,
    syscall: name,
  });

const declare = <A extends (number | bigint | null)[]>(prototype: string) => {
  const call = library.func(prototype) as unknown as (...given: A) => number;
  return checked<A>(/(\w+)\(/.exec(prototype)?.[1] ?? prototype, call);
};

export const setns = declare<[descriptor: number, kind: number]>('int setns(int, int)');
export const socket = declare<[family: number, type: number, protocol: number]>(
  'int socket(int, int, int)',
);
export const close = declare<[descriptor: number]>('int close(int)');
export const bind = declare<[descriptor: number, address: bigint, size: number]>(
  'int bind(int, void *, uint)',
);
export const setsockopt = declare<
  [descriptor: number, level: number, option: number, value: bigint, size: number]
>('int setsockopt(int, int, int, void *, uint)');
// Variadic in C; on Linux's 64-bit machines such arguments travel as declared ones do.
export const ioctl = declare<[descriptor: number, request: number, argument: bigint]>(
  'int ioctl(int, ulong, void *)',
);
export const epollCreate1 = declare<[flags: number]>('int epoll_create1(int)');
export const epollCtl = declare<
  [descriptor: number, operation: number, watched: number, event: bigint]
>('int epoll_ctl(int, int, int, void *)');
export const prctl = declare<[option: number, value: number, c: number, d: number, e: number]>(
  'int prctl(int, ulong, ulong, ulong, ulong)',
);
export const schedSetscheduler = declare<[thread: number, policy: number, parameter: bigint]>(
  'int sched_setscheduler(int, int, void *)',
);

// Called for every packet: bare, without the wrapper's arrays. They answer -1 for any error.
export const send = library.func('int send(int, void *, size_t, int)') as unknown as (
  descriptor: number,
  bytes: bigint,
  size: number,
  flags: number,
) => number;
export const recvmmsg = library.func('int recvmmsg(int, void *, uint, int, void *)') as unknown as (
  descriptor: number,
  messages: bigint,
  count: number,
  flags: number,
  timeout: null,
) => number;
export const epollPwait2 = library.func(
  'int epoll_pwait2(int, void *, int, void *, void *)',
) as unknown as (
  descriptor: number,
  events: bigint,
  count: number,
  timeout: bigint,
  mask: null,
) => number;

/** The error of the call just made. */
export const lastError = (name: string): NodeJS.ErrnoException => systemError(name, koffi.errno());

/** Memory outside V8's heap: nothing moves or frees it while the kernel knows its address. */
export type Memory = { address: bigint; bytes: Uint8Array<ArrayBuffer>; view: DataView };

/** Never given back: what is allocated here lives as long as its process. */
export const allocate = (size: number): Memory => {
  const address = koffi.alloc('uint8', size) as bigint;
  const buffer = koffi.view(address, size);
  const bytes = new Uint8Array(buffer).fill(0);
  return { address, bytes, view: new DataView(buffer) };
};

/** Memory for one piece of synchronous work. */
export const withMemory = <T>(size: number, work: (memory: Memory) => T): T => {
  const memory = allocate(size);
  try {
    return work(memory);
  } finally {
    koffi.free(memory.address);
  }
};
