/**
 * A table of keys that are a few 32-bit words each: finds a key's number, which it gave when it saw the key first. An open-addressed hash table (Knuth, The
 * Art of Computer Programming, vol. 3, 6.4) over typed arrays: a key costs its words and 16 to 24 bytes beside them, nothing is allocated for one that is
 * known, and there is a limit to all of it.
 *
 * @module
 */

/** Keys that are told apart; however many there are, room for no more is ever used. */
export const KEYS_MAX = 1 << 22;
/** Words of all keys together: 256 MiB. */
const WORDS_MAX = 1 << 26;
/** Multiplier of the hash: 2^32 over the golden ratio (Knuth, 6.4). */
const GOLDEN = 0x9e37_79b1;

function hashOf(key: Uint32Array, length: number): number {
  let hash = length;
  for (let i = 0; i < length; i++) {
    hash = Math.imul(hash ^ (key[i] as number), GOLDEN);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

export class KeyTable {
  readonly #keysMax: number;
  /** Numbers of keys, plus one; 0 is free. Twice as many as keys at least. */
  #slots = new Uint32Array(1 << 11);
  #hashes = new Uint32Array(1 << 10);
  /** Where each key's words start; behind the last one, where they end. */
  #starts = new Uint32Array((1 << 10) + 1);
  #words = new Uint32Array(1 << 12);
  #size = 0;

  constructor(keysMax = KEYS_MAX) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a key, which is that of its first `length` words; -1 when it is new and there is no room. */
  find(key: Uint32Array, length: number): number {
    const hash = hashOf(key, length);
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] as number) - 1;
      if (number < 0) return this.#add(key, length, hash, slot);
      if (this.#hashes[number] === hash && this.#is(number, key, length)) return number;
    }
  }

  #is(number: number, key: Uint32Array, length: number): boolean {
    const start = this.#starts[number] as number;
    if ((this.#starts[number + 1] as number) - start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#words[start + i] !== key[i]) return false;
    return true;
  }

  #add(key: Uint32Array, length: number, hash: number, slot: number): number {
    const number = this.#size;
    const start = this.#starts[number] as number;
    if (number >= this.#keysMax || start + length > WORDS_MAX) return -1;
    const grows = number === this.#hashes.length;
    if (grows) this.#grow();
    while (start + length > this.#words.length) this.#words = larger(this.#words, this.#words.length * 2);
    for (let i = 0; i < length; i++) this.#words[start + i] = key[i] as number;
    this.#starts[number + 1] = start + length;
    this.#hashes[number] = hash;
    this.#slots[grows ? this.#place(hash) : slot] = number + 1;
    this.#size++;
    return number;
  }

  /** The first free slot for a hash. */
  #place(hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const size = this.#hashes.length * 2;
    this.#hashes = larger(this.#hashes, size);
    this.#starts = larger(this.#starts, size + 1);
    this.#slots = new Uint32Array(size * 2);
    for (let number = 0; number < this.#size; number++) this.#slots[this.#place(this.#hashes[number] as number)] = number + 1;
  }

  /** The words of a key; they are the table's. */
  key(number: number): Uint32Array {
    return this.#words.subarray(this.#starts[number], this.#starts[number + 1]);
  }

  /** Orders two keys: by their first words, which weigh most, or by their lengths. */
  compare(a: number, b: number): number {
    const [from, other] = [this.#starts[a] as number, this.#starts[b] as number];
    const [length, otherLength] = [(this.#starts[a + 1] as number) - from, (this.#starts[b + 1] as number) - other];
    for (let i = 0; i < length && i < otherLength; i++) {
      const difference = (this.#words[from + i] as number) - (this.#words[other + i] as number);
      if (difference !== 0) return difference;
    }
    return length - otherLength;
  }
}

function larger(array: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(length);
  copy.set(array);
  return copy;
}
