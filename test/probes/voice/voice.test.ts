import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { VoiceBody } from '#contract/body/voice.ts';
import { check } from '#contract/check.ts';
import type { VoiceProbe } from '#contract/plan.ts';
import { reflectStamp, stampTime } from '#contract/stamp.ts';
import { startReflector } from '#edge/reflector.ts';
import type { ProbeContext } from '#probes/probe.ts';
import { runStream } from '#probes/voice/stream.ts';
import { createVoiceProber } from '#probes/voice/voice.ts';
import { silentLog } from '#runtime/log.ts';
import { probeContext, voiceProbe } from '#test/support/probe-context.ts';
import { type Fate, startUdpRelay } from '#test/support/udp-relay.ts';

const prober = createVoiceProber();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const startEdge = async (host = '127.0.0.1') => {
  const reflector = await startReflector({
    listen: { host, port: 0 },
    sessionsFrom: () => 1,
    monotonicMs: () => performance.now(),
    log: silentLog(),
  });
  ends.push(() => reflector.stop());
  return reflector;
};

const run = async (
  port: number,
  changes: Partial<VoiceProbe> = {},
  host = '127.0.0.1',
): Promise<Awaited<ReturnType<typeof prober.run>>> => {
  const edge = { id: 'fra-1', host, reflectorPort: port };
  const outcome = await prober.run(voiceProbe(changes), probeContext({ edge }));
  expect(check(VoiceBody, outcome.body)).toMatchObject({ ok: true });
  return outcome;
};

const through = async (fateOf: (direction: 'up' | 'down', count: number) => Fate) => {
  const { port } = await startEdge();
  const relay = await startUdpRelay(port, fateOf);
  ends.push(() => relay.stop());
  return relay.port;
};

const onTime: Fate = { delaysMs: [0] };
const lost: Fate = { delaysMs: [] };

