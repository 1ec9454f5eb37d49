import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { createInterface } from 'node:readline';
import { decode, encode } from 'dns-packet';
import type { CaptureConfig } from '#agent/capture/config.ts';
import { createFrameReader, framed } from '#agent/capture/dns-ask.ts';
import { startForwarding } from '#agent/forward.ts';
import type { EdgeConfig, EdgeEntry, ForwardingPolicy } from '#contract/policy.ts';
import { type EdgeServerOptions, startEdgeServer } from '#edge/server.ts';
import type { Identity } from '#runtime/identity.ts';
import { createLog } from '#runtime/log.ts';

/** One machine of the test in a process and a namespace of its own; a line on stdin is an order. */
export type CaptureChildOrder =
  | { role: 'edge'; options: Omit<EdgeServerOptions, 'log'>; policy: EdgeConfig; dns: Zone }
  | { role: 'server'; key: string; certificate: string; dns: Zone }
  | {
      role: 'device';
      identity: Identity;
      edge: EdgeEntry;
      policy: ForwardingPolicy;
      capture: CaptureConfig;
    };

/** Name to addresses. */
export type Zone = { listen: string; names: Record<string, readonly string[]> };
/** Of a DNS server: what was asked, by whom, over what. */
export type Asked = { name: string; type: string; from: string; transport: 'udp' | 'tcp' };

const log = createLog('capture-child', 'info', 2);
const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);
const onOrder = (work: (what: string, rest: string) => Promise<unknown>) =>
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [what = '', ...rest] = line.split(' ');
    say(await work(what, rest.join(' ')).catch((error: Error) => ({ error: error.message })));
  });

const startDns = ({ listen, names }: Zone): Asked[] => {
  const asked: Asked[] = [];
  const answer = (bytes: Buffer, from: string, transport: Asked['transport']): Buffer => {
    const { id, questions = [] } = decode(bytes);
    const [{ name, type } = { name: '', type: 'A' as const }] = questions;
    asked.push({ name, type, from, transport });
    const addresses = names[name.toLowerCase()];
    const ofType = (addresses ?? []).filter((one) => one.includes(':') === (type === 'AAAA'));
    const fit = type === 'A' || type === 'AAAA' ? ofType : [];
    return encode({
      type: 'response',
      id: id ?? 0,
      flags: addresses === undefined ? 0x8183 : 0x8180,
      questions,
      answers: fit.map((data) => ({ type, name, ttl: 60, class: 'IN', data }) as const) as never,
    });
  };
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) =>
    socket.send(answer(bytes, from.address, 'udp'), from.port, from.address),
  );
  socket.bind(53, listen);
  createTcpServer((client) => {
    client.on('error', () => {});
    client.on(
      'data',
      createFrameReader((bytes) =>
        client.write(framed(answer(bytes, client.remoteAddress ?? '', 'tcp'))),
      ),
    );
  }).listen(53, listen);
  return asked;
};

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as CaptureChildOrder;

if (order.role === 'edge') {
  const flows: unknown[] = [];
  const asked = startDns(order.dns);
  const edge = await startEdgeServer({
    ...order.options,
    onFlow: (record) => void flows.push(record),
    log,
  });
  edge.setPolicy(order.policy);
  onOrder(async (what) => (what === 'asked' ? asked : flows));
  say(edge.address);
} else if (order.role === 'server') {
  const asked = startDns(order.dns);
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const bytes = /^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (bytes !== undefined) return response.end(Buffer.alloc(Number(bytes), 'whyslow '));
    const from = request.socket.remoteAddress?.replace('::ffff:', '');
    return response.end(JSON.stringify({ from, host: request.headers.host }));
  };
  createServer(serve).listen(80, '::');
  createSecureServer({ key: order.key, cert: order.certificate }, serve).listen(443, '::');
  createTcpServer((client) => {
    client.on('error', () => {});
    client.write(`SSH-2.0-lab ${client.remoteAddress}\r\n`);
    client.on('data', (said) => client.end(`you said ${said}`));
  }).listen(2_222, '::');
  const echo = createSocket('udp6');
  echo.on('message', (_, { address, port }) =>
    echo.send(`${address.replace('::ffff:', '')}\n`, port, address),
  );
  echo.bind(4_433);
  onOrder(async () => asked);
  say('up');
} else {
  const { identity, edge, policy, capture } = order;
  const forwarding = await startForwarding({
    identity: () => identity,
    collectorUrl: 'https://127.0.0.1:1',
    ...{ listenHost: '127.0.0.1', proxyPort: 0, socksPort: 0 },
    capture,
    log,
  });
  const setPolicy = (changes: Partial<ForwardingPolicy>) =>
    forwarding.setPolicy({ forwarding: { ...policy, ...changes }, edges: [edge] });
  setPolicy({});
  onOrder(async (what, rest) => {
    if (what === 'policy') setPolicy(JSON.parse(rest) as Partial<ForwardingPolicy>);
    if (what === 'stop') {
      await forwarding.stop();
      setImmediate(() => process.exit(0));
    }
    return {
      capture: forwarding.capture(),
      decisions: forwarding.decisions(),
      tunnel: forwarding.tunnel.status().state,
      socks: forwarding.socks,
    };
  });
  say('up');
}
