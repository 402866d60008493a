/**
 * ELF executables as boot images: System V ABI, chapters 4 and 5, little-endian, 32 and 64 bit; what the boot protocols need of them.
 *
 * Loads by physical address (p_paddr). Leaves out: sections, symbols, relocation, dynamic linking.
 *
 * @module
 */
import { BootError } from './entry.ts';
import type { ImageFile } from './image-file.ts';
import { megabytes, type Placement } from './placement.ts';

const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const ET_EXEC = 2;
const ET_DYN = 3;
const PN_XNUM = 0xffff;
/** More loadable segments than any linker makes; bounds the work on a hostile file. */
const MAX_LOADS = 1024;
/** Note segments that are looked into, and how far, for the same reason. */
const MAX_NOTES = 16;
const MAX_NOTE_BYTES = 0x10_0000;

/** One program header; addresses that do not fit 2^53 are only ever refused, so a number's rounding is of no consequence. */
export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

export interface Elf {
  readonly is64: boolean;
  readonly entry: number;
  readonly segments: readonly Segment[];
}

/** True when these first bytes of a file are those of an ELF file. */
export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/** Reads the file and program headers; throws BootError with what is wrong. */
export function parseElf(file: ImageFile): Elf {
  const head = file.part(0, Math.min(64, file.length));
  if (!isElf(head)) throw new BootError('not an ELF file');
  if (file.length < 52) throw new BootError(`truncated: ${file.length} bytes end inside the ELF header`);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const is64 = head[4] === 2;
  if (!is64 && head[4] !== 1) throw new BootError(`ELF class ${head[4]}; 1 (32 bit) or 2 (64 bit) is needed`);
  if (head[5] !== 1) throw new BootError('a big-endian ELF file; an x86 kernel is needed');
  if (is64 && file.length < 64) throw new BootError(`truncated: ${file.length} bytes end inside the ELF header`);
  const machine = view.getUint16(18, true);
  if (machine !== EM_386 && machine !== EM_X86_64)
    throw new BootError(`an ELF file for machine ${machine}; x86 (3) or x86-64 (62) is needed`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) throw new BootError(`an ELF file of type ${type}; an executable (2) is needed`);
  return { is64, entry: is64 ? Number(view.getBigUint64(24, true)) : view.getUint32(24, true), segments: programHeaders(file, view, is64) };
}

function programHeaders(file: ImageFile, head: DataView, is64: boolean): Segment[] {
  const phoff = is64 ? Number(head.getBigUint64(32, true)) : head.getUint32(28, true);
  const phentsize = head.getUint16(is64 ? 54 : 42, true);
  const phnum = head.getUint16(is64 ? 56 : 44, true);
  const least = is64 ? 56 : 32;
  if (phnum === 0 || phnum === PN_XNUM) throw new BootError('an ELF file without program headers: nothing to load');
  if (phentsize < least) throw new BootError(`ELF program headers of ${phentsize} bytes; ${least} are needed`);
  const end = phoff + phnum * phentsize;
  if (end > file.length) throw new BootError(`truncated: ${file.length} bytes end before the ELF program headers do`);
  const bytes = file.part(phoff, end);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: phnum }, (_, i) => (is64 ? segment64(view, i * phentsize) : segment32(view, i * phentsize)));
}

function segment64(view: DataView, at: number): Segment {
  const u64 = (offset: number): number => Number(view.getBigUint64(at + offset, true));
  return {
    type: view.getUint32(at, true),
    offset: u64(8),
    vaddr: u64(16),
    paddr: u64(24),
    filesz: u64(32),
    memsz: u64(40),
    align: u64(48),
  };
}

function segment32(view: DataView, at: number): Segment {
  const u32 = (offset: number): number => view.getUint32(at + offset, true);
  return { type: u32(0), offset: u32(4), vaddr: u32(8), paddr: u32(12), filesz: u32(16), memsz: u32(20), align: u32(28) };
}

const hex = (n: number): string => `0x${n.toString(16)}`;

