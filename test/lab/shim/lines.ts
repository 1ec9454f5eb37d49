import type { ShimQueue } from './control.ts';
import { Delays } from './delays.ts';
import { dueOf, type Lane, lost, newLane } from './impair.ts';
import { createPacketInbox, openQueues, type QueueSocket } from './nfqueue.ts';
import { droppedAt, goneAt, impairmentOffset, packetsAt, type Shared } from './shared.ts';

/** The lines of one namespace: one socket serves all its queues. */
type Namespace = { socket: QueueSocket; onPacket: (queueNumber: number, packet: number) => void };

type Line = { queueNumber: number; socket: QueueSocket; lane: Lane };

/** All queues of all namespaces, and the packets that wait in them. */
export class Lines {
  readonly #shared: Shared;
  readonly #lines: Line[] = [];
  readonly #namespaces: Namespace[];
  readonly #delays = new Delays();
  #cameAtMs = 0;

  /** Opens a socket per namespace and binds its queues: from now on packets wait for `release`. */
  constructor(queues: readonly ShimQueue[], shared: Shared) {
    this.#shared = shared;
    const inbox = createPacketInbox();
    const names = [...new Set(queues.map(({ namespace }) => namespace))];
    this.#namespaces = names.map((name) => {
      const indexOf = new Map<number, number>();
      queues.forEach(({ namespace, queueNumber }, index) => {
        if (namespace === name) indexOf.set(queueNumber, index);
      });
      const socket = openQueues(name, [...indexOf.keys()], inbox);
      for (const [queueNumber, index] of indexOf) {
        this.#lines[index] = { queueNumber, socket, lane: newLane() };
      }
      return {
        socket,
        onPacket: (queueNumber, packet) => this.#add(indexOf.get(queueNumber) as number, packet),
      };
    });
  }

  get descriptors(): number[] {
    return this.#namespaces.map(({ socket }) => socket.descriptor);
  }

  /** When the next packet is due; Infinity where none waits. */
  get nextDueMs(): number {
    return this.#delays.nextDueMs;
  }

  /** Takes what came for the descriptor of that index, as having come then. */
  take(index: number, cameAtMs: number): void {
    this.#cameAtMs = cameAtMs;
    const { socket, onPacket } = this.#namespaces[index] as Namespace;
    socket.receive(onPacket);
  }

  /** Lets go what is due by then, and tells the kernel all that was decided. */
  release(nowMs: number): void {
    this.#delays.takeDue(nowMs, this.#letGo);
    for (const { socket } of this.#namespaces) socket.flush();
  }

  #add(index: number, packet: number): void {
    const { queueNumber, socket, lane } = this.#lines[index] as Line;
    const { impairments, counters } = this.#shared;
    const offset = impairmentOffset(index);
    const dueMs = dueOf(impairments, offset, lane, this.#cameAtMs, Math.random);
    count(counters, packetsAt(index));
    if (dueMs === lost) {
      count(counters, droppedAt(index));
      socket.decide(queueNumber, packet, false);
    } else {
      this.#delays.add(index, packet, dueMs);
    }
  }

  #letGo = (index: number, packet: number): void => {
    const { queueNumber, socket } = this.#lines[index] as Line;
    count(this.#shared.counters, goneAt(index));
    socket.decide(queueNumber, packet, true);
  };
}

const count = (counters: Float64Array, at: number): void => {
  counters[at] = (counters[at] as number) + 1;
};
