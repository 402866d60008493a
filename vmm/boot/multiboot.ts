/**
 * Multiboot 1 (Multiboot Specification 0.6.96): flat 32-bit protected mode, EAX = magic, EBX = information structure.
 *
 * Images are ELF files loaded by physical address (64-bit ones too, as GRUB takes them; their entry is 32-bit code all the same) or any
 * file with the address fields of flag 16. Leaves out: video modes, drives, APM, symbols, the boot device.
 *
 * @module
 */
import { E820_RAM, writeE820 } from './e820.ts';
import { isElf, isLoaded, loadSegments, parseElf, physicalEntry } from './elf.ts';
import { BootError, bootGdt, type BootOptions, type EntryState, flatEntry } from './entry.ts';
import { wholeFile } from './image-file.ts';
import { baseName, cString } from './modules.ts';
import { megabytes, Placement } from './placement.ts';

/** 3.1.1: the header lies within the first 8192 bytes, 4-byte aligned. */
const SEARCH = 8192;
const HEADER_MAGIC = 0x1bad_b002;
/** 3.2: what EAX holds at the entry. */
const BOOT_MAGIC = 0x2bad_b002;

// 3.1.2, header flags: bits 15:0 are requirements, of which page alignment and memory information are always met.
const FLAG_PAGE_ALIGN = 0x1;
const FLAG_MEMORY = 0x2;
const FLAG_ADDRESSES = 0x1_0000;
const REQUIRED = 0xffff & ~(FLAG_PAGE_ALIGN | FLAG_MEMORY);

// 3.3, information structure.
const INFO_SIZE = 120;
const INFO_MEMORY = 0x1;
const INFO_CMDLINE = 0x4;
const INFO_MODULES = 0x8;
const INFO_MMAP = 0x40;
const INFO_LOADER = 0x200;
const MODULE_SIZE = 16;
const MMAP_SIZE = 24;
const PAGE = 0x1000;
const LOADER_NAME = 'Lucid';

interface Header {
  readonly at: number;
  readonly flags: number;
  /** header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr when flag 16 is set. */
  readonly addresses: readonly [number, number, number, number, number] | undefined;
}

/** The header, or undefined when the file has none (magic and checksum) where it is looked for. */
export function findHeader(file: Uint8Array, search = SEARCH): Header | undefined {
  const end = Math.min(file.length, search);
  const view = new DataView(file.buffer, file.byteOffset, end);
  for (let at = 0; at + 12 <= end; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(at + 4, true);
    if ((HEADER_MAGIC + flags + view.getUint32(at + 8, true)) >>> 0 !== 0) continue;
    if ((flags & FLAG_ADDRESSES) === 0) return { at, flags, addresses: undefined };
    if (at + 32 > end) continue;
    const u32 = (i: number): number => view.getUint32(at + 12 + i * 4, true);
    return { at, flags, addresses: [u32(0), u32(1), u32(2), u32(3), u32(4)] };
  }
  return undefined;
}

const hex = (n: number): string => `0x${n.toString(16)}`;

/** Loads by the address fields (3.1.3); the entry address. */
function loadByAddresses(file: Uint8Array, header: Header, place: Placement): number {
  const [headerAddr, loadAddr, loadEnd, bssEnd, entry] = header.addresses ?? [0, 0, 0, 0, 0];
  const start = header.at - (headerAddr - loadAddr);
  if (headerAddr < loadAddr || start < 0)
    throw new BootError(`multiboot load_addr ${hex(loadAddr)} does not fit header_addr ${hex(headerAddr)}`);
  // load_end_addr 0: to the file's end; bss_end_addr 0: no bss.
  const bytes = loadEnd === 0 ? file.length - start : loadEnd - loadAddr;
  if (bytes <= 0) throw new BootError(`multiboot load_end_addr ${hex(loadEnd)} lies before load_addr ${hex(loadAddr)}`);
  if (start + bytes > file.length) throw new BootError(`truncated: ${file.length} bytes, the multiboot header promises ${start + bytes}`);
  const end = Math.max(bssEnd, loadAddr + bytes);
  if (end > place.size)
    throw new BootError(`needs at least ${megabytes(end)} of memory, the guest has ${megabytes(place.size)} (--memory)`);
  if (!place.claim(loadAddr, end - loadAddr)) {
    throw new BootError(`multiboot addresses ${hex(loadAddr)} to ${hex(end)} are not RAM (0 to 0x9fc00 and 1 MB up)`);
  }
  if (entry < loadAddr || entry >= end) throw new BootError(`multiboot entry_addr ${hex(entry)} lies outside what is loaded`);
  place.write(loadAddr, file.subarray(start, start + bytes));
  place.zero(loadAddr + bytes, end - loadAddr - bytes);
  return entry;
}

