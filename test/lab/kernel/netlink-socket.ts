import {
  allocate,
  bind,
  close,
  lastError,
  type Memory,
  recvmmsg,
  send,
  setsockopt,
  socket,
  withMemory,
} from './libc.ts';

const familyNetlink = 16;
const typeRaw = 3 | 0x8_0000; // SOCK_RAW | SOCK_CLOEXEC
const protocolNetfilter = 12;
const levelSocket = 1;
const optionReceiveBufferForce = 33;
const levelNetlink = 270;
const optionNoBufferErrors = 5;

/** A NETLINK_NETFILTER socket in the namespace this thread is in; it stays there. */
export const openNetfilterSocket = (receiveBufferBytes: number): number => {
  const descriptor = socket(familyNetlink, typeRaw, protocolNetfilter);
  try {
    setOption(descriptor, levelSocket, optionReceiveBufferForce, receiveBufferBytes);
    // The kernel lets packets pass that find no room (fail-open); being told helps nobody.
    setOption(descriptor, levelNetlink, optionNoBufferErrors, 1);
    withMemory(12, ({ address, view }) => {
      view.setUint16(0, familyNetlink, true); // struct sockaddr_nl; the kernel gives the port id
      bind(descriptor, address, 12);
    });
    return descriptor;
  } catch (error) {
    close(descriptor);
    throw error;
  }
};

const setOption = (descriptor: number, level: number, option: number, value: number): void =>
  withMemory(4, ({ address, view }) => {
    view.setInt32(0, value, true);
    setsockopt(descriptor, level, option, address, 4);
  });

/** The kernel acts on the messages within this call: a packet let go is on its way afterwards. */
export const sendMessages = (descriptor: number, memory: Memory, byteCount: number): void => {
  while (send(descriptor, memory.address, byteCount, 0) === -1) {
    const error = lastError('send');
    // No memory for the copy, or a signal: nothing was acted on, and packets wait for it.
    if (!passing.has(error.code ?? '')) throw error;
  }
};

const passing = new Set(['EINTR', 'EAGAIN', 'ENOBUFS']);

const flagDontWait = 0x40;
const mmsghdrBytes = 64;
const lengthOffset = 56;
const iovecBytes = 16;

/** Where one recvmmsg puts its messages, one after the other in slots of equal size. */
export type Inbox = {
  view: DataView;
  slotBytes: number;
  /** How many messages came; 0 where none waits. */
  receive(descriptor: number): number;
  lengthOf(slot: number): number;
};

export const createInbox = (slotCount: number, slotBytes: number): Inbox => {
  const slots = allocate(slotCount * slotBytes);
  const vectors = allocate(slotCount * iovecBytes);
  const headers = allocate(slotCount * mmsghdrBytes);
  for (let slot = 0; slot < slotCount; slot += 1) {
    const vector = slot * iovecBytes;
    vectors.view.setBigUint64(vector, slots.address + BigInt(slot * slotBytes), true);
    vectors.view.setBigUint64(vector + 8, BigInt(slotBytes), true);
    const header = slot * mmsghdrBytes;
    headers.view.setBigUint64(header + 16, vectors.address + BigInt(vector), true);
    headers.view.setBigUint64(header + 24, 1n, true);
  }
  return {
    view: slots.view,
    slotBytes,
    receive(descriptor) {
      const count = recvmmsg(descriptor, headers.address, slotCount, flagDontWait, null);
      if (count !== -1) return count;
      const error = lastError('recvmmsg');
      if (passing.has(error.code ?? '')) return 0;
      throw error;
    },
    lengthOf: (slot) => headers.view.getUint32(slot * mmsghdrBytes + lengthOffset, true),
  };
};
