/** Ends of what `ip.ts` measures: the device's, and both of a TUN device that sends everything back. */
import { createInterface } from 'node:readline';
import koffi from 'koffi';
import { openIpFlow } from '#agent/tunnel/ip-flow.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import { addressText } from '#runtime/ip-packet.ts';
import { configureLink } from '#runtime/kernel/configure-link.ts';
import { openTun } from '#runtime/kernel/tun.ts';
import { silentLog } from '#runtime/log.ts';

type Settings =
  | { role: 'echo' }
  | { role: 'sender' }
  | { role: 'device'; identity: Identity; edge: EdgeEntry; range: string };
type Question = { seconds: number; window: number };

const mtuBytes = 1_400;
const lost = (reason: string) => {
  throw new Error(reason);
};

/** Addresses and ports the other way round: no checksum changes by that. */
const turnRound = (packet: Buffer): void => {
  const from = packet.readUInt32BE(12);
  packet.writeUInt32BE(packet.readUInt32BE(16), 12);
  packet.writeUInt32BE(from, 16);
  const port = packet.readUInt16BE(20);
  packet.writeUInt16BE(packet.readUInt16BE(22), 20);
  packet.writeUInt16BE(port, 22);
};

const startEcho = async () => {
  const tun = await openTun({
    prefix: 'echo',
    mtuBytes,
    onPackets(packets) {
      const udp = packets.filter((packet) => packet[0] === 0x45 && packet[9] === 17);
      for (const packet of udp) turnRound(packet);
      tun.write(udp);
    },
    onLost: lost,
  });
  await configureLink([
    `link set dev ${tun.name} addrgenmode none`,
    `link set dev ${tun.name} mtu ${mtuBytes} up`,
    `addr add 10.79.0.1/24 dev ${tun.name}`,
  ]);
};

/** A socket that never waits: Node's own sends a fraction of what is to be measured. */
const startSender = () => {
  const library = koffi.load('libc.so.6');
  const socket = library.func('int socket(int, int, int)');
  const connect = library.func('int connect(int, const void *, uint)');
  const send = library.func('long send(int, const void *, size_t, int)');
  const receive = library.func('long recv(int, void *, size_t, int)');
  const datagram = Buffer.alloc(mtuBytes - 28, 7);
  const answer = Buffer.alloc(2_048);
  const descriptor: number = socket(2, 2 | 0o4_000, 0);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(2, 0);
  address.writeUInt16BE(9, 2);
  address.set([10, 79, 0, 2], 4);
  connect(descriptor, address, address.length);
  return ({ seconds, window }: Question): { count: number } => {
    const endMs = performance.now() + seconds * 1_000;
    let count = 0;
    let underWay = 0;
    let silentTurns = 0;
    while (performance.now() < endMs) {
      for (; underWay < window; underWay++) send(descriptor, datagram, datagram.length, 0);
      let came = 0;
      while (receive(descriptor, answer, answer.length, 0) > 0) came += 1;
      count += came;
      underWay -= came;
      silentTurns = came > 0 ? 0 : silentTurns + 1;
      // Lost ones are not waited for.
      if (silentTurns > 100_000) underWay = 0;
    }
    return { count };
  };
};

const startDevice = async ({
  identity,
  edge,
  range,
}: Extract<Settings, { role: 'device' }>): Promise<void> => {
  const tunnel = createTunnel({ identity: () => identity, log: silentLog() });
  tunnel.setEdges([edge], edge.id);
  const tun = await openTun({
    prefix: 'bench',
    mtuBytes,
    onPackets: (packets) => flow.send(packets),
    onLost: lost,
  });
  const signal = AbortSignal.timeout(30_000);
  const flow = await tunnel.withSession(
    (session, edgeId) =>
      openIpFlow({
        ...{ session, edgeId, signal, onClose: lost },
        onPackets: (packets) => void tun.write(packets),
      }),
    signal,
  );
  const [own = Buffer.alloc(4)] = flow.addresses;
  await configureLink([
    `link set dev ${tun.name} addrgenmode none`,
    `link set dev ${tun.name} mtu ${mtuBytes} up`,
    `addr add ${addressText(own)}/32 dev ${tun.name}`,
    `route add ${range} dev ${tun.name}`,
  ]);
};

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const measure = settings.role === 'sender' ? startSender() : undefined;
if (settings.role === 'echo') await startEcho();
if (settings.role === 'device') await startDevice(settings);
console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(measure?.(JSON.parse(line) as Question) ?? {}));
}
process.exit(0);
