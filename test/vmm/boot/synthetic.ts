/**
 * Small valid boot images, built field by field from the specifications, and guarded guest RAM to load them into.
 *
 * @module
 */
import { e820, type BootOptions, type E820Entry } from '../../../vmm/boot/index.ts';

/** Guest RAM that records writes outside itself instead of growing or throwing them away. */
export class GuardedRam {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly outside: string[] = [];

  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(size);
  }

  write(gpa: number, bytes: Uint8Array): void {
    if (this.check('write', gpa, bytes.length)) this.bytes.set(bytes, gpa);
  }

  zero(gpa: number, length: number): void {
    if (this.check('zero', gpa, length)) this.bytes.fill(0, gpa, gpa + length);
  }

  view(): DataView {
    return new DataView(this.bytes.buffer);
  }

  /** The zero-terminated text at `gpa`. */
  text(gpa: number): string {
    return Buffer.from(this.bytes.subarray(gpa, this.bytes.indexOf(0, gpa))).toString();
  }

  private check(what: string, gpa: number, length: number): boolean {
    const inside = Number.isInteger(gpa) && Number.isInteger(length) && gpa >= 0 && length >= 0 && gpa + length <= this.size;
    if (!inside) this.outside.push(`${what} ${length} bytes at ${gpa}`);
    return inside;
  }
}

export const MB = 0x10_0000;

/** Options for a guest with `ram`; the caller adds what matters to the test. */
export function options(ram: GuardedRam, kernel: Uint8Array, more: Partial<BootOptions> = {}): BootOptions {
  const memoryMap: E820Entry[] = e820(ram.size);
  return { kernel, kernelName: 'some/folder/kernel', append: 'console=ttyS0', ram, memoryMap, acpiRsdp: 0xe_0000, ...more };
}

export interface BzImageFields {
  version?: number;
  xloadflags?: number;
  prefAddress?: bigint;
  initSize?: number;
  alignment?: number;
  relocatable?: number;
  cmdlineSize?: number;
  initrdMax?: number;
  payload?: Uint8Array;
}

/** The payload's place in the protected-mode part of a synthetic bzImage. */
const PAYLOAD_AT = 0x300;

/** A bzImage with two setup sectors; its protected-mode part is filled with 0x90 around the payload. */
export function bzImage(fields: BzImageFields = {}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(16);
  const codeBytes = Math.ceil((PAYLOAD_AT + payload.length) / 16) * 16;
  const file = new Uint8Array(3 * 512 + codeBytes);
  const view = new DataView(file.buffer);
  view.setUint8(0x1f1, 2);
  view.setUint32(0x1f4, codeBytes / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x200, 0xeb);
  view.setUint8(0x201, 0x6a);
  file.set(Buffer.from('HdrS'), 0x202);
  view.setUint16(0x206, fields.version ?? 0x020f, true);
  view.setUint8(0x211, 0x01);
  view.setUint32(0x22c, fields.initrdMax ?? 0x7fff_ffff, true);
  view.setUint32(0x230, fields.alignment ?? 0x20_0000, true);
  view.setUint8(0x234, fields.relocatable ?? 1);
  view.setUint16(0x236, fields.xloadflags ?? 0x1, true);
  view.setUint32(0x238, fields.cmdlineSize ?? 2047, true);
  view.setUint32(0x248, PAYLOAD_AT, true);
  view.setUint32(0x24c, payload.length, true);
  view.setBigUint64(0x258, fields.prefAddress ?? 0x10_0000n, true);
  view.setUint32(0x260, fields.initSize ?? 0x8000, true);
  file.fill(0x90, 3 * 512);
  file.set(payload, 3 * 512 + PAYLOAD_AT);
  return file;
}

export interface ElfFields {
  is64?: boolean;
  vaddr?: number;
  paddr?: number;
  memsz?: number;
  entry?: number;
  pvhEntry?: number | null;
  /** Put at the start of the loaded bytes. */
  head?: Uint8Array;
}

/** An ELF file with one PT_LOAD of 256 bytes (0xcc behind `head`) and, unless pvhEntry is null, a PT_NOTE with the PVH note. */
export function elf(fields: ElfFields = {}): Uint8Array {
  const is64 = fields.is64 ?? true;
  const paddr = fields.paddr ?? MB;
  const file = new Uint8Array(0x400);
  const view = new DataView(file.buffer);
  const word = (at: number, value: number): void => (is64 ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true));
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, is64 ? 62 : 3, true);
  word(24, fields.entry ?? paddr + 0x10);
  word(is64 ? 32 : 28, is64 ? 64 : 52);
  view.setUint16(is64 ? 54 : 42, is64 ? 56 : 32, true);
  view.setUint16(is64 ? 56 : 44, fields.pvhEntry === null ? 1 : 2, true);
  const header = (i: number, type: number, values: readonly [number, number, number, number, number]): void => {
    const at = is64 ? 64 + i * 56 : 52 + i * 32;
    view.setUint32(at, type, true);
    values.forEach((value, n) => {
      word(is64 ? at + 8 + n * 8 : at + 4 + n * 4, value);
    });
  };
  header(0, 1, [0x200, fields.vaddr ?? paddr, paddr, 0x100, fields.memsz ?? 0x180]);
  header(1, 4, [0x180, 0, 0, is64 ? 24 : 20, is64 ? 24 : 20]);
  view.setUint32(0x180, 4, true);
  view.setUint32(0x184, is64 ? 8 : 4, true);
  view.setUint32(0x188, 18, true);
  file.set(Buffer.from('Xen\0'), 0x18c);
  if (fields.pvhEntry !== null) word(0x190, fields.pvhEntry ?? paddr + 0x20);
  file.fill(0xcc, 0x200, 0x300);
  file.set(fields.head ?? [], 0x200);
  return file;
}

/** A multiboot header; the five addresses of flag 16 when given. */
export function multibootHeader(flags: number, addresses: readonly number[] = []): Uint8Array {
  const words = [0x1bad_b002, flags, -(0x1bad_b002 + flags) >>> 0, ...addresses];
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setUint32(i * 4, word, true);
  });
  return bytes;
}

/** An LZ4 legacy frame of literals only, with the size that Linux's build appends. */
export function lz4Payload(data: Uint8Array): Uint8Array {
  const more = data.length < 15 ? [] : [...Array<number>(Math.floor((data.length - 15) / 255)).fill(255), (data.length - 15) % 255];
  const block = [Math.min(data.length, 15) << 4, ...more, ...data];
  const out = new Uint8Array(8 + block.length + 4);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0x184c_2102, true);
  view.setUint32(4, block.length, true);
  out.set(block, 8);
  view.setUint32(8 + block.length, data.length, true);
  return out;
}

/** Numbers that repeat: xorshift32. */
export function prng(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}
