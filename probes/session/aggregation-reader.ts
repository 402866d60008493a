/**
 * Reads a program's aggregations out of its arena, from another thread than the one that aggregates.
 *
 * What is read becomes SNAPSHOT records, the form in which printa's aggregations travel (`probes/arena.ts`): one form for the ring, the socket and
 * the consumer. Exact once the program is STOPPED. While it runs, elements may be added and changed meanwhile, which shows as values a moment old,
 * and trunc() may move elements, which shows as some of them missing or twice: such a reading serves only when no better one will come, because the
 * process of the VM was killed.
 *
 * @module
 */
import { AGGREGATION, ELEMENT } from '../arena-layout.ts';
import { ARENA, RECORD, SPECIAL } from '../arena.ts';
import type { ProgramDescriptor } from '../program.ts';

/** Bytes of a SNAPSHOT record before its elements. */
const PART_HEAD = RECORD.HEADER + 24;
const ELEMENT_HEAD = 8;
const FIRST = 1;
const LAST = 2;

/** Bytes of a part, about. */
const PART_BYTES = 1 << 18;

export class AggregationReader {
  readonly #memory: DataView;
  readonly #bytes: Uint8Array;
  readonly #table: number;
  readonly #end: number;
  readonly #ids: readonly number[];

  constructor(memory: ArrayBufferLike, arena: number, descriptor: ProgramDescriptor) {
    this.#memory = new DataView(memory);
    this.#bytes = new Uint8Array(memory);
    this.#table = this.#memory.getUint32(arena + ARENA.AGGREGATIONS, true);
    this.#end = this.#table + this.#memory.getUint32(arena + ARENA.AGGREGATIONS_BYTES, true);
    this.#ids = descriptor.aggregations.map((aggregation) => aggregation.id);
  }

  get isEmpty(): boolean {
    return this.#ids.length === 0;
  }

  /** SNAPSHOT records of every aggregation, each a whole record. */
  *read(): Generator<Uint8Array<ArrayBuffer>> {
    for (const id of this.#ids) yield* this.#aggregation(id);
  }

  *#aggregation(id: number): Generator<Uint8Array<ArrayBuffer>> {
    const memory = this.#memory;
    const entry = this.#table + id * AGGREGATION.BYTES;
    const data = memory.getUint32(entry + AGGREGATION.KEY_BYTES, true) + memory.getUint32(entry + AGGREGATION.VALUE_BYTES, true);
    const each = ELEMENT_HEAD + data;
    const perPart = Math.max(1, Math.floor((PART_BYTES - PART_HEAD) / each));
    let left = memory.getUint32(entry + AGGREGATION.COUNT, true);
    let element = memory.getUint32(entry + AGGREGATION.FIRST, true);
    let flags = FIRST;
    do {
      const wanted = Math.min(left, perPart);
      const part = new Uint8Array(PART_HEAD + wanted * each);
      let count = 0;
      for (let at = PART_HEAD; count < wanted && this.#isElement(element, data); at += each, count++) {
        new DataView(part.buffer).setUint32(at, each, true);
        part.set(this.#bytes.subarray(element + ELEMENT.KEY, element + ELEMENT.KEY + data), at + ELEMENT_HEAD);
        element = memory.getUint32(element + ELEMENT.NEXT, true);
      }
      left -= count;
      // A list that ends early is one that was cut meanwhile.
      if (left === 0 || count < wanted) flags |= LAST;
      const bytes = part.subarray(0, PART_HEAD + count * each);
      writeHead(bytes, id, flags, count, memory.getBigInt64(entry + AGGREGATION.NORMAL, true));
      yield bytes;
      if (flags & LAST) return;
      flags = 0;
    } while (left > 0);
  }

  #isElement(at: number, data: number): boolean {
    return at > this.#table && at + ELEMENT.KEY + data <= this.#end;
  }
}

function writeHead(part: Uint8Array<ArrayBuffer>, id: number, flags: number, count: number, normal: bigint): void {
  const view = new DataView(part.buffer, part.byteOffset, part.length);
  view.setUint32(RECORD.SIZE, part.length, true);
  view.setUint32(RECORD.EPID, SPECIAL.SNAPSHOT, true);
  view.setUint32(RECORD.HEADER, id, true);
  view.setUint32(RECORD.HEADER + 4, flags, true);
  view.setUint32(RECORD.HEADER + 8, count, true);
  view.setBigInt64(RECORD.HEADER + 16, normal, true);
}
