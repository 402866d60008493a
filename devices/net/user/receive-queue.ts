/**
 * What came from the guest before what it comes after: parts of the stream, apart from each other, in order.
 *
 * @module
 */

/** Parts that are kept at most: each costs memory of its own, however short it is. */
const PARTS_MAX = 128;

interface Part {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Bytes that all queues of a stack together may hold. */
export interface Budget {
  left: number;
}

/** How far `a` comes after `b` (RFC 9293 3.4). */
export function after(a: number, b: number): number {
  return (a - b) | 0;
}

export class ReceiveQueue {
  readonly #budget: Budget;
  #parts: Part[] = [];

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Keeps a copy of what is not there yet; forgets it when there is no room: it will be sent again. */
  add(sequence: number, bytes: Uint8Array): void {
    let i = this.#parts.length;
    while (i > 0 && after(sequence, this.#parts[i - 1].sequence) < 0) i--;
    const before = i === 0 ? undefined : this.#parts[i - 1];
    const known = before === undefined ? 0 : Math.max(0, after(before.sequence + before.bytes.length, sequence));
    const next = this.#parts[i];
    // What the next part has is left to it; what goes beyond it will be sent again.
    const end = next === undefined ? bytes.length : Math.min(bytes.length, after(next.sequence, sequence));
    if (known >= end || this.#parts.length >= PARTS_MAX || this.#budget.left < end - known) return;
    this.#budget.left -= end - known;
    this.#parts.splice(i, 0, { sequence: (sequence + known) | 0, bytes: bytes.slice(known, end) });
  }

  /** Takes what begins at or before `sequence`, without what comes before it; undefined when that is nothing. */
  take(sequence: number): Uint8Array | undefined {
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const old = after(sequence, part.sequence);
      if (old < 0) return undefined;
      this.#parts.shift();
      this.#budget.left += part.bytes.length;
      if (old < part.bytes.length) return old === 0 ? part.bytes : part.bytes.subarray(old);
    }
    return undefined;
  }

  clear(): void {
    for (const part of this.#parts) this.#budget.left += part.bytes.length;
    this.#parts = [];
  }
}
