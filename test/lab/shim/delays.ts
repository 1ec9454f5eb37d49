/**
 * The packets that wait, earliest first, as a binary heap. Of packets due at the same time the one
 * that came first goes first: order within a link is kept. Typed arrays, so that nothing is
 * allocated for a packet and no garbage collection falls due.
 */
export class Delays {
  #size = 0;
  #sequence = 0;
  #dueMs = new Float64Array(1_024);
  #order = new Float64Array(1_024);
  #queue = new Uint16Array(1_024);
  #packet = new Uint32Array(1_024);

  get size(): number {
    return this.#size;
  }

  /** When the next packet is due; Infinity where none waits. */
  get nextDueMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#dueMs[0] as number);
  }

  add(queue: number, packet: number, dueMs: number): void {
    if (this.#size === this.#dueMs.length) this.#grow();
    this.#sequence += 1;
    const order = this.#sequence;
    let at = this.#size;
    this.#size += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isAfter(parent, dueMs, order)) break;
      this.#copy(parent, at);
      at = parent;
    }
    this.#put(at, queue, packet, dueMs, order);
  }

  /** Takes out the packets due by now and gives each to `release`. */
  takeDue(nowMs: number, release: (queue: number, packet: number) => void): void {
    while (this.#size > 0 && (this.#dueMs[0] as number) <= nowMs) {
      release(this.#queue[0] as number, this.#packet[0] as number);
      this.#removeFirst();
    }
  }

  #removeFirst(): void {
    this.#size -= 1;
    const last = this.#size;
    const dueMs = this.#dueMs[last] as number;
    const order = this.#order[last] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      const right = child + 1;
      if (
        right < last &&
        this.#isAfter(child, this.#dueMs[right] as number, this.#order[right] as number)
      ) {
        child = right;
      }
      if (this.#isAfter(child, dueMs, order)) break;
      this.#copy(child, at);
      at = child;
    }
    this.#put(at, this.#queue[last] as number, this.#packet[last] as number, dueMs, order);
  }

  #isAfter(at: number, dueMs: number, order: number): boolean {
    const own = this.#dueMs[at] as number;
    return own > dueMs || (own === dueMs && (this.#order[at] as number) > order);
  }

  #copy(from: number, to: number): void {
    this.#dueMs[to] = this.#dueMs[from] as number;
    this.#order[to] = this.#order[from] as number;
    this.#queue[to] = this.#queue[from] as number;
    this.#packet[to] = this.#packet[from] as number;
  }

  #put(at: number, queue: number, packet: number, dueMs: number, order: number): void {
    this.#dueMs[at] = dueMs;
    this.#order[at] = order;
    this.#queue[at] = queue;
    this.#packet[at] = packet;
  }

  #grow(): void {
    const length = this.#dueMs.length * 2;
    const grown = <T extends Float64Array | Uint16Array | Uint32Array>(next: T, old: T): T => {
      next.set(old);
      return next;
    };
    this.#dueMs = grown(new Float64Array(length), this.#dueMs);
    this.#order = grown(new Float64Array(length), this.#order);
    this.#queue = grown(new Uint16Array(length), this.#queue);
    this.#packet = grown(new Uint32Array(length), this.#packet);
  }
}