describe('a voice probe', () => {
  it('counts answers that come again and again, and keeps a thousand of them', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    ends.push(() => socket.close());
    await once(socket, 'listening');
    let sequence = 0;
    socket.on('message', (packet, { port, address }) => {
      const answer = reflectStamp(packet, sequence, Date.now());
      sequence += 1;
      for (let copy = 0; copy < (sequence === 3 ? 1 : 50); copy++)
        socket.send(answer, port, address);
    });
    const plan = { packetBytes: 172, intervalMs: 10, lingerMs: 500, giveUpMs: 2_000 };
    const to = { address: '127.0.0.1', family: 4, port: socket.address().port } as const;
    const stream = await runStream(
      { ...plan, ...to, packetCount: 50 },
      new AbortController().signal,
    );
    expect(stream.unkeptCount).toBeGreaterThan(500);
    expect(stream.received).toHaveLength(
      1_000 + new Set(stream.received.map((one) => one.sequence)).size,
    );
  });

  it('of a good path gets everything back and gives a good score', async () => {
    const { port } = await startEdge();
    const { body, failure, availability } = await run(port);
    expect({ failure, availability }).toEqual({ failure: null, availability: 1 });
    expect(body).toMatchObject({
      target: '127.0.0.1',
      port,
      address: '127.0.0.1',
      sentCount: 50,
      receivedCount: 50,
      lossRatio: 0,
      up: { lossRatio: 0 },
      down: { lossRatio: 0 },
    });
    expect(body.rttMedianMs).toBeLessThan(50);
    expect(body.mos).toBeGreaterThan(3.5);
  });

  it('goes over IPv6 as well', async () => {
    const { port } = await startEdge('::1');
    const { body } = await run(port, {}, '::1');
    expect(body).toMatchObject({ address: '::1', receivedCount: 50 });
  });

  it('takes the family that answers when a name has both', async () => {
    // It has both (RFC 6761); the reflector listens on one.
    const { port } = await startEdge();
    const { body } = await run(port, {}, 'both.localhost');
    expect(body).toMatchObject({ target: 'both.localhost', address: '127.0.0.1', lossRatio: 0 });
  });

  it('tells loss on the way there from loss on the way back', async () => {
    const port = await through((direction, count) =>
      (direction === 'up' && count % 10 === 3) || (direction === 'down' && count % 15 === 7)
        ? lost
        : onTime,
    );
    const { body, failure } = await run(port);
    // 5 of 50 up; of the 45 that got there, 3 on the way down.
    expect(failure).toBeNull();
    expect(body).toMatchObject({ sentCount: 50, receivedCount: 42, lossRatio: 0.16 });
    expect(body.up?.lossRatio).toBe(0.1);
    expect(body.down?.lossRatio).toBe(0.06);
  });

  it('finds delay in the round trip, and duplicates and overtaken packets', async () => {
    const port = await through((direction, count) => {
      if (direction === 'up') return { delaysMs: [40] };
      if (count === 10) return { delaysMs: [0, 5] };
      return { delaysMs: [count === 20 ? 100 : 0] };
    });
    const { body } = await run(port);
    expect(body.rttMedianMs).toBeGreaterThanOrEqual(39);
    expect(body.rttMedianMs).toBeLessThan(150);
    expect(body.duplicateCount).toBe(1);
    expect(body.reorderedCount).toBeGreaterThanOrEqual(1);
    expect(body.down?.lateRatio).toBeGreaterThanOrEqual(0.02);
  });

  it('keeps to a schedule: a packet that is late makes no other late', async () => {
    const { port } = await startEdge();
    const plan = {
      address: '127.0.0.1',
      family: 4 as const,
      port,
      packetBytes: 172,
      intervalMs: 10,
      packetCount: 100,
      lingerMs: 500,
      giveUpMs: 3_000,
    };
    // Holds the program up in the middle of the stream.
    setTimeout(() => {
      const untilMs = performance.now() + 100;
      while (performance.now() < untilMs);
    }, 400);
    const { sent } = await runStream(plan, new AbortController().signal);
    expect(sent).toHaveLength(100);
    expect(Math.max(...sent.map(({ lateMs }) => lateMs))).toBeGreaterThan(50);
    const starts = sent.map(({ sentAtMs, lateMs }, i) => sentAtMs - lateMs - i * 10);
    const drifts = starts.map((ms) => Math.abs(ms - (starts[0] ?? 0))).sort((a, b) => a - b);
    expect(drifts[50]).toBeLessThan(1);
  });

  it('does not believe answers of another session, of no packet sent, or from elsewhere', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    const stranger = createSocket('udp4').bind(0, '127.0.0.1');
    await Promise.all([once(socket, 'listening'), once(stranger, 'listening')]);
    ends.push(
      () => socket.close(),
      () => stranger.close(),
    );
    let count = 0;
    socket.on('message', (received, { port, address }) => {
      const answer = reflectStamp(received, count++, Date.now());
      stampTime(answer, Date.now());
      const changed = (change: (packet: Buffer) => void) => {
        const forged = Buffer.from(answer);
        change(forged);
        socket.send(forged, port, address);
      };
      changed((packet) => packet.writeUInt16BE(packet.readUInt16BE(14) ^ 1, 14));
      changed((packet) => packet.writeUInt32BE(packet.readUInt32BE(24) + 1_000, 24));
      changed((packet) => packet.writeUInt8(packet.readUInt8(35) ^ 1, 35));
      socket.send(answer.subarray(0, 43), port, address);
      stranger.send(answer, port, address);
      if (count % 2 === 0) socket.send(answer, port, address);
    });
    const { body } = await run(socket.address().port);
    expect(body).toMatchObject({ receivedCount: 25, duplicateCount: 0, lossRatio: 0.5 });
  });

  it('stops early when nobody answers, and says so', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    ends.push(() => silent.close());
    const { body, failure, availability, durationMs } = await run(silent.address().port, {
      streamMs: 30_000,
    });
    expect(availability).toBe(0);
    expect(failure).toMatchObject({ type: 'voice.no_answer', source: 'path' });
    expect(durationMs).toBeLessThan(10_000);
    expect(body.sentCount).toBeLessThan(300);
    expect(body.mos).toBeNull();
  });

  it('says that the port is closed', async () => {
    const { failure } = await run(1, { streamMs: 1_000 });
    expect(failure?.type).toBe('voice.no_answer');
    expect(failure?.message).toContain('ECONNREFUSED');
  });

  it('says that there is no way to the address, and sends nothing', async () => {
    // Loopback's broadcast address: the kernel lets no socket of ours connect to it.
    const { body, failure } = await run(9, { streamMs: 1_000 }, '127.255.255.255');
    expect(failure?.type).toBe('voice.no_answer');
    expect(failure?.message).toContain('EACCES');
    expect(body.sentCount).toBe(0);
  });

  it.each([
    [null, 'tunnel.down'],
    [{ id: 'fra-1', host: '127.0.0.1', reflectorPort: null }, 'voice.no_reflector'],
  ] as [NonNullable<ProbeContext['edge']> | null, string][])(
    'with edge %j is %s, and nothing is sent',
    async (edge, type) => {
      const outcome = await prober.run(voiceProbe(), probeContext({ edge }));
      expect(outcome).toMatchObject({ availability: 0, failure: { type, phase: 'prepare' } });
      expect(outcome.body.sentCount).toBe(0);
    },
  );

  it('ends at once when the agent stops', async () => {
    const { port } = await startEdge();
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(), 200);
    const edge = { id: 'fra-1', host: '127.0.0.1', reflectorPort: port };
    const context = probeContext({ edge, signal: stopping.signal });
    const { failure, durationMs } = await prober.run(voiceProbe({ streamMs: 20_000 }), context);
    expect(failure?.type).toBe('abandoned');
    expect(durationMs).toBeLessThan(5_000);
  });
});
