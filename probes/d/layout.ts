/**
 * Where the members of structures stand.
 *
 * By the System V ABI for x86-64, 3.1.2: a bit-field lies within one storage unit of its declared type and starts at the next bit, or at the next
 * unit when it would cross. (The ABI says so in bits of the structure; the storage unit told here is the aligned one that holds the field.)
 *
 * @module
 */
import { alignOf, sizeOf } from './ctype.ts';
import type { Member, StructType, Type } from './types.ts';

export class Layout {
  readonly members: Member[] = [];
  readonly #names = new Set<string>();
  readonly #union: boolean;
  /** Bits used. */
  #bits = 0;
  #bytes = 0;
  #align = 1;

  constructor(kind: 'struct' | 'union') {
    this.#union = kind === 'union';
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  #push(member: Member): void {
    this.members.push(member);
    if (member.name !== '') this.#names.add(member.name);
  }

  add(name: string, type: Type): void {
    const align = alignOf(type);
    const size = sizeOf(type);
    const offset = this.#union ? 0 : Math.ceil(this.#bits / 8 / align) * align;
    this.#push({ name, type, offset });
    this.#grow(align, offset + size, (offset + size) * 8);
  }

  addBits(name: string, type: Type, width: number): void {
    const unit = sizeOf(type) * 8;
    let start = this.#union ? 0 : this.#bits;
    if ((start % unit) + width > unit) start = Math.ceil(start / unit) * unit;
    const shift = start % unit;
    const offset = (start - shift) / 8;
    this.#push({ name, type, offset, bits: { shift, width } });
    this.#grow(alignOf(type), Math.ceil((start + width) / 8), start + width);
  }

  #grow(align: number, bytes: number, bits: number): void {
    this.#align = Math.max(this.#align, align);
    this.#bytes = Math.max(this.#bytes, bytes);
    if (!this.#union) this.#bits = bits;
  }

  finish(type: StructType): void {
    type.members = this.members;
    type.align = this.#align;
    type.bytes = Math.ceil(this.#bytes / this.#align) * this.#align;
    type.complete = true;
  }
}
