/**
 * The reader's side of a program's record ring: see `probes/arena.ts` for the layout and for who moves what.
 *
 * Takes copies of whole records, the fillers at the ring's end left out, and gives the room back to the writer only when asked to, so that a reader
 * that is slow makes the ring full, and nothing else grow.
 *
 * @module
 */
import { ARENA, POLICY, RECORD, SPECIAL, STATE } from '../arena.ts';

/** Bytes copied at a time, at most: what a reader holds beside the ring. */
const CHUNK = 1 << 18;

export class RecordRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Index of the arena's first word. */
  readonly #at: number;
  readonly #ring: number;
  readonly #size: number;
  /** Bytes of the ring that the last `take` went through. */
  #taken = 0;

  /** `arena`: its place in the VM's memory. */
  constructor(memory: ArrayBufferLike, arena: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
    this.#at = arena >>> 2;
    this.#ring = this.#word(ARENA.RING);
    this.#size = this.#word(ARENA.RING_BYTES);
  }

  #word(offset: number): number {
    return Atomics.load(this.#words, this.#at + (offset >>> 2)) >>> 0;
  }

  get state(): number {
    return this.#word(ARENA.STATE);
  }

  get exitStatus(): number {
    return this.#word(ARENA.EXIT_STATUS) | 0;
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return (this.#word(ARENA.HEAD) - this.#word(ARENA.TAIL)) >>> 0;
  }

  get size(): number {
    return this.#size;
  }

  /** The writer keeps the newest (ring) or the oldest records (fill) until the end: nothing is read before it. */
  get isReadable(): boolean {
    return this.#word(ARENA.POLICY) === POLICY.SWITCH || this.state === STATE.STOPPED;
  }

  /** Copies the oldest records; an empty array when there are none. `release` before the next one. */
  take(): Uint8Array<ArrayBuffer> {
    const head = this.#word(ARENA.HEAD);
    const tail = this.#word(ARENA.TAIL);
    const waiting = (head - tail) >>> 0;
    const start = this.#ring + (tail & (this.#size - 1));
    const end = Math.min(start + waiting, this.#ring + this.#size);
    let at = start;
    while (at < end && at - start < CHUNK) {
      if (this.#view.getUint32(at + RECORD.EPID, true) === SPECIAL.PAD) {
        // It ends the ring, and so this copy.
        this.#taken = end - start;
        return this.#copy(start, at);
      }
      at += this.#view.getUint32(at + RECORD.SIZE, true);
    }
    this.#taken = at - start;
    return this.#copy(start, at);
  }

  #copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(end - start);
    copy.set(this.#bytes.subarray(start, end));
    return copy;
  }

  /** Gives the room of what was taken back to the writer, and wakes it if it waits. True when there was any. */
  release(): boolean {
    const taken = this.#taken;
    if (taken === 0) return false;
    this.#taken = 0;
    const tail = this.#at + (ARENA.TAIL >>> 2);
    Atomics.add(this.#words, tail, taken);
    Atomics.notify(this.#words, tail);
    return true;
  }
}
