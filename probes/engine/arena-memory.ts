/**
 * The trace area's memory: arenas are taken from it and given back.
 *
 * First fit over a list of free blocks; there are at most a few arenas at a time. What was used before is zeroed when it is taken again, page by page
 * where it is not zero already, because a page that is only read costs the host nothing.
 *
 * @module
 */

const PAGE = 4096;

interface Block {
  readonly at: number;
  readonly bytes: number;
}

export class ArenaMemory {
  readonly #memory: Uint32Array;
  /** In order of their addresses, none next to another. */
  #free: Block[];
  readonly #used = new Map<number, number>();
  /** What lies from here on was never used. */
  #fresh: number;

  constructor(buffer: ArrayBufferLike, from: number, to: number) {
    this.#memory = new Uint32Array(buffer);
    this.#free = [{ at: from, bytes: to - from }];
    this.#fresh = from;
  }

  /** Bytes of the largest arena that can be had. */
  get largest(): number {
    return this.#free.reduce((most, block) => Math.max(most, block.bytes), 0);
  }

  /** Zeroed memory in whole pages; its address, or undefined when there is no such room. */
  take(bytes: number): number | undefined {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    const index = this.#free.findIndex((block) => block.bytes >= size);
    const block = this.#free[index];
    if (block === undefined) return undefined;
    this.#free.splice(index, 1, ...(block.bytes > size ? [{ at: block.at + size, bytes: block.bytes - size }] : []));
    this.#used.set(block.at, size);
    this.#zero(block.at, Math.min(block.at + size, this.#fresh));
    this.#fresh = Math.max(this.#fresh, block.at + size);
    return block.at;
  }

  #zero(from: number, to: number): void {
    const words = this.#memory;
    for (let at = from; at < to; at += PAGE) {
      const end = (at + PAGE) / 4;
      for (let i = at / 4; i < end; i++) {
        if (words[i] === 0) continue;
        words.fill(0, i, end);
        break;
      }
    }
  }

  give(at: number): void {
    const bytes = this.#used.get(at);
    if (bytes === undefined) throw new RangeError(`no arena at ${at}`);
    this.#used.delete(at);
    const blocks = [...this.#free, { at, bytes }].sort((a, b) => a.at - b.at);
    this.#free = [];
    for (const block of blocks) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.at + last.bytes === block.at)
        this.#free.splice(-1, 1, { at: last.at, bytes: last.bytes + block.bytes });
      else this.#free.push(block);
    }
  }
}
