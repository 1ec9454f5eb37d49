import type { Libc } from './libc.ts';

/** One program's socket and one destination of its: the kernel's two socket addresses, as latin1. */
export type FlowKey = string;

/** Its two ends, each as the kernel writes it; both are as long as each other. */
export const endsOf = (flow: FlowKey): { source: Buffer; destination: string } => ({
  source: Buffer.from(flow.slice(0, flow.length / 2), 'latin1'),
  destination: flow.slice(flow.length / 2),
});

/** Reads diverted datagrams, many a call, each with the destination it was on its way to. */
export type DatagramInbox = {
  read(descriptor: number): Map<FlowKey, Buffer[]>;
  free(): void;
};

const batch = 64;
/** So that the rest of the program gets its turn; what is left is readable still. */
const maxCalls = 4;
/** struct mmsghdr and struct iovec of 64-bit Linux. */
const headerBytes = 64;
const vectorBytes = 16;
const sizes = { name: 32, control: 64, data: 65_536 } as const;
const slotBytes = vectorBytes + sizes.name + sizes.control + sizes.data;
/** IP_ORIGDSTADDR and IPV6_ORIGDSTADDR, by the level they come on. */
const originalDestination = new Map([
  [0, 20],
  [41, 74],
]);
const addressBytes = new Map([
  [2, 16],
  [10, 28],
]);

/** The memory stays for as long as the inbox; pages of it that no datagram ever needed are not taken. */
export const createDatagramInbox = (libc: Libc): DatagramInbox => {
  const headers = libc.allocate(batch * headerBytes);
  const rest = libc.allocate(batch * slotBytes);
  const slots = Array.from({ length: batch }, (_, i) => {
    const header = headers.bytes.subarray(i * headerBytes, (i + 1) * headerBytes);
    const nameAt = i * slotBytes + vectorBytes;
    const controlAt = nameAt + sizes.name;
    const dataAt = controlAt + sizes.control;
    header.writeBigUInt64LE(rest.address + BigInt(nameAt), 0);
    header.writeBigUInt64LE(rest.address + BigInt(i * slotBytes), 16);
    header.writeBigUInt64LE(1n, 24);
    header.writeBigUInt64LE(rest.address + BigInt(controlAt), 32);
    rest.bytes.writeBigUInt64LE(rest.address + BigInt(dataAt), i * slotBytes);
    rest.bytes.writeBigUInt64LE(BigInt(sizes.data), i * slotBytes + 8);
    return { header, nameAt, controlAt, dataAt };
  });
  const reset = (header: Buffer) => {
    header.writeUInt32LE(sizes.name, 8);
    header.writeUInt32LE(sizes.control, 40);
    header.writeUInt32LE(0, 44);
  };
  for (const { header } of slots) reset(header);

  return {
    read(descriptor) {
      const found = new Map<FlowKey, Buffer[]>();
      for (let call = 0; call < maxCalls; call++) {
        const count = libc.receive(descriptor, headers, batch, 0);
        for (const { header, nameAt, controlAt, dataAt } of slots.slice(0, count)) {
          const length = header.readUInt32LE(56);
          const controlBytes = header.readUInt32LE(40);
          const flow = readFlowKey(rest.bytes, nameAt, controlAt, controlAt + controlBytes);
          reset(header);
          if (flow === undefined) continue;
          const datagram = Buffer.from(rest.bytes.subarray(dataAt, dataAt + length));
          const datagrams = found.get(flow);
          if (datagrams) datagrams.push(datagram);
          else found.set(flow, [datagram]);
        }
        if (count < batch) break;
      }
      return found;
    },
    free() {
      libc.free(headers);
      libc.free(rest);
    },
  };
};

/** struct cmsghdr: length, level, type, then the value; each begins at a multiple of eight. */
const readFlowKey = (
  bytes: Buffer,
  nameAt: number,
  controlAt: number,
  controlEnd: number,
): FlowKey | undefined => {
  const length = addressBytes.get(bytes.readUInt16LE(nameAt));
  if (length === undefined) return undefined;
  for (let at = controlAt; at + 16 + length <= controlEnd; ) {
    const pieceBytes = Number(bytes.readBigUInt64LE(at));
    if (originalDestination.get(bytes.readInt32LE(at + 8)) === bytes.readInt32LE(at + 12)) {
      const source = bytes.toString('latin1', nameAt, nameAt + length);
      return source + bytes.toString('latin1', at + 16, at + 16 + length);
    }
    if (pieceBytes < 16) return undefined;
    at += (pieceBytes + 7) & ~7;
  }
  return undefined;
};
