/**
 * Bytes on their way to the guest: pieces as the host's socket gave them, kept without a copy until the guest has acknowledged them.
 *
 * @module
 */

export class SendQueue {
  #pieces: Uint8Array[] = [];
  /** Index of the first piece that is still needed. */
  #first = 0;
  /** Bytes of it that are not needed any more. */
  #skipped = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Pieces that are held: each costs memory of its own, however short it is. */
  get pieces(): number {
    return this.#pieces.length - this.#first;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }

  /** Forgets the first `length` bytes. */
  drop(length: number): void {
    this.#length -= length;
    let left = length + this.#skipped;
    while (this.#first < this.#pieces.length && left >= this.#pieces[this.#first].length) left -= this.#pieces[this.#first++].length;
    this.#skipped = left;
    if (this.#first === this.#pieces.length || this.#first >= 64) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
  }

  clear(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#skipped = 0;
    this.#length = 0;
  }

  /** Copies `length` bytes from `offset` on; there are as many. */
  copy(offset: number, length: number, into: Uint8Array, at: number): void {
    let skip = offset + this.#skipped;
    let i = this.#first;
    while (skip >= this.#pieces[i].length) skip -= this.#pieces[i++].length;
    for (let done = 0; done < length; i++) {
      const piece = this.#pieces[i];
      const bytes = Math.min(piece.length - skip, length - done);
      into.set(skip === 0 && bytes === piece.length ? piece : piece.subarray(skip, skip + bytes), at + done);
      done += bytes;
      skip = 0;
    }
  }
}
