/**
 * Names for guest addresses: from an ELF file's symbol table, or from the text that nm prints (System.map, /proc/kallsyms).
 *
 * Specification: System V ABI, chapter 4 (symbol table). Functions and symbols without a type count, in sections that are there; of several at one
 * address the global one, then the first name in the alphabet. An address belongs to the nearest symbol at or below it: within its size when it has
 * one, else up to the next.
 *
 * A kernel that moved itself (KASLR) is elsewhere than its file says: `offset` is added to every symbol.
 *
 * @module
 */
import { readWhole } from './read-whole.ts';

/** A file without names for addresses; one line. */
export class SymbolsError extends Error {
  override readonly name = 'SymbolsError';
}

interface GuestSymbol {
  readonly address: bigint;
  /** 0: not known. */
  readonly size: bigint;
  /** Where its section ends. */
  readonly limit?: bigint;
  readonly global: boolean;
  readonly name: string;
}

export class SymbolTable {
  readonly #addresses: BigUint64Array;
  readonly #symbols: readonly GuestSymbol[];
  readonly #all: readonly GuestSymbol[];
  readonly #offset: bigint;

  constructor(symbols: readonly GuestSymbol[], offset = 0n) {
    const order = [...symbols].sort((a, b) =>
      a.address !== b.address ? (a.address < b.address ? -1 : 1) : a.global !== b.global ? (a.global ? -1 : 1) : a.name < b.name ? -1 : 1,
    );
    this.#all = order;
    this.#offset = offset;
    this.#symbols = order.filter((s, i) => s.address !== order[i - 1]?.address);
    this.#addresses = BigUint64Array.from(this.#symbols, (s) => BigInt.asUintN(64, s.address + offset));
    // Addresses that wrap around would be out of order.
    if (this.#addresses.some((a, i) => i > 0 && a < (this.#addresses[i - 1] as bigint)))
      throw new SymbolsError('the offset moves symbols around the end of the address space');
  }

  get size(): number {
    return this.#symbols.length;
  }

  /** Where `name`, or `name+0x1c`, is; undefined: there is no such symbol. Of several with the name the lowest. */
  address(text: string): bigint | undefined {
    const [, name = '', inside] = /^(.+?)(?:\+(0x[0-9a-f]+|\d+))?$/is.exec(text) ?? [];
    const symbol = this.#all.find((one) => one.name === name);
    return symbol && BigInt.asUintN(64, symbol.address + this.#offset + BigInt(inside ?? 0));
  }

  /** All names, of which several may be those of one address. */
  get names(): string[] {
    return this.#all.map(({ name }) => name);
  }

  /** `name`, or `name+0x1c` inside of it; undefined for an address that belongs to none. */
  name(address: bigint): string | undefined {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#addresses[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#symbols[low - 1];
    if (symbol === undefined) return undefined;
    const inside = address - (this.#addresses[low - 1] as bigint);
    if (symbol.size > 0n ? inside >= symbol.size : symbol.limit !== undefined && symbol.address + inside >= symbol.limit) return undefined;
    return inside === 0n ? symbol.name : `${symbol.name}+0x${inside.toString(16)}`;
  }
}

/** Reads a file of either kind. Throws SymbolsError, the system's error. */
export function loadSymbols(path: string, offset = 0n): SymbolTable {
  const bytes = readWhole(path);
  const symbols = bytes.length >= 4 && bytes.readUInt32BE(0) === 0x7f454c46 ? elfSymbols(bytes) : listedSymbols(bytes);
  if (symbols.length === 0) throw new SymbolsError('has no symbols: give an ELF file that is not stripped, or what nm prints of it');
  return new SymbolTable(symbols, offset);
}

const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SHN_UNDEF = 0;
/** From here on numbers are no sections: absolute and common symbols. */
const SHN_LORESERVE = 0xff00;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STB_LOCAL = 0;

interface Section {
  readonly type: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly entry: number;
}

function elfSymbols(bytes: Buffer): GuestSymbol[] {
  try {
    const sections = elfSections(bytes);
    const table = sections.find((s) => s.type === SHT_SYMTAB) ?? sections.find((s) => s.type === SHT_DYNSYM);
    if (table === undefined) return [];
    const strings = sections[table.link];
    if (strings === undefined) throw new SymbolsError('a damaged ELF file: its symbols have no names');
    return symbolsOf(bytes, table, strings, sections);
  } catch (error) {
    if (error instanceof RangeError) throw new SymbolsError('a damaged ELF file: its tables lie outside of it');
    throw error;
  }
}

function elfSections(bytes: Buffer): Section[] {
  if (bytes[5] !== 1) throw new SymbolsError('a big-endian ELF file; the guest is an x86');
  const is64 = bytes[4] === 2;
  const offset = is64 ? Number(bytes.readBigUInt64LE(40)) : bytes.readUInt32LE(32);
  const [each, count] = [bytes.readUInt16LE(is64 ? 58 : 46), bytes.readUInt16LE(is64 ? 60 : 48)];
  return Array.from({ length: offset === 0 ? 0 : count }, (_, i) => {
    const at = offset + i * each;
    const type = bytes.readUInt32LE(at + 4);
    if (is64) {
      const word = (field: number): number => Number(bytes.readBigUInt64LE(at + field));
      return {
        type,
        address: bytes.readBigUInt64LE(at + 16),
        offset: word(24),
        size: word(32),
        link: bytes.readUInt32LE(at + 40),
        entry: word(56),
      };
    }
    const word = (field: number): number => bytes.readUInt32LE(at + field);
    return { type, address: BigInt(word(12)), offset: word(16), size: word(20), link: word(24), entry: word(36) };
  });
}

function symbolsOf(bytes: Buffer, table: Section, strings: Section, sections: readonly Section[]): GuestSymbol[] {
  const is64 = bytes[4] === 2;
  const least = is64 ? 24 : 16;
  if (table.entry < least || strings.offset + strings.size > bytes.length)
    throw new SymbolsError('a damaged ELF file: its symbol table makes no sense');
  const names = bytes.subarray(strings.offset, strings.offset + strings.size);
  const symbols: GuestSymbol[] = [];
  for (let at = table.offset; at + least <= table.offset + table.size; at += table.entry) {
    const info = bytes.readUInt8(at + (is64 ? 4 : 12));
    const section = bytes.readUInt16LE(at + (is64 ? 6 : 14));
    const type = info & 15;
    if (section === SHN_UNDEF || section >= SHN_LORESERVE || (type !== STT_NOTYPE && type !== STT_FUNC)) continue;
    const from = bytes.readUInt32LE(at);
    const end = names.indexOf(0, from);
    const name = names.toString('latin1', from, end < 0 ? names.length : end);
    if (name === '') continue;
    const address = is64 ? bytes.readBigUInt64LE(at + 8) : BigInt(bytes.readUInt32LE(at + 4));
    const size = is64 ? bytes.readBigUInt64LE(at + 16) : BigInt(bytes.readUInt32LE(at + 8));
    const home = sections[section];
    const limit = home === undefined ? undefined : home.address + BigInt(home.size);
    symbols.push({ address, size, limit, global: info >> 4 !== STB_LOCAL, name });
  }
  return symbols;
}

/** Lines of address, type and name; data, absolute and undefined symbols are left out, and addresses that the kernel hides (all 0). */
function listedSymbols(bytes: Buffer): GuestSymbol[] {
  const symbols: GuestSymbol[] = [];
  for (const line of bytes.toString('latin1').split('\n')) {
    const match = /^([0-9a-f]{8,16}) ([TtWwVv]) (\S+)/i.exec(line);
    if (match === null) continue;
    const [, address = '', type = '', name = ''] = match;
    if (!/^0+$/.test(address)) symbols.push({ address: BigInt(`0x${address}`), size: 0n, global: type === type.toUpperCase(), name });
  }
  return symbols;
}