function loadImage(file: Uint8Array, header: Header, place: Placement): number {
  if (header.addresses !== undefined) return loadByAddresses(file, header, place);
  if (!isElf(file)) throw new BootError('a multiboot header without address fields (flag 16) in a file that is not ELF');
  const elf = parseElf(wholeFile(file));
  loadSegments(wholeFile(file), elf, place);
  const entry = physicalEntry(elf);
  if (!isLoaded(elf, entry)) throw new BootError(`its entry point ${hex(elf.entry)} is in no loaded segment`);
  return entry;
}

function put(place: Placement, bytes: Uint8Array, what: string): number {
  const at = place.low(bytes.length, 8, what);
  place.write(at, bytes);
  return at;
}

/** The module structures (3.3, mods_addr); modules stand page-aligned above the kernel. */
function loadModules(options: BootOptions, place: Placement): { count: number; at: number } {
  const files = [...(options.modules ?? [])];
  if (options.initrd !== undefined) files.unshift({ bytes: options.initrd, name: options.initrdName ?? 'initrd' });
  if (files.length === 0) return { count: 0, at: 0 };
  const list = new Uint8Array(files.length * MODULE_SIZE);
  const view = new DataView(list.buffer);
  files.forEach((file, i) => {
    if (file.bytes.length === 0) throw new BootError('the module is empty', file.name);
    const at = place.low(file.bytes.length, PAGE, `the module ${file.name}`, 0x10_0000);
    place.write(at, file.bytes);
    view.setUint32(i * MODULE_SIZE, at, true);
    view.setUint32(i * MODULE_SIZE + 4, at + file.bytes.length, true);
    view.setUint32(i * MODULE_SIZE + 8, put(place, cString(baseName(file.name), 'module name'), 'a module name'), true);
  });
  return { count: files.length, at: put(place, list, 'the module list') };
}

/** KB of RAM that follow `base` without a gap. */
function kilobytes(options: BootOptions, base: number): number {
  const entry = options.memoryMap.find((e) => e.type === E820_RAM && e.base === base);
  return entry === undefined ? 0 : Math.floor(entry.length / 1024);
}

function information(options: BootOptions, place: Placement, modules: { count: number; at: number }): number {
  const map = new Uint8Array(options.memoryMap.length * MMAP_SIZE);
  const mapView = new DataView(map.buffer);
  options.memoryMap.forEach((entry, i) => {
    // The size field stands before the entry and does not count itself.
    mapView.setUint32(i * MMAP_SIZE, MMAP_SIZE - 4, true);
    writeE820(mapView, i * MMAP_SIZE + 4, entry);
  });
  // By custom the command line begins with the image's name; without its folder, so that the guest sees the same on every host.
  const cmdline = cString(`${baseName(options.kernelName)} ${options.append}`.trimEnd(), '--append');
  const info = new Uint8Array(INFO_SIZE);
  const view = new DataView(info.buffer);
  view.setUint32(0, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER, true);
  view.setUint32(4, kilobytes(options, 0), true);
  view.setUint32(8, kilobytes(options, 0x10_0000), true);
  view.setUint32(16, put(place, cmdline, 'the command line'), true);
  view.setUint32(20, modules.count, true);
  view.setUint32(24, modules.at, true);
  view.setUint32(44, map.length, true);
  view.setUint32(48, put(place, map, 'the memory map'), true);
  view.setUint32(64, put(place, cString(LOADER_NAME, 'loader name'), 'the loader name'), true);
  return put(place, info, 'the multiboot information');
}

/** Enters a multiboot image: EAX = 2BADB002h, EBX = information structure. */
export function loadMultiboot(options: BootOptions): EntryState {
  const header = findHeader(options.kernel);
  if (header === undefined) throw new BootError('no multiboot 1 header in its first 8192 bytes');
  const unmet = header.flags & REQUIRED;
  if (unmet !== 0)
    throw new BootError(`its multiboot header requires ${hex(unmet)}; page alignment (1) and memory information (2) are offered`);
  const place = new Placement(options);
  const entry = loadImage(options.kernel, header, place);
  const modules = loadModules(options, place);
  const gdt = put(place, bootGdt(false), 'the GDT');
  return flatEntry(entry, gdt, { rax: BOOT_MAGIC, rbx: information(options, place, modules) });
}