/** Claims, fills and zeroes every PT_LOAD segment. */
export function loadSegments(file: ImageFile, elf: Elf, place: Placement): void {
  const loads = elf.segments.filter((s) => s.type === PT_LOAD && s.memsz > 0);
  if (loads.length === 0) throw new BootError('an ELF file without loadable segments');
  if (loads.length > MAX_LOADS) throw new BootError(`an ELF file with ${loads.length} loadable segments; at most ${MAX_LOADS} are taken`);
  // All checks before the first write: a refused image leaves memory alone.
  for (const s of loads) checkSegment(file, s, place);
  for (const s of loads) {
    let at = s.paddr;
    for (const piece of file.pieces(s.offset, s.offset + s.filesz)) {
      place.write(at, piece);
      at += piece.length;
    }
    place.zero(s.paddr + s.filesz, s.memsz - s.filesz);
  }
}

function checkSegment(file: ImageFile, s: Segment, place: Placement): void {
  if (s.filesz > s.memsz)
    throw new BootError(`ELF segment at ${hex(s.paddr)}: more bytes in the file (${s.filesz}) than in memory (${s.memsz})`);
  if (s.offset + s.filesz > file.length) {
    throw new BootError(`truncated: ${file.length} bytes, the ELF segment at ${hex(s.paddr)} ends at ${s.offset + s.filesz}`);
  }
  const end = s.paddr + s.memsz;
  if (end > place.size) {
    const hint = end <= 0x1_0000_0000 ? `at least ${megabytes(end)} of memory` : 'a physical load address (p_paddr) below 4 GiB';
    throw new BootError(
      `ELF segment at ${hex(s.paddr)} of ${s.memsz} bytes needs ${hint}, the guest has ${megabytes(place.size)} (--memory)`,
    );
  }
  if (!place.isRam(s.paddr, s.memsz)) {
    throw new BootError(`ELF segment at ${hex(s.paddr)} of ${s.memsz} bytes is not in RAM (0 to 0x9fc00 and 1 MB up)`);
  }
  if (!place.claim(s.paddr, s.memsz)) throw new BootError(`ELF segments overlap at ${hex(s.paddr)}`);
}

/** True when `address` lies in a loaded segment. */
export function isLoaded(elf: Elf, address: number): boolean {
  return elf.segments.some((s) => s.type === PT_LOAD && address >= s.paddr && address < s.paddr + s.memsz);
}

/** The entry point as a physical address: where the segment that holds it as a virtual address was loaded. */
export function physicalEntry(elf: Elf): number {
  const s = elf.segments.find((p) => p.type === PT_LOAD && elf.entry >= p.vaddr && elf.entry < p.vaddr + p.memsz);
  return s === undefined ? elf.entry : elf.entry - s.vaddr + s.paddr;
}

/** The descriptor of the first note of that owner and type, or undefined. */
export function findNote(file: ImageFile, elf: Elf, owner: string, type: number): Uint8Array | undefined {
  for (const segment of elf.segments.filter((s) => s.type === PT_NOTE).slice(0, MAX_NOTES)) {
    const found = noteIn(file, segment, owner, type);
    if (found !== undefined) return found;
  }
  return undefined;
}

function noteIn(file: ImageFile, s: Segment, owner: string, type: number): Uint8Array | undefined {
  const end = Math.min(s.offset + s.filesz, s.offset + MAX_NOTE_BYTES, file.length);
  if (end - s.offset < 12) return undefined;
  const notes = file.part(s.offset, end);
  const view = new DataView(notes.buffer, notes.byteOffset, notes.length);
  // Notes are padded to 4 bytes; a segment aligned to 8 pads to 8.
  const pad = s.align === 8 ? 8 : 4;
  const up = (n: number): number => Math.ceil(n / pad) * pad;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameBytes = view.getUint32(at, true);
    const descBytes = view.getUint32(at + 4, true);
    const desc = at + up(12 + nameBytes);
    if (desc + descBytes > notes.length) return undefined;
    const named = nameBytes === owner.length + 1 && [...`${owner}\0`].every((c, i) => notes[at + 12 + i] === c.charCodeAt(0));
    if (named && view.getUint32(at + 8, true) === type) return notes.subarray(desc, desc + descBytes);
    at = desc + up(descBytes);
  }
  return undefined;
}
