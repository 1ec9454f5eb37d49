import { expect, test } from 'vitest';
import { Delays } from '#test/lab/shim/delays.ts';
import { randomOf } from './random.ts';

const takeAll = (delays: Delays, nowMs: number): number[] => {
  const packets: number[] = [];
  delays.takeDue(nowMs, (_, packet) => packets.push(packet));
  return packets;
};

test('packets go by when they are due, and not before', () => {
  const delays = new Delays();
  delays.add(0, 30, 3);
  delays.add(0, 10, 1);
  delays.add(0, 20, 2);
  expect(delays.nextDueMs).toBe(1);
  expect(takeAll(delays, 0.99)).toEqual([]);
  expect(takeAll(delays, 2)).toEqual([10, 20]);
  expect(delays.nextDueMs).toBe(3);
  expect(takeAll(delays, 3)).toEqual([30]);
  expect([delays.size, delays.nextDueMs]).toEqual([0, Number.POSITIVE_INFINITY]);
});

test('of packets due at once the one that came first goes first', () => {
  const delays = new Delays();
  for (let packet = 0; packet < 500; packet += 1) delays.add(0, packet, packet % 3);
  const expected = [0, 1, 2].flatMap((dueMs) =>
    Array.from({ length: 500 }, (_, packet) => packet).filter((packet) => packet % 3 === dueMs),
  );
  expect(takeAll(delays, 2)).toEqual(expected);
});

test('ten thousand packets that come and go in any order stay sorted, with their queues', () => {
  const random = randomOf(1);
  const delays = new Delays();
  const dueMs = Array.from({ length: 10_000 }, (_, packet) => packet / 10 + random() * 500);
  const taken: { queue: number; packet: number; nowMs: number }[] = [];
  dueMs.forEach((due, packet) => {
    delays.add(packet % 1_000, packet, due);
    const nowMs = packet / 10;
    delays.takeDue(nowMs, (queue, gone) => taken.push({ queue, packet: gone, nowMs }));
  });
  const last = 2_000;
  delays.takeDue(last, (queue, gone) => taken.push({ queue, packet: gone, nowMs: last }));

  expect(new Set(taken.map(({ packet }) => packet)).size).toBe(10_000);
  expect(taken.filter(({ queue, packet }) => queue !== packet % 1_000)).toEqual([]);
  const due = (packet: number) => dueMs[packet] as number;
  expect(taken.filter(({ packet, nowMs }) => due(packet) > nowMs)).toEqual([]);
  // Each went with the first look after it was due; looks are 0.1 ms apart.
  const late = taken.filter(({ packet, nowMs }) => nowMs < last && nowMs - due(packet) > 0.1001);
  expect(late).toEqual([]);
  const order = taken.map(({ packet }) => due(packet));
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test('the kernel’s largest packet number passes unchanged', () => {
  const delays = new Delays();
  delays.add(65_535, 0xffff_ffff, 1);
  delays.takeDue(1, (queue, packet) => expect([queue, packet]).toEqual([65_535, 0xffff_ffff]));
  expect(delays.size).toBe(0);
});
