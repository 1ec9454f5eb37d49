import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  readReflectedStamp,
  sentTimeOf,
  stampBytes,
  stampTime,
  writeStamp,
} from '#contract/stamp.ts';
import { reflectorLimits, startReflector } from '#edge/reflector.ts';
import { startEdgeServer } from '#edge/server.ts';
import { createVoiceProber } from '#probes/voice/voice.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { silentLog } from '#runtime/log.ts';
import { createEdgeLab, emptyPolicy, entryOf } from '#test/support/edge-lab.ts';
import { probeContext, voiceProbe } from '#test/support/probe-context.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const start = async (sessionsFrom: (address: string) => number, host = '127.0.0.1') => {
  const reflector = await startReflector({
    listen: { host, port: 0 },
    sessionsFrom,
    monotonicMs: () => performance.now(),
    log: silentLog(),
  });
  ends.push(() => reflector.stop());
  return reflector;
};

const startSender = async (address = '127.0.0.1', type: 'udp4' | 'udp6' = 'udp4') => {
  const socket: Socket = createSocket(type).bind(0, address);
  await once(socket, 'listening');
  ends.push(() => socket.close());
  const answers: Buffer[] = [];
  socket.on('message', (packet) => answers.push(packet));
  return { socket, answers };
};

describe('a reflector', () => {
  it('sends back what RFC 8762 says, byte by byte', async () => {
    const { port } = await start(() => 1);
    const { socket, answers } = await startSender();
    const packet = writeStamp({ sequence: 7, sessionId: 0x1234 }, 172);
    packet.fill(0xab, 44);
    stampTime(packet, 1_800_000_000_123.5);
    const before = Date.now();
    for (const _ of [1, 2]) socket.send(packet, port, '127.0.0.1');
    await waitUntil(() => answers.length === 2);
    const [answer, second] = answers as [Buffer, Buffer];
    expect(answer.length).toBe(172);
    expect(answer.readUInt32BE(0)).toBe(0);
    expect(second.readUInt32BE(0)).toBe(1);
    expect(answer.readUInt16BE(14)).toBe(0x1234);
    // Session-Sender: sequence number, timestamp, error estimate.
    expect(answer.subarray(24, 28)).toEqual(packet.subarray(0, 4));
    expect(answer.subarray(28, 38)).toEqual(packet.subarray(4, 14));
    expect(answer.subarray(38, 44)).toEqual(Buffer.alloc(6));
    expect(answer.subarray(44)).toEqual(packet.subarray(44));
    // S = 0, Z = 0, and a multiplier that is not 0 (section 4.2.1).
    expect(answer.readUInt16BE(12) >> 14).toBe(0);
    expect(answer.readUInt8(13)).not.toBe(0);
    const read = readReflectedStamp(answer);
    expect(read).toMatchObject({ sequence: 0, sender: { sequence: 7, sessionId: 0x1234 } });
    expect(read?.sentTime).toBe(sentTimeOf(packet));
    expect(read?.receivedAtMs).toBeGreaterThan(before - 1_000);
    expect(read?.returnedAtMs).toBeGreaterThanOrEqual(read?.receivedAtMs ?? 0);
    expect(read?.returnedAtMs).toBeLessThan(before + 60_000);
    // 1 800 000 000 s after 1970, in NTP's seconds since 1900, and half a second and a bit.
    expect(packet.readUInt32BE(4)).toBe((1_800_000_000 + 2_208_988_800) % 2 ** 32);
    expect(packet.readUInt32BE(8) / 2 ** 32).toBeCloseTo(0.1235, 6);
  });

  it('answers no address without a session', async () => {
    const reflector = await start((address) => (address === '127.0.0.1' ? 1 : 0));
    const known = await startSender('127.0.0.1');
    const stranger = await startSender('127.0.0.2');
    const packet = writeStamp({ sequence: 0, sessionId: 1 }, 172);
    stranger.socket.send(packet, reflector.port, '127.0.0.1');
    await waitUntil(() => reflector.counts().droppedCount === 1);
    known.socket.send(packet, reflector.port, '127.0.0.1');
    await waitUntil(() => known.answers.length === 1);
    expect(stranger.answers).toEqual([]);
  });

  it('sends nothing for packets that are too short or too long', async () => {
    const reflector = await start(() => 1);
    const { socket, answers } = await startSender();
    for (const length of [0, 1, stampBytes.shortest - 1, stampBytes.longest + 1, 9_000]) {
      socket.send(Buffer.alloc(length), reflector.port, '127.0.0.1');
    }
    await waitUntil(() => reflector.counts().droppedCount === 5);
    expect(answers).toEqual([]);
  });

  it('answers an address no more than its sessions’ probes need', async () => {
    let sessions = 1;
    const reflector = await start(() => sessions);
    const { socket } = await startSender();
    const packet = writeStamp({ sequence: 0, sessionId: 1 }, 44);
    const flood = async (count: number) => {
      const before = reflector.counts();
      const seen = () =>
        reflector.counts().reflectedCount +
        reflector.counts().droppedCount -
        before.reflectedCount -
        before.droppedCount;
      for (let i = 0; i < count; i++) {
        socket.send(packet, reflector.port, '127.0.0.1');
        if (i % 50 === 49) await waitUntil(() => seen() > i);
      }
      return reflector.counts().reflectedCount - before.reflectedCount;
    };
    const startedMs = performance.now();
    const first = await flood(2_000);
    const elapsedS = (performance.now() - startedMs) / 1_000;
    const allowed = reflectorLimits.burst + elapsedS * reflectorLimits.packetsPerSecond;
    expect(first).toBeGreaterThanOrEqual(reflectorLimits.burst);
    expect(first).toBeLessThanOrEqual(allowed + 1);
    // A second session has as much again.
    sessions = 2;
    await wait(100);
    expect(await flood(1_000)).toBeLessThan(600);
  });

  it('counts a bounded number of streams an address', async () => {
    const reflector = await start(() => 1);
    const packet = writeStamp({ sequence: 0, sessionId: 1 }, 44);
    const senders = [];
    for (let i = 0; i < reflectorLimits.streamsPerAddress + 5; i++)
      senders.push(await startSender());
    for (const { socket } of senders) socket.send(packet, reflector.port, '127.0.0.1');
    await waitUntil(
      () => reflector.counts().reflectedCount + reflector.counts().droppedCount === senders.length,
    );
    expect(reflector.counts()).toEqual({
      reflectedCount: reflectorLimits.streamsPerAddress,
      droppedCount: 5,
    });
  });

  it('on an IPv6 socket knows the sessions of IPv4 addresses', async () => {
    const asked: string[] = [];
    const reflector = await start((address) => asked.push(address), '::');
    const four = await startSender('127.0.0.1');
    const six = await startSender('::1', 'udp6');
    const packet = writeStamp({ sequence: 0, sessionId: 1 }, 44);
    four.socket.send(packet, reflector.port, '127.0.0.1');
    six.socket.send(packet, reflector.port, '::1');
    await waitUntil(() => four.answers.length === 1 && six.answers.length === 1);
    expect(asked.sort()).toEqual(['127.0.0.1', '::1']);
  });
});

