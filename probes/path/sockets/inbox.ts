import type { Libc } from '#runtime/kernel/libc.ts';
import { addressText } from './address.ts';
import { family as families, ipOption, level, option } from './numbers.ts';

/** What a router, or this machine's own stack, said about a packet that was sent. */
export type SocketError = {
  origin: 'local' | 'icmp';
  type: number;
  code: number;
  errno: number;
  /** The next hop's MTU, where the packet was too big. */
  mtu: number;
  /** Who said so. */
  address: string;
};

export type Received = {
  /** On the error queue: what was quoted of the packet sent, from behind the header the socket hides. */
  data: Buffer;
  from: string;
  fromPort: number;
  /** CLOCK_REALTIME as the kernel took it in. */
  atNs: bigint | undefined;
  error: SocketError | undefined;
};

export type Inbox = {
  /**
   * All there is; `data` is only good until the next call. Each packet is by itself: one that cannot
   * be read is dropped, for whoever sends one must not end what others wait for.
   */
  read(descriptor: number, flags: number, take: (received: Received) => void): void;
};

const batch = 32;
const sizes = { name: 28, control: 512, data: 2_048 } as const;
/** struct mmsghdr and struct iovec of 64-bit Linux. */
const headerBytes = 64;
const vectorBytes = 16;
const slotBytes = headerBytes + vectorBytes + 32 + sizes.control + sizes.data;

/** Reads many messages a call, with timestamps and errors, into memory that stays. */
export const createInbox = (libc: Libc): Inbox => {
  const headers = libc.allocate(batch * headerBytes);
  const rest = libc.allocate(batch * (slotBytes - headerBytes));
  const slots = Array.from({ length: batch }, (_, index) => slotAt(headers, rest, index));
  for (const slot of slots) slot.reset();

  return {
    read(descriptor, flags, take) {
      for (;;) {
        const count = libc.receive(descriptor, headers, batch, flags);
        for (let index = 0; index < count; index += 1) {
          const slot = slots[index];
          if (slot === undefined) break;
          takeOne(slot, take);
        }
        if (count < batch) return;
      }
    },
  };
};

const takeOne = (slot: ReturnType<typeof slotAt>, take: (received: Received) => void): void => {
  try {
    take(slot.read());
  } catch {
    // Dropped: see Inbox.
  } finally {
    slot.reset();
  }
};

const slotAt = (
  headers: { address: bigint; bytes: Buffer },
  rest: { address: bigint; bytes: Buffer },
  index: number,
) => {
  const header = headers.bytes.subarray(index * headerBytes, (index + 1) * headerBytes);
  const from = index * (slotBytes - headerBytes);
  const nameAt = from + vectorBytes;
  const controlAt = nameAt + 32;
  const dataAt = controlAt + sizes.control;
  const pointer = (at: number) => rest.address + BigInt(at);
  header.writeBigUInt64LE(pointer(nameAt), 0);
  header.writeBigUInt64LE(pointer(from), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(pointer(controlAt), 32);
  rest.bytes.writeBigUInt64LE(pointer(dataAt), from);
  rest.bytes.writeBigUInt64LE(BigInt(sizes.data), from + 8);
  const name = rest.bytes.subarray(nameAt, nameAt + sizes.name);
  const control = rest.bytes.subarray(controlAt, controlAt + sizes.control);
  const data = rest.bytes.subarray(dataAt, dataAt + sizes.data);

  return {
    reset(): void {
      header.writeUInt32LE(sizes.name, 8);
      header.writeUInt32LE(sizes.control, 40);
      header.writeUInt32LE(0, 44);
      header.writeUInt32LE(0, 48);
    },
    read(): Received {
      const nameBytes = header.readUInt32LE(8);
      const facts = readControl(control.subarray(0, header.readUInt32LE(40)));
      return {
        data: data.subarray(0, header.readUInt32LE(56)),
        from: nameBytes >= 8 ? socketAddressText(name) : '',
        fromPort: nameBytes >= 4 ? name.readUInt16BE(2) : 0,
        ...facts,
      };
    },
  };
};

/** Empty where it is of no family known here, or not whole. */
const socketAddressText = (name: Buffer): string => {
  const family = name.readUInt16LE(0);
  if (family === families[4]) return addressText(name.subarray(4, 8));
  const isWhole = family === families[6] && name.length >= 24;
  return isWhole ? addressText(name.subarray(8, 24)) : '';
};

/**
 * struct cmsghdr: length, level, type, then the value; each begins at a multiple of eight. A value
 * that is shorter than what it is to hold ends the list.
 */
export const readControl = (control: Buffer): Pick<Received, 'atNs' | 'error'> => {
  let atNs: bigint | undefined;
  let error: SocketError | undefined;
  for (let at = 0; at + 16 <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < 16 || length > control.length - at) break;
    const ofLevel = control.readInt32LE(at + 8);
    const ofType = control.readInt32LE(at + 12);
    const value = control.subarray(at + 16, at + length);
    if (ofLevel === level.socket && ofType === option.timestamp) {
      if (value.length < 16) break;
      atNs = value.readBigInt64LE(0) * 1_000_000_000n + value.readBigInt64LE(8);
    } else if (
      (ofLevel === level.ip && ofType === ipOption[4].receiveErrors) ||
      (ofLevel === level.ipv6 && ofType === ipOption[6].receiveErrors)
    ) {
      if (value.length < 16) break;
      error = readError(value);
    }
    at += (length + 7) & ~7;
  }
  return { atNs, error };
};

/** struct sock_extended_err, and behind it the address of who said so. */
const readError = (value: Buffer): SocketError => ({
  errno: value.readUInt32LE(0),
  origin: value.readUInt8(4) === 1 ? 'local' : 'icmp',
  type: value.readUInt8(5),
  code: value.readUInt8(6),
  mtu: value.readUInt32LE(8),
  address: value.length >= 32 ? socketAddressText(value.subarray(16)) : '',
});
