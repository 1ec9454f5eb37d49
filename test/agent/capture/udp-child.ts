import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { addPolicyRouting } from '#agent/capture/policy-routing.ts';
import { captureCommands } from '#agent/capture/rules.ts';
import { startUdpCapture } from '#agent/capture/udp.ts';
import { createOpenUdp } from '#agent/forwarding/open-udp.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { TunnelDown } from '#agent/tunnel/refused.ts';
import { holdTable } from '#runtime/kernel/owned-table.ts';
import { silentLog } from '#runtime/log.ts';

/** The programs of `udp.lab.test.ts`; each says one line when it is ready, or what it found. */
export type ClientFinding = { address: string; localPort: number; answers: string[] };

/** A well-known one, which takes a capability more to answer from. */
const port = 443;
const say = (text: string | number) => void process.stdout.write(`${text}\n`);

/** Everything is diverted to it, and goes on from a socket of its own. */
const agent = async (): Promise<void> => {
  const log = silentLog();
  const policy = compileRoutePolicy(
    { mode: 'off', bypass: [], whenTunnelDown: 'open', pinnedEdge: '' },
    { services: [], listeners: [] },
  );
  const openUdp = createOpenUdp({
    tunnel: { withSession: () => Promise.reject(new TunnelDown('there is none')) },
    policy: () => policy,
    log,
  });
  const capture = await startUdpCapture({ openUdp, log }).catch((error: Error) => {
    say(error.message);
    process.exit(1);
  });
  await addPolicyRouting();
  const table = await holdTable({ family: 'inet', name: 'wsudp', onLost: () => process.exit(1) });
  const nothing = { four: [], six: [] };
  const rules = {
    table: table.name,
    own: { uids: [process.geteuid?.() ?? 0] },
    past: { tcp: nothing, udp: nothing },
    tcpPort: undefined,
    dns: [],
    udp: { port: capture.port },
  };
  await table.run(captureCommands(rules));
  say('ready');
  process.stdin.on('data', (line) => {
    if (String(line).trim() === 'flows') say(capture.flowCount());
  });
  process.stdin.once('end', async () => {
    await table.stop();
    await capture.stop();
    process.exit(0);
  });
};

/** Says whom a datagram came from. */
const echo = async (): Promise<void> => {
  for (const [type, address] of [
    ['udp4', '0.0.0.0'],
    ['udp6', '::'],
  ] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (bytes, from) => {
      const text = bytes.length > 100 ? `${bytes.length} bytes` : String(bytes);
      socket.send(`${from.port} ${text}`, from.port, from.address);
    });
    socket.bind(port, address);
    await once(socket, 'listening');
  }
  say('ready');
  process.stdin.resume().once('end', () => process.exit(0));
};

/** Asks each address, from a connected socket: the kernel lets in only what comes from there. */
const client = async (addresses: readonly string[]): Promise<void> => {
  const findings = await Promise.all(addresses.map((address) => askOne(address)));
  say(JSON.stringify(findings));
};

/** No more than the kernel keeps for a socket by default, however slow this machine is. */
const burst = 100;

const askOne = async (address: string): Promise<ClientFinding> => {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const answers: string[] = [];
  socket.on('message', (bytes) => answers.push(String(bytes)));
  socket.connect(port, address);
  await once(socket, 'connect');
  const deadline = Date.now() + 8_000;
  const until = async (count: number) => {
    while (answers.length < count && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  socket.send('one');
  await until(1);
  socket.send(Buffer.alloc(30_000));
  await until(2);
  for (let i = 0; i < burst; i++) socket.send(`n${i}`);
  await until(burst + 2);
  const finding = { address, localPort: socket.address().port, answers };
  socket.close();
  return finding;
};

const [role = '', ...rest] = process.argv.slice(2);
await (role === 'agent' ? agent() : role === 'echo' ? echo() : client(rest));
