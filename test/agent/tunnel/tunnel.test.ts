import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FlowRefused, TunnelDown } from '#agent/tunnel/refused.ts';
import type { Tunnel } from '#agent/tunnel/tunnel.ts';
import { check } from '#contract/check.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import { TunnelSample } from '#contract/telemetry.ts';
import {
  createEdgeLab,
  type EdgeLab,
  entryOf,
  loopbackApplication,
  readAll,
  sha256,
  startDelayingRelay,
} from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
beforeEach(async () => {
  lab = await createEdgeLab();
});
afterEach(() => lab.stop());

const never = () => new AbortController().signal;
const app = (tunnel: Tunnel, port: number) =>
  tunnel.connect({ host: 'app.test', port, signal: never() });
const isUp = (tunnel: Tunnel) => waitUntil(() => tunnel.status().state === 'up');

describe('a flow through the tunnel', () => {
  it('brings 20 MB each way unchanged, for many flows side by side', async () => {
    const { entry } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    const content = randomBytes(20_000_000);
    const seen: string[] = [];
    const origin = await lab.origin(async (socket) => {
      socket.write(content);
      seen.push(sha256(await readAll(socket)));
      socket.end();
    });
    const upload = randomBytes(20_000_000);
    const flow = await app(tunnel, origin.port);
    flow.stream.end(upload);
    expect(sha256(await readAll(flow.stream))).toBe(sha256(content));
    expect(seen).toEqual([sha256(upload)]);

    const small = await lab.origin((socket) => socket.pipe(socket));
    const echoes = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const sent = randomBytes(200_000);
        const echo = await app(tunnel, small.port);
        echo.stream.end(sent);
        return sha256(await readAll(echo.stream)) === sha256(sent);
      }),
    );
    expect(echoes.filter(Boolean)).toHaveLength(100);
  });

  it('may be ended in one direction and go on in the other, both ways round', async () => {
    const { entry } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    const afterEnd = await lab.origin((socket) => {
      socket.resume().once('end', () => socket.end(Buffer.alloc(500_000, 1)));
    });
    const clientFirst = await app(tunnel, afterEnd.port);
    clientFirst.stream.end('done');
    expect((await readAll(clientFirst.stream)).length).toBe(500_000);

    let received = 0;
    const beforeEnd = await lab.origin((socket) => {
      socket.end('bye');
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
    });
    const originFirst = await app(tunnel, beforeEnd.port);
    expect((await readAll(originFirst.stream)).toString()).toBe('bye');
    originFirst.stream.end(Buffer.alloc(500_000, 2));
    await waitUntil(() => received === 500_000);
  });

  it('passes a reset of the origin on as an error, and its own reset as a reset', async () => {
    const { entry } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    const resetting = await lab.origin((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const flow = await app(tunnel, resetting.port);
    flow.stream.resume().write('x');
    const [error] = await once(flow.stream, 'error');
    expect(String(error)).toMatch(/INTERNAL_ERROR/);

    const seen = new Promise<string>((resolve) => {
      void lab
        .origin((socket) => {
          socket.resume().on('error', (e) => resolve((e as { code?: string }).code ?? ''));
        })
        .then(async ({ port }) => (await app(tunnel, port)).reset());
    });
    expect(await seen).toBe('ECONNRESET');
  });

  it('tells why an edge refused', async () => {
    const { entry } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    const error = await tunnel
      .connect({ host: '10.0.0.1', port: 80, signal: never() })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FlowRefused);
    expect(error).toMatchObject({
      status: 403,
      edgeId: 'e1',
      proxyStatus: 'e1; error=destination_ip_prohibited; details="10.0.0.1 is not public"',
    });
    expect(parseEdgeTiming((error as FlowRefused).serverTiming)).toMatchObject({ edgeId: 'e1' });
  });

  it('leaves nothing behind, a thousand times', async () => {
    const { entry, server } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    let open = 0;
    const origin = await lab.origin((socket) => {
      open += 1;
      socket.once('close', () => {
        open -= 1;
      });
      socket.pipe(socket);
    });
    const one = async (): Promise<void> => {
      try {
        const flow = await app(tunnel, origin.port);
        flow.stream.end('ping');
        expect((await readAll(flow.stream)).toString()).toBe('ping');
      } catch (error) {
        // The edge allows 500 at once and 100 a second to one device.
        if (!(error instanceof FlowRefused && error.status === 429)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
        return one();
      }
    };
    for (let i = 0; i < 1_000; i += 50) await Promise.all(Array.from({ length: 50 }, one));
    await waitUntil(() => open === 0 && server.takeSample().streamCount === 0);
    await waitUntil(() => tunnel.takeSample().streamCount === 0);
    const sample = tunnel.takeSample();
    expect(sample.sessionCount).toBe(2);
    expect(tunnel.status().state).toBe('up');
  });

  it('survives more resets than one session may send', async () => {
    const { entry } = await lab.edge('e1', loopbackApplication);
    const tunnel = await lab.tunnel([entry]);
    const origin = await lab.origin((socket) => socket.resume());
    const steady = await app(tunnel, origin.port);
    let lost = false;
    steady.stream.on('error', () => {
      lost = true;
    });
    let made = 0;
    while (made < 1_300) {
      try {
        (await app(tunnel, origin.port)).reset();
        made += 1;
      } catch (error) {
        expect(error).toMatchObject({ status: 429 });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    expect(lost || steady.stream.destroyed).toBe(false);
  });
});

describe('the choice of an edge', () => {
  it('goes by round trip', async () => {
    const near = await lab.edge('near', loopbackApplication);
    const far = await lab.edge('far', loopbackApplication);
    const distance = await startDelayingRelay(far.entry.port, 30);
    lab.onStop(() => distance.stop());
    const tunnel = await lab.tunnel([entryOf('far', distance.port), near.entry]);
    await isUp(tunnel);
    expect(tunnel.status().edgeId).toBe('near');
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    const rtts = Object.fromEntries(tunnel.status().edges.map(({ id, rttMs }) => [id, rttMs]));
    expect(rtts['far']).toBeGreaterThanOrEqual(55);
    expect(rtts['near']).toBeLessThan(Number(rtts['far']));
  });

  it('follows a pin at once', async () => {
    const one = await lab.edge('one', loopbackApplication);
    const two = await lab.edge('two', loopbackApplication);
    const tunnel = await lab.tunnel([one.entry, two.entry], { pinned: 'two' });
    await waitUntil(() => tunnel.status().edgeId === 'two');
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    tunnel.setEdges([one.entry, two.entry], 'one');
    expect(tunnel.status()).toMatchObject({ edgeId: 'one', reason: 'pinned by policy' });
  });

  it('moves to another edge when the chosen one dies, and says so', async () => {
    const first = await lab.edge('first', loopbackApplication);
    const spare = await lab.edge('spare', loopbackApplication);
    const distance = await startDelayingRelay(spare.entry.port, 20);
    lab.onStop(() => distance.stop());
    const tunnel = await lab.tunnel([first.entry, entryOf('spare', distance.port)]);
    const changes: string[] = [];
    tunnel.onChange(({ name, reason }) => changes.push(`${name} ${reason}`));
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    expect(tunnel.status().edgeId).toBe('first');
    await first.server.stop(0);
    const origin = await lab.origin((socket) => socket.resume().end('hello'));
    await waitUntil(() => tunnel.status().edgeId === 'spare');
    const flow = await app(tunnel, origin.port);
    flow.stream.end();
    expect((await readAll(flow.stream)).toString()).toBe('hello');
    expect(flow.edgeId).toBe('spare');
    expect(changes.join('\n')).toMatch(/edge-chosen spare: edge first lost/);
  });

  it('moves away from an edge that went silent without a word', async () => {
    const silent = await lab.edge('silent', loopbackApplication);
    const spare = await lab.edge('spare', loopbackApplication);
    const way = await startDelayingRelay(silent.entry.port, 0);
    lab.onStop(() => way.stop());
    const tunnel = await lab.tunnel([entryOf('silent', way.port), spare.entry], {
      pinned: 'silent',
    });
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    await waitUntil(() => tunnel.status().edgeId === 'silent');
    way.freeze();
    await waitUntil(() => tunnel.status().edgeId === 'spare');
    expect(tunnel.status().edges.find(({ id }) => id === 'silent')?.problem).toMatch(/3 pings/);
  });

  it('asks again elsewhere for what a silent edge has not answered, and ends what hangs there', async () => {
    const silent = await lab.edge('silent', loopbackApplication);
    const spare = await lab.edge('spare', loopbackApplication);
    const way = await startDelayingRelay(silent.entry.port, 0);
    lab.onStop(() => way.stop());
    const tunnel = await lab.tunnel([entryOf('silent', way.port), spare.entry], {
      pinned: 'silent',
    });
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    await waitUntil(() => tunnel.status().edgeId === 'silent');
    const origin = await lab.origin((socket) => socket.pipe(socket));
    const before = await app(tunnel, origin.port);
    expect(before.edgeId).toBe('silent');
    const ended = new Promise((resolve) => before.stream.once('close', resolve));
    way.freeze();
    const asked = await app(tunnel, origin.port);
    expect(asked.edgeId).toBe('spare');
    asked.reset();
    await ended;
    expect(before.wasCut()).toBe(true);
  });

  it('drains without breaking a flow, and new flows go elsewhere', async () => {
    const old = await lab.edge('old', loopbackApplication);
    const next = await lab.edge('next', loopbackApplication);
    const tunnel = await lab.tunnel([old.entry, next.entry], { pinned: 'old' });
    await waitUntil(() => tunnel.status().edges.every((edge) => edge.isUp));
    await waitUntil(() => tunnel.status().edgeId === 'old');
    const content = randomBytes(3_000_000);
    const origin = await lab.origin(async (socket) => {
      socket.resume();
      for (let at = 0; at < content.length; at += 300_000) {
        socket.write(content.subarray(at, at + 300_000));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      socket.end();
    });
    const flows = await Promise.all(Array.from({ length: 20 }, () => app(tunnel, origin.port)));
    const bodies = Promise.all(flows.map(({ stream }) => readAll(stream)));
    const drained = old.server.stop(20_000);
    await waitUntil(() => tunnel.status().edgeId === 'next');
    const fresh = await app(tunnel, origin.port);
    expect(fresh.edgeId).toBe('next');
    fresh.reset();
    for (const body of await bodies) expect(sha256(body)).toBe(sha256(content));
    for (const { stream } of flows) stream.end();
    await drained;
  });

  it('throws TunnelDown at once when no edge can be reached', async () => {
    const gone = await lab.edge('gone');
    await gone.server.stop(0);
    const tunnel = await lab.tunnel([gone.entry]);
    await expect(app(tunnel, 80)).rejects.toBeInstanceOf(TunnelDown);
    expect(tunnel.status().edges[0]?.problem).toMatch(/ECONNREFUSED/);
    const none = await lab.tunnel([]);
    await expect(app(none, 80)).rejects.toBeInstanceOf(TunnelDown);
  });

  it('trusts only an edge with the right name from the tenant’s authority', async () => {
    const real = await lab.edge('real');
    const posing = await lab.tunnel([{ ...entryOf('other', real.entry.port) }]);
    await waitUntil(() => posing.status().edges[0]?.problem !== '');
    expect(posing.status().edges[0]).toMatchObject({ isUp: false });
    expect(posing.status().edges[0]?.problem).toMatch(/altnames|Host/);
    const stranger = await createEdgeLab();
    const identity = await stranger.device();
    const misled = await lab.tunnel([real.entry], { identity });
    await waitUntil(() => misled.status().edges[0]?.problem !== '');
    expect(misled.status().state).not.toBe('up');
  });
});

it('samples fit the contract and tell the network from the tunnel', async () => {
  const { entry } = await lab.edge('e1', loopbackApplication);
  const distance = await startDelayingRelay(entry.port, 10);
  lab.onStop(() => distance.stop());
  const tunnel = await lab.tunnel([entryOf('e1', distance.port)]);
  const identity = await lab.device();
  const origin = await lab.origin((socket) => socket.resume().end(Buffer.alloc(100_000)));
  const flow = await app(tunnel, origin.port);
  flow.stream.end();
  await readAll(flow.stream);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const sample = tunnel.takeSample();
  const record = {
    kind: 'tunnel',
    id: identity.id,
    deviceId: identity.id,
    at: Date.now(),
    ...sample,
  };
  expect(check(TunnelSample, record)).toMatchObject({ ok: true });
  expect(sample.controlRttMs).toBeGreaterThanOrEqual(19);
  expect(sample.dataRttMs).toBeGreaterThanOrEqual(19);
  expect(sample.handshakeMs).toBeGreaterThanOrEqual(19);
  // The relay answers SYNs itself: outside the tunnel there is no delay.
  expect(sample.underlayRttMs).toBeLessThan(Number(sample.controlRttMs));
  expect(sample.downBytes).toBeGreaterThanOrEqual(100_000);
  expect(sample.pingSentCount).toBeGreaterThan(0);
});
