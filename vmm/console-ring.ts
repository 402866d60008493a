/**
 * The guest's console output on its way from the VM's thread to the main thread: a ring of bytes in shared memory.
 *
 * The VM's thread never yields to its event loop, so it writes here and wakes the reader with a message; when the ring is full it waits, which costs
 * the guest no time of its clock. Nothing is lost and nothing piles up, however slow the terminal is.
 *
 * @module
 */

/** Words of the control block. */
const HEAD = 0;
const TAIL = 1;
const ANNOUNCED = 2;
const CONTROL_WORDS = 4;

/** What both threads share. */
export interface SharedRing {
  readonly control: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

export function createRing(size = 65536): SharedRing {
  return { control: new SharedArrayBuffer(CONTROL_WORDS * 4), bytes: new SharedArrayBuffer(size) };
}

/** The VM's side. */
export class RingWriter {
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #announce: () => void;
  /** Asked while the ring is full; true gives up, and drops what does not fit. */
  readonly #abandon: () => boolean;
  #head: number;

  constructor(ring: SharedRing, announce: () => void, abandon: () => boolean) {
    this.#control = new Int32Array(ring.control);
    this.#bytes = new Uint8Array(ring.bytes);
    this.#announce = announce;
    this.#abandon = abandon;
    this.#head = Atomics.load(this.#control, HEAD);
  }

  /** One byte; visible to the reader after `flush`. */
  put(byte: number): void {
    const size = this.#bytes.length;
    while (((this.#head - Atomics.load(this.#control, TAIL)) | 0) >= size) {
      this.flush();
      if (this.#abandon()) return;
      Atomics.wait(this.#control, TAIL, (this.#head - size) | 0, 50);
    }
    this.#bytes[this.#head & (size - 1)] = byte;
    this.#head = (this.#head + 1) | 0;
  }

  /** Lets the reader see what was put. */
  flush(): void {
    if (this.#head === Atomics.load(this.#control, HEAD)) return;
    Atomics.store(this.#control, HEAD, this.#head);
    if (Atomics.exchange(this.#control, ANNOUNCED, 1) === 0) this.#announce();
  }
}

/** The main thread's side. */
export class RingReader {
  readonly #control: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(ring: SharedRing) {
    this.#control = new Int32Array(ring.control);
    this.#bytes = new Uint8Array(ring.bytes);
  }

  /** Nothing is there. */
  get isEmpty(): boolean {
    return Atomics.load(this.#control, HEAD) === Atomics.load(this.#control, TAIL);
  }

  /** A copy of all that is there. It keeps its place in the ring until `release`d. */
  take(): Uint8Array {
    Atomics.store(this.#control, ANNOUNCED, 0);
    const head = Atomics.load(this.#control, HEAD);
    const tail = Atomics.load(this.#control, TAIL);
    const size = this.#bytes.length;
    const out = new Uint8Array((head - tail) | 0);
    for (let i = 0; i < out.length; i++) out[i] = this.#bytes[(tail + i) & (size - 1)];
    return out;
  }

  /** Gives `count` bytes of room back to the writer. */
  release(count: number): void {
    Atomics.add(this.#control, TAIL, count);
    Atomics.notify(this.#control, TAIL);
  }
}
