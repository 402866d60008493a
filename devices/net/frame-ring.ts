/**
 * Frames between two threads: a ring in shared memory with one writer and one reader.
 *
 * A record is its length, what is left to be done to the frame, and the frame, in steps of four bytes; it is never divided: where the rest of
 * the ring is too short, a mark sends the reader to its start. The reader's wake-up is the writer's business (`announce`): it is called once when something was
 * written and not again until the reader has looked (`look`, `take`). A writer that finds no room is told when there is some (`refused`).
 *
 * @module
 */
import { FRAME_MAX, type Offload } from './backend.ts';
import { getOffload, putOffload } from './offload.ts';

/** Words of the control block: bytes written and read, which wrap at 2^32; a reader that was announced to; a writer that waits for room. */
const HEAD = 0;
const TAIL = 1;
const ANNOUNCED = 2;
const REFUSED = 3;
const CONTROL_BYTES = 16;

/** Length, offload header of ten bytes, two unused. */
const RECORD_BYTES = 16;
/** In the place of a length: go on at the ring's start. */
const AGAIN = 0xffff_ffff;
const RING_BYTES = 2 ** 21;

/** What both threads share. */
export interface SharedFrames {
  readonly control: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

/** `bytes`: a power of two, and more than two of the longest records, so that one fits wherever the last one ended. */
export function createFrameRing(bytes = RING_BYTES): SharedFrames {
  return { control: new SharedArrayBuffer(CONTROL_BYTES), bytes: new SharedArrayBuffer(bytes) };
}

const recordBytes = (frame: number): number => RECORD_BYTES + ((frame + 3) & ~3);

abstract class Side {
  protected readonly control: Int32Array;
  protected readonly bytes: Uint8Array;
  protected readonly view: DataView;

  constructor({ control, bytes }: SharedFrames) {
    this.control = new Int32Array(control);
    this.bytes = new Uint8Array(bytes);
    this.view = new DataView(bytes);
  }

  protected get size(): number {
    return this.bytes.length;
  }

  /** Offset in the ring of a running count of bytes. */
  protected offset(count: number): number {
    return count & (this.size - 1);
  }
}

export class FrameWriter extends Side {
  readonly #announce: () => void;

  constructor(ring: SharedFrames, announce: () => void) {
    super(ring);
    this.#announce = announce;
  }

  /** Writes a frame; false when there is no room for it. */
  put(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    if (frame.length > FRAME_MAX) return true;
    if (this.#write(frame, offload)) return true;
    Atomics.store(this.control, REFUSED, 1);
    // The reader may have made room before it could see that somebody waits.
    if (!this.#write(frame, offload)) return false;
    Atomics.store(this.control, REFUSED, 0);
    return true;
  }

  #write(frame: Uint8Array, offload: Readonly<Offload>): boolean {
    const head = Atomics.load(this.control, HEAD);
    const free = this.size - ((head - Atomics.load(this.control, TAIL)) >>> 0);
    const at = this.offset(head);
    const needed = recordBytes(frame.length);
    const skipped = this.size - at < needed ? this.size - at : 0;
    if (free < skipped + needed) return false;
    if (skipped > 0) this.view.setUint32(at, AGAIN, true);
    const place = skipped > 0 ? 0 : at;
    this.view.setUint32(place, frame.length, true);
    putOffload(this.view, place + 4, offload);
    this.bytes.set(frame, place + RECORD_BYTES);
    Atomics.store(this.control, HEAD, (head + skipped + needed) | 0);
    if (Atomics.exchange(this.control, ANNOUNCED, 1) === 0) this.#announce();
    return true;
  }

  /** Blocks until the reader has made room, at most so long. */
  waitForRoom(milliseconds: number): void {
    Atomics.wait(this.control, TAIL, Atomics.load(this.control, TAIL), milliseconds);
  }
}

export class FrameReader extends Side {
  /** Where the frame at hand stands, and the count of bytes before it. */
  private place = 0;
  private tail = 0;

  /** Looks whether there is a frame. From here on the writer announces again. */
  look(): boolean {
    Atomics.store(this.control, ANNOUNCED, 0);
    return Atomics.load(this.control, HEAD) !== Atomics.load(this.control, TAIL);
  }

  /**
   * Offers what there is to `receiver`, one frame after the other, until it refuses; a refused frame stays. True when the writer waited
   * for the room that came of it.
   */
  take(receiver: (frame: Uint8Array, offload: Offload) => boolean): boolean {
    Atomics.store(this.control, ANNOUNCED, 0);
    while (this.#next()) {
      const length = this.view.getUint32(this.place, true);
      const frame = this.bytes.subarray(this.place + RECORD_BYTES, this.place + RECORD_BYTES + length);
      if (!receiver(frame, getOffload(this.view, this.place + 4))) break;
      Atomics.store(this.control, TAIL, (this.tail + recordBytes(length)) | 0);
      Atomics.notify(this.control, TAIL);
    }
    return Atomics.exchange(this.control, REFUSED, 0) !== 0;
  }

  /** Finds the next record. */
  #next(): boolean {
    this.tail = Atomics.load(this.control, TAIL);
    if (Atomics.load(this.control, HEAD) === this.tail) return false;
    this.place = this.offset(this.tail);
    if (this.view.getUint32(this.place, true) !== AGAIN) return true;
    this.tail = (this.tail + this.size - this.place) | 0;
    this.place = 0;
    return true;
  }
}