describe('an edge with a reflector', () => {
  it('answers a device for as long as it has a session', async () => {
    const lab = await createEdgeLab();
    ends.push(() => lab.stop());
    const certificate = await issueWithKey(lab.authority, {
      commonName: 'fra-1',
      notAfter: Date.now() + 86_400_000,
      dnsNames: ['fra-1.edge.whyslow.internal'],
      uris: ['urn:whyslow:edge:fra-1'],
      usages: ['server', 'client'],
    });
    const server = await startEdgeServer({
      edgeId: 'fra-1',
      listen: { host: '127.0.0.1', port: 0 },
      certificate: { ...certificate, caCertificatePem: lab.authority.certificatePem },
      reflectorPort: 0,
      log: silentLog(),
    });
    ends.push(() => server.stop(0));
    server.setPolicy(emptyPolicy('fra-1'));
    const edge = { id: 'fra-1', host: '127.0.0.1', reflectorPort: server.reflectorPort };
    const prober = createVoiceProber();
    const probe = voiceProbe({ streamMs: 1_000 });

    const before = await prober.run(probe, probeContext({ edge }));
    expect(before.failure?.type).toBe('voice.no_answer');

    const tunnel = await lab.tunnel([entryOf('fra-1', server.address.port)]);
    await waitUntil(() => tunnel.status().state === 'up');
    const during = await prober.run(probe, probeContext({ edge }));
    expect(during).toMatchObject({ failure: null, body: { receivedCount: 50 } });

    await tunnel.stop();
    await waitUntil(() => server.takeSample().sessionCount === 0);
    const after = await prober.run(probe, probeContext({ edge }));
    expect(after.failure?.type).toBe('voice.no_answer');
  });
});
