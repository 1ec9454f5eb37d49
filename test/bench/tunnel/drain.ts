import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { sha256 } from '#test/support/edge-lab.ts';
import type { Row } from '../rows.ts';
import { benchBlock } from './block.ts';
import type { Materials } from './materials.ts';
import { startAgentRole, startEdgeRole } from './ours.ts';
import type { Processes } from './processes.ts';
import { alone } from './rows.ts';

const streamCount = 1_000;
/** Both ways, in so many pieces over so long: all streams are under way when the drain begins. */
const [pieceCount, pieceBytes, pieceEveryMs] = [16, 4_096, 300];
/** New ones on the other edge meanwhile. */
const newCount = 100;

type Open = { socket: Socket; received: Buffer[]; ended: Promise<void> };

/** 1,000 flows through an edge that is told to stop, with a second edge up: which of them break? */
export const measureDrain = async (options: {
  processes: Processes;
  materials: Materials;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, materials, log } = options;
  const first = await startEdgeRole(processes, materials.edge, undefined);
  const spare = await startEdgeRole(processes, materials.spare, undefined);
  const agent = await startAgentRole(processes, materials, [first.entry, spare.entry], undefined);
  const echo = await startEcho();
  const open = () => openFlow(agent.proxyPort, echo.port);

  const flows = await openAll(open);
  log(`drain: ${flows.length} flows open`);
  const sending = flows.map((flow, at) => sendPieces(flow, contentOf(at)));
  await wait(pieceEveryMs * 3);
  // It ends instead of answering.
  void first.role.ask({ do: 'drain' }).catch(() => {});
  const broken = Promise.all(sending).then((all) => all.filter((isRight) => !isRight).length);
  let refusedCount = 0;
  for (let at = 0; at < newCount; at++) {
    const flow = await open().catch(() => undefined);
    if (!flow || !(await exchange(flow, contentOf(at)))) refusedCount += 1;
    await wait(20);
  }
  const brokenCount = await broken;
  const { flowCount } = await spare.role.ask<{ flowCount: number }>({});
  if (flowCount < newCount - refusedCount - 5) throw new Error('the edge was not drained');
  log(`drain: ${brokenCount} of ${flows.length} broken, ${refusedCount} of ${newCount} new failed`);
  echo.stop();
  return [
    alone(
      `flows broken by a drain, of ${streamCount.toLocaleString('en')}`,
      'flows',
      brokenCount,
      '<=0',
    ),
    alone(`new flows that failed during a drain, of ${newCount}`, 'flows', refusedCount, '<=0'),
  ];
};

const block = benchBlock();
/** Another one for each flow: bytes that went astray would show. */
const contentOf = (at: number): Buffer => {
  const bytes = pieceCount * pieceBytes;
  const from = (at * 997) % (block.length - bytes);
  return block.subarray(from, from + bytes);
};

/** Within what an edge lets one device open: 500 at once, then 100 a second. */
const openAll = async (open: () => Promise<Open>): Promise<Open[]> => {
  const flows: Open[] = [];
  while (flows.length < streamCount) {
    const count = Math.min(flows.length === 0 ? 400 : 9, streamCount - flows.length);
    flows.push(...(await Promise.all(Array.from({ length: count }, open))));
    await wait(100);
  }
  return flows;
};

const openFlow = async (proxyPort: number, originPort: number): Promise<Open> => {
  const socket = connect({ port: proxyPort, host: '127.0.0.1', allowHalfOpen: true });
  const received: Buffer[] = [];
  socket.on('error', () => {});
  const ended = new Promise<void>((resolve) => socket.once('end', resolve).once('close', resolve));
  const authority = `bench.test:${originPort}`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200')) {
    socket.destroy();
    throw new Error(answer.toString('latin1').split('\r\n').slice(0, 3).join(' '));
  }
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  return { socket, received, ended };
};

/** Whether all came back, and right. */
const sendPieces = async (flow: Open, content: Buffer): Promise<boolean> => {
  for (let at = 0; at < content.length; at += pieceBytes) {
    flow.socket.write(content.subarray(at, at + pieceBytes));
    await wait(pieceEveryMs);
  }
  return finish(flow, content);
};

const exchange = (flow: Open, content: Buffer): Promise<boolean> => {
  flow.socket.write(content);
  return finish(flow, content);
};

const finish = async (flow: Open, content: Buffer): Promise<boolean> => {
  flow.socket.end();
  await Promise.race([flow.ended, wait(30_000)]);
  flow.socket.destroy();
  return sha256(...flow.received) === sha256(content);
};

const startEcho = async () => {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
    socket.pipe(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};
