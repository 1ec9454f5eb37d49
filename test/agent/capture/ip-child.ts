import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startIpCapture } from '#agent/capture/ip.ts';
import { compileRoutePolicy, decideRoute } from '#agent/forwarding/route.ts';
import { openIpFlow } from '#agent/tunnel/ip-flow.ts';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import type { EdgeConfig, EdgeEntry, ForwardingPolicy } from '#contract/policy.ts';
import { type EdgeServerOptions, startEdgeServer } from '#edge/server.ts';
import type { Identity } from '#runtime/identity.ts';
import { addressBytes, checksum } from '#runtime/ip-packet.ts';
import { createLog } from '#runtime/log.ts';

/** One end of the tunnel in a process and a namespace of its own; a line on stdin is an order. */
export type IpChildOrder =
  | { role: 'edge'; options: Omit<EdgeServerOptions, 'log'>; policy: EdgeConfig }
  | { role: 'device'; identity: Identity; edge: EdgeEntry; policy: ForwardingPolicy };

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as IpChildOrder;
const log = createLog('ip-child', 'info', 2);
const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);
const onLine = (work: (words: string[]) => Promise<unknown>) =>
  createInterface({ input: process.stdin }).on('line', async (line) => {
    say(await work(line.split(' ')).catch((error: Error) => ({ error: error.message })));
  });

if (order.role === 'edge') {
  const edge = await startEdgeServer({ ...order.options, log });
  edge.setPolicy(order.policy);
  onLine(async () => {
    await edge.stop(5_000);
    setImmediate(() => process.exit(0));
    return 'stopped';
  });
  say(edge.address);
} else {
  const { identity, policy } = order;
  const tunnel = createTunnel({ identity: () => identity, log });
  tunnel.setEdges([order.edge], '');
  const route = compileRoutePolicy(policy, { services: [], listeners: [] });
  const capture = await startIpCapture({
    tunnel,
    policy: () => policy,
    isDirect: (host) => decideRoute({ host, port: 0, protocol: 'icmp' }, route).action !== 'tunnel',
    own: { uids: [0] },
    log,
  });
  onLine(async ([what, to = '', ...sources]) => {
    if (what === 'status') return capture.status();
    if (what === 'stop') {
      await capture.stop();
      await tunnel.stop();
      return 'stopped';
    }
    // Past the capture: what a device that does not keep to the rules would send.
    const signal = AbortSignal.timeout(10_000);
    const answers: string[] = [];
    const flow = await tunnel.withSession(
      (session, edgeId) =>
        openIpFlow({
          ...{ session, edgeId, signal, onClose: () => {} },
          onPackets: (packets) => answers.push(...packets.map((each) => each.toString('hex'))),
        }),
      signal,
    );
    const [own = Buffer.alloc(4)] = flow.addresses;
    if (what === 'begin') {
      // Each with an id of its own is one more the edge's kernel has to remember.
      const ids = Array.from({ length: Number(sources[0]) }, (_, i) => i + 1);
      flow.send(ids.map((id) => echoRequest(own, addressBytes(to), id)));
    } else {
      flow.send(
        sources.map((from) =>
          echoRequest(from === 'own' ? own : addressBytes(from), addressBytes(to)),
        ),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    flow.close();
    return answers;
  });
  say('up');
}

function echoRequest(from: Buffer, to: Buffer, id = 7): Buffer {
  const whole = Buffer.from(`4500001c000040004001${'00'.repeat(10)}0800000000070001`, 'hex');
  from.copy(whole, 12);
  to.copy(whole, 16);
  whole.writeUInt16BE(checksum(whole.subarray(0, 20)), 10);
  whole.writeUInt16BE(id, 24);
  whole.writeUInt16BE(checksum(whole.subarray(20)), 22);
  return whole;
}
