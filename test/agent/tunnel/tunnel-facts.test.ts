import { afterEach, beforeEach, expect, it } from 'vitest';
import { startDatagramLoss } from '#agent/tunnel/datagram-loss.ts';
import { maxMeasured } from '#agent/tunnel/shortlist.ts';
import { startReflector } from '#edge/reflector.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  entryOf,
  loopbackApplication,
  readAll,
  startDelayingRelay,
} from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
beforeEach(async () => {
  lab = await createEdgeLab();
});
afterEach(() => lab.stop());

const twoEdges = async () => {
  const far = await lab.edge('far', loopbackApplication);
  const near = await lab.edge('near', loopbackApplication);
  const distance = await startDelayingRelay(far.entry.port, 30);
  lab.onStop(() => distance.stop());
  return { far: entryOf('far', distance.port), near };
};

it('while it is pinned the sample says what another edge would gain', async () => {
  const { far, near } = await twoEdges();
  const tunnel = await lab.tunnel([far, near.entry], { pinned: 'far' });
  await waitUntil(() => tunnel.status().edgeId === 'far');
  await waitUntil(() => tunnel.status().edges.every(({ isUp }) => isUp));
  const sample = tunnel.takeSample();
  expect(sample.betterEdgeId).toBe('near');
  expect(sample.gainMs).toBeGreaterThan(40);
  tunnel.setEdges([far, near.entry], 'near');
  expect(tunnel.takeSample()).toMatchObject({ betterEdgeId: null, gainMs: null });
});

it('a lost standby is an event with its reason, and stands in the status', async () => {
  const { far, near } = await twoEdges();
  const tunnel = await lab.tunnel([far, near.entry], { pinned: 'far' });
  const changes: string[] = [];
  tunnel.onChange(({ name, reason }) => changes.push(`${name}: ${reason}`));
  await waitUntil(() => tunnel.status().edges.every(({ isUp }) => isUp));
  await waitUntil(() => tunnel.status().edgeId === 'far');
  await near.server.stop(0);
  await waitUntil(() => tunnel.status().degradations.length > 0);
  expect(tunnel.status().degradations).toEqual(['no second edge can be reached']);
  expect(changes).toContain('tunnel-degraded: no second edge can be reached');
});

it('a lost tunnel is told with the edge it was on, until the organisation has it no more', async () => {
  const { far, near } = await twoEdges();
  const tunnel = await lab.tunnel([far, near.entry], { pinned: 'near' });
  expect(tunnel.takeSample()).toMatchObject({ edgeId: null });
  await waitUntil(() => tunnel.status().edgeId === 'near');
  tunnel.setEdges([near.entry], 'near');
  await near.server.stop(0);
  await waitUntil(() => tunnel.status().edgeId === null);
  expect(tunnel.takeSample()).toMatchObject({
    edgeId: 'near',
    state: 'down',
    controlRttMs: null,
    dataRttMs: null,
    underlayRttMs: null,
  });
  expect(tunnel.status().lastEdgeId).toBe('near');
  const unreachable = { ...far, port: near.entry.port };
  tunnel.setEdges([unreachable], '');
  expect(tunnel.takeSample()).toMatchObject({ edgeId: null, state: 'down' });
});

it('the standby’s session is there again when the edge has ended it as idle', async () => {
  const idleMs = 1_000;
  const one = await lab.edge('one', {}, undefined, idleMs);
  const two = await lab.edge('two', {}, undefined, idleMs);
  const tunnel = await lab.tunnel([one.entry, two.entry], { pinned: 'one', roundMs: 1_500 });
  const sessionCount = () => tunnel.takeSample().sessionCount;
  // A control session each; a data session to the one in use, and one to the standby.
  await waitUntil(() => sessionCount() === 4);
  await waitUntil(() => sessionCount() === 3);
  await waitUntil(() => sessionCount() === 4);
});

