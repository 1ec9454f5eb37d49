/** Ends of what `udp.ts` measures: a program with datagrams under way, who sends them back, and the device. */
import { createInterface } from 'node:readline';
import koffi from 'koffi';
import { addPolicyRouting } from '#agent/capture/policy-routing.ts';
import { captureCommands } from '#agent/capture/rules.ts';
import { startUdpCapture } from '#agent/capture/udp.ts';
import { createOpenUdp } from '#agent/forwarding/open-udp.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import { holdTable } from '#runtime/kernel/owned-table.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

type Settings =
  | { role: 'echo'; port: number }
  | { role: 'sender'; host: string; port: number; uid: number }
  | { role: 'device'; identity: Identity; edge: EdgeEntry; past: string[] };
type Question = { seconds: number; window: number };

const datagramBytes = 1_200;
const library = koffi.load('libc.so.6');
const socket = library.func('int socket(int, int, int)');
const bind = library.func('int bind(int, const void *, uint)');
const connect = library.func('int connect(int, const void *, uint)');
const setOption = library.func('int setsockopt(int, int, int, const void *, uint)');
const send = library.func('long send(int, const void *, size_t, int)');
const receive = library.func('long recv(int, void *, size_t, int)');
const sendTo = library.func('long sendto(int, const void *, size_t, int, const void *, uint)');
const receiveFrom = library.func('long recvfrom(int, void *, size_t, int, void *, void *)');

const addressOf = (host: string, port: number): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(2, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(host.split('.').map(Number), 4);
  return bytes;
};

/** Waits in the kernel, not in a loop: neither end takes a core from what is measured. */
const echoForEver = (port: number): never => {
  const descriptor: number = socket(2, 2, 0);
  bind(descriptor, addressOf('0.0.0.0', port), 16);
  const bytes = Buffer.alloc(2_048);
  const from = Buffer.alloc(16);
  const length = Buffer.from([16, 0, 0, 0]);
  for (;;) {
    const count: number = receiveFrom(descriptor, bytes, bytes.length, 0, from, length);
    if (count >= 0) sendTo(descriptor, bytes, count, 0, from, 16);
  }
};

const startSender = ({ host, port, uid }: Extract<Settings, { role: 'sender' }>) => {
  // Not the agent's user, or nothing would be captured.
  process.setuid?.(uid);
  const descriptor: number = socket(2, 2, 0);
  // SO_RCVTIMEO: after 20 ms of silence what is under way counts as lost.
  const silence = Buffer.alloc(16);
  silence.writeBigInt64LE(20_000n, 8);
  setOption(descriptor, 1, 20, silence, 16);
  connect(descriptor, addressOf(host, port), 16);
  const datagram = Buffer.alloc(datagramBytes, 7);
  const answer = Buffer.alloc(2_048);
  return ({ seconds, window }: Question): { count: number; lost: number } => {
    const endMs = performance.now() + seconds * 1_000;
    let count = 0;
    let lost = 0;
    let underWay = 0;
    while (performance.now() < endMs) {
      for (; underWay < window; underWay++) send(descriptor, datagram, datagram.length, 0);
      const length: number = receive(descriptor, answer, answer.length, 0);
      if (length === datagramBytes && answer.equals(expected)) {
        count += 1;
        underWay -= 1;
      } else if (length >= 0) {
        throw new Error('another datagram came back than was sent');
      } else {
        lost += underWay;
        underWay = 0;
      }
    }
    return { count, lost };
  };
};
const expected = Buffer.concat([
  Buffer.alloc(datagramBytes, 7),
  Buffer.alloc(2_048 - datagramBytes),
]);

/** The product's way of a program that knows no proxy: TPROXY, and connect-udp to the edge. */
const startDevice = async ({
  identity,
  edge,
  past,
}: Extract<Settings, { role: 'device' }>): Promise<void> => {
  const log = silentLog();
  const tunnel = createTunnel({ identity: () => identity, log });
  tunnel.setEdges([edge], edge.id);
  await waitUntil(() => tunnel.status().state === 'up');
  const policy = compileRoutePolicy(
    { mode: 'tunnel', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
    { services: [], listeners: [] },
  );
  const capture = await startUdpCapture({
    openUdp: createOpenUdp({ tunnel, policy: () => policy, log }),
    // The edge has an address of its own for this name; the program's is only there to be captured.
    factsOf: ({ port }) => ({ host: 'bench.test', port }),
    log,
  });
  await addPolicyRouting();
  const table = await holdTable({
    family: 'inet',
    name: 'bench_udp',
    onLost: (reason) => {
      throw new Error(reason);
    },
  });
  const nothing = { four: [], six: [] };
  await table.run(
    captureCommands({
      table: table.name,
      own: { uids: [0] },
      past: { tcp: nothing, udp: { four: past, six: [] } },
      tcpPort: undefined,
      dns: [],
      udp: { port: capture.port },
    }),
  );
};

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const measure = settings.role === 'sender' ? startSender(settings) : undefined;
if (settings.role === 'device') await startDevice(settings);
console.log('{}');
if (settings.role === 'echo') echoForEver(settings.port);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(measure?.(JSON.parse(line) as Question) ?? {}));
}
process.exit(0);
