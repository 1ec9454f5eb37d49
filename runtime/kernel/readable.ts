/** Waits for bytes on descriptors that libuv does not know, on one thread of its pool. */
export type ReadableWait = {
  /** Resolves once no wait is under way: descriptors may be closed then. */
  stop(): Promise<void>;
};

const nonBlocking = 0o4_000;
const closeOnExec = 0o2_000_000;
const readable = 1;
/** struct pollfd: descriptor, events asked for, events there are. */
const entryBytes = 8;
/** What an eventfd counts. */
const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
/** Ended by `stop`, but by nothing when the process exits meanwhile: Node waits for its threads. */
const waitMs = 1_000;

/** Calls `onReadable` in a turn of its own each time there is something, until it is stopped. */
export const waitReadable = async (parts: {
  descriptors: readonly number[];
  onReadable: (descriptor: number) => void;
}): Promise<ReadableWait> => {
  const system = await bindSystem();
  const wake = system.eventfd(0, nonBlocking | closeOnExec);
  const all = [...parts.descriptors, wake];
  const entries = system.allocate(all.length * entryBytes);
  for (const [i, descriptor] of all.entries()) {
    entries.bytes.writeInt32LE(descriptor, i * entryBytes);
    entries.bytes.writeInt16LE(readable, i * entryBytes + 4);
  }
  let isStopped = false;
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const wait = () => system.poll.async(entries.address, all.length, waitMs, turn);
  const turn = () => {
    if (isStopped) {
      system.close(wake);
      system.free(entries);
      return ended();
    }
    for (const [i, descriptor] of parts.descriptors.entries()) {
      if (entries.bytes.readInt16LE(i * entryBytes + 6) !== 0) parts.onReadable(descriptor);
    }
    return wait();
  };
  wait();

  return {
    stop() {
      if (!isStopped) {
        isStopped = true;
        system.write(wake, one, one.length);
      }
      return end;
    },
  };
};

const bindSystem = async () => {
  const koffi = (await import('koffi')).default;
  const library = koffi.load('libc.so.6');
  return {
    poll: library.func('int poll(void *, ulong, int)') as unknown as { async: Poll },
    eventfd: library.func('int eventfd(uint, int)') as (value: number, flags: number) => number,
    write: library.func('long write(int, const void *, size_t)') as Write,
    close: library.func('int close(int)') as (descriptor: number) => number,
    allocate(size: number) {
      const address = koffi.alloc('uint8', size) as bigint;
      return { address, bytes: Buffer.from(koffi.view(address, size)).fill(0) };
    },
    free: ({ address }: { address: bigint }) => void koffi.free(address),
  };
};

type Poll = (entries: bigint, count: number, timeoutMs: number, done: () => void) => void;
type Write = (descriptor: number, bytes: Buffer, length: number) => number;