it('an edge that comes back to the list of those measured has to wait for the rest as any other', async () => {
  let laterMs = 0;
  const far = await lab.edge('far');
  const near = await lab.edge('near');
  const distance = await startDelayingRelay(far.entry.port, 30);
  lab.onStop(() => distance.stop());
  const idOf = (index: number) => `e${String(index).padStart(2, '0')}`;
  // One more than are measured: the last is not, unless it is pinned, and then the one before it.
  const edges = Array.from({ length: maxMeasured + 1 }, (_, index) => ({
    ...(index === maxMeasured - 1 ? near.entry : entryOf('far', distance.port)),
    id: idOf(index),
  }));
  const nearId = idOf(maxMeasured - 1);
  const roundMs = 100;
  const tunnel = await lab.tunnel(edges, {
    pinned: idOf(0),
    roundMs,
    now: () => performance.now() + laterMs,
  });
  const isMeasured = () =>
    tunnel.status().edges.some(({ id, rttMs }) => id === nearId && rttMs !== null);
  await waitUntil(() => isMeasured() && tunnel.status().edgeId === idOf(0));
  tunnel.setEdges(edges, idOf(maxMeasured));
  expect(isMeasured()).toBe(false);
  tunnel.setEdges(edges, '');
  await waitUntil(isMeasured);
  await new Promise((resolve) => setTimeout(resolve, 10 * roundMs));
  expect(tunnel.status().edgeId).toBe(idOf(0));
  laterMs = 5 * 60_000;
  await waitUntil(() => tunnel.status().edgeId === nearId);
});

it('a flow that turns out to be bulk gets new flows a session beside it', async () => {
  const { entry } = await lab.edge('e1', loopbackApplication);
  const tunnel = await lab.tunnel([entry]);
  await waitUntil(() => tunnel.status().state === 'up');
  const origin = await lab.origin((socket) => socket.resume().write(Buffer.alloc(3_000_000)));
  const connect = () =>
    tunnel.connect({ host: 'app.test', port: origin.port, signal: new AbortController().signal });
  const bulk = await connect();
  bulk.stream.on('data', (chunk: Buffer) => bulk.moved(chunk.length));
  // The control session, the one with the bulk flow, and one for all else.
  await waitUntil(() => tunnel.takeSample().sessionCount === 3);
  let sessionOfNext: unknown;
  await tunnel.withSession(async (session) => {
    sessionOfNext = session.bulkCount;
  }, new AbortController().signal);
  expect(sessionOfNext).toBe(0);
  bulk.reset();
});

it('a flow cut with its session is known as cut, not taken for complete', async () => {
  const { entry } = await lab.edge('e1', loopbackApplication);
  const tunnel = await lab.tunnel([entry]);
  const origin = await lab.origin((socket) => socket.resume().write('half of it'));
  const flow = await tunnel.connect({
    host: 'app.test',
    port: origin.port,
    signal: new AbortController().signal,
  });
  const read = readAll(flow.stream);
  read.catch(() => {});
  await new Promise((resolve) => flow.stream.once('data', resolve));
  await tunnel.stop();
  await expect(read).rejects.toThrow();
  expect(flow.wasCut()).toBe(true);
});

it('loss of datagrams is measured with the edge’s reflector, and unknown where it has none', async () => {
  const reflector = await startReflector({
    listen: { host: '127.0.0.1', port: 0 },
    sessionsFrom: () => 1,
    monotonicMs: () => performance.now(),
    log: silentLog(),
  });
  const loss = startDatagramLoss({ intervalMs: 50, answerMs: 300 });
  const entry = { ...entryOf('e1', 1), reflectorPort: reflector.port };
  const next = async () => {
    let ratio: number | null = null;
    await waitUntil(() => {
      ratio = loss.takeRatio();
      return ratio !== null;
    });
    return ratio;
  };
  try {
    loss.setEdge(entryOf('e1', 1));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(loss.takeRatio()).toBeNull();
    loss.setEdge(entry);
    expect(await next()).toBe(0);
    await reflector.stop();
    await waitUntil(async () => (await next()) === 1);
  } finally {
    loss.stop();
  }
});

it('loss of datagrams is unknown where there is no way to the edge', async () => {
  const loss = startDatagramLoss({ intervalMs: 20, answerMs: 20 });
  try {
    // Loopback's broadcast address: the kernel lets no socket of ours connect to it.
    loss.setEdge({ ...entryOf('e1', 1), host: '127.255.255.255', reflectorPort: 9 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(loss.takeRatio()).toBeNull();
  } finally {
    loss.stop();
  }
});
