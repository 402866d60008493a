/**
 * Bytes on their way to the guest, kept until the guest has acknowledged them: in blocks that all queues of a stack share and use again, so that a fast
 * connection makes no garbage and many short writes cost no more than their bytes.
 *
 * @module
 */

export const BLOCK_BYTES = 32768;
const FREE_MAX = 64;

/** Blocks of one size that nobody needs now. */
export class BlockPool {
  readonly #free: Uint8Array[] = [];
  readonly #bytes: number;

  constructor(bytes = BLOCK_BYTES) {
    this.#bytes = bytes;
  }

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.#bytes);
  }

  give(block: Uint8Array): void {
    if (this.#free.length < FREE_MAX) this.#free.push(block);
  }
}

export class SendQueue {
  readonly #pool: BlockPool;
  readonly #blocks: Uint8Array[] = [];
  /** Bytes of the first block that are not needed any more. */
  #skipped = 0;
  #length = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes a copy. */
  push(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const end = this.#skipped + this.#length;
      const at = end % BLOCK_BYTES;
      if (end === this.#blocks.length * BLOCK_BYTES) this.#blocks.push(this.#pool.take());
      const part = bytes.subarray(done, done + BLOCK_BYTES - at);
      (this.#blocks.at(-1) as Uint8Array).set(part, at);
      this.#length += part.length;
      done += part.length;
    }
  }

  /** Forgets the first `length` bytes; there are as many. */
  drop(length: number): void {
    this.#length -= length;
    this.#skipped += length;
    while (this.#skipped >= BLOCK_BYTES) {
      this.#pool.give(this.#blocks.shift() as Uint8Array);
      this.#skipped -= BLOCK_BYTES;
    }
    if (this.#length === 0) this.clear();
  }

  clear(): void {
    for (const block of this.#blocks.splice(0)) this.#pool.give(block);
    this.#skipped = 0;
    this.#length = 0;
  }

  /** Copies `length` bytes from `offset` on; there are as many. */
  copy(offset: number, length: number, into: Uint8Array, at: number): void {
    for (let done = 0; done < length; ) {
      const from = this.#skipped + offset + done;
      const block = this.#blocks[Math.floor(from / BLOCK_BYTES)];
      const begin = from % BLOCK_BYTES;
      const part = block.subarray(begin, begin + length - done);
      into.set(part, at + done);
      done += part.length;
    }
  }
}
