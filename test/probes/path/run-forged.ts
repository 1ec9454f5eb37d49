import { createPathEngine } from '#probes/path/engine.ts';
import { internetChecksum } from '#probes/path/packet.ts';
import { encodeAddress } from '#probes/path/sockets/address.ts';
import { family, protocol, type } from '#probes/path/sockets/numbers.ts';
import { openLibc } from '#runtime/kernel/libc.ts';

/** Echoes and traces loopback, with ICMP errors before each whose quoted headers lie about their length. */
const libc = await openLibc();
if (libc === undefined) throw new Error('no libc');
const raw = libc.socket(family[4], type.raw, protocol.icmp);
const forge = (headerWords: number): void => {
  const packet = Buffer.alloc(36);
  packet.writeUInt8(11, 0);
  packet.writeUInt8(0x40 + headerWords, 8);
  packet.writeUInt8(17, 17);
  packet.set([127, 0, 0, 1, 127, 0, 0, 1], 20);
  packet.writeUInt16BE(internetChecksum(packet), 2);
  const failed = libc.send(raw, packet, encodeAddress('127.0.0.1', 0));
  if (failed !== 0) throw new Error(`not sent: ${failed}`);
};

const engine = createPathEngine();
const signal = new AbortController().signal;
const trace = (way: 'icmp' | 'udp' | 'tcp') =>
  engine.trace(
    {
      address: '127.0.0.1',
      protocol: way,
      port: 9,
      packetCount: 1,
      maxHops: 3,
      knownHopCount: null,
      packetTimeoutMs: 2_000,
      flows: 1,
      intervalMs: null,
    },
    signal,
  );
const said: string[] = [];
for (const way of ['icmp', 'udp', 'tcp', 'echo'] as const) {
  for (let words = 0; words < 16; words += 1) forge(words);
  const answer =
    way === 'echo'
      ? await engine.echo({ address: '127.0.0.1', count: 1, timeoutMs: 2_000 }, signal)
      : await trace(way);
  const method = answer.kind === 'packets' ? answer.method : answer.reason;
  const kinds = answer.kind === 'packets' ? answer.packets.map((one) => one.answer?.kind) : [];
  said.push(`${way}: ${method}, ${[...new Set(kinds)].join()}`);
  // The first opens the sockets: only from then on they are there to be met.
  if (said.length === 1) for (let words = 0; words < 16; words += 1) forge(words);
}
process.stdout.write(JSON.stringify(said));
await engine.stop();
