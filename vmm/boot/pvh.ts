/**
 * PVH: a kernel entered in 32-bit protected mode with hvm_start_info (Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h, version 1), announced by ELF note 18, XEN_ELFNOTE_PHYS32_ENTRY.
 *
 * A bzImage is unpacked by the monitor first (`vmlinux.ts`). Leaves out: Xen itself, that is hypercalls and grant tables.
 *
 * @module
 */
import { writeE820 } from './e820.ts';
import { findNote, isElf, isLoaded, loadSegments, parseElf } from './elf.ts';
import { BootError, bootGdt, type BootOptions, type EntryState, flatEntry } from './entry.ts';
import { type ImageFile, wholeFile } from './image-file.ts';
import { baseName, cString, placeInitrd } from './modules.ts';
import { Placement } from './placement.ts';
import { late } from '../late.ts';

// With all that can be packed in a bzImage.
const lateVmlinux = late<typeof import('./vmlinux.ts')>(new URL('./vmlinux.ts', import.meta.url));

const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const START_MAGIC = 0x336e_c578;
const START_VERSION = 1;
const START_SIZE = 56;
const MODULE_SIZE = 32;
const MEMMAP_SIZE = 24;
const PAGE = 0x1000;

/** The PVH entry point of an ELF file, or undefined when it has no such note. */
export function pvhEntry(file: ImageFile): number | undefined {
  const note = findNote(file, parseElf(file), 'Xen', XEN_ELFNOTE_PHYS32_ENTRY);
  if (note === undefined || note.length < 4) return undefined;
  const view = new DataView(note.buffer, note.byteOffset, note.length);
  // The note has the width of the ELF class, the entry point 32 bits.
  return note.length >= 8 ? Number(view.getBigUint64(0, true)) : view.getUint32(0, true);
}

interface Loaded {
  readonly paddr: number;
  readonly bytes: number;
  readonly name: string;
}

function loadModules(options: BootOptions, place: Placement): Loaded[] {
  const modules: Loaded[] = [];
  const initrd = placeInitrd(options, place, place.size);
  if (initrd.bytes > 0) modules.push({ paddr: initrd.at, bytes: initrd.bytes, name: baseName(options.initrdName ?? 'initrd') });
  for (const m of options.modules ?? []) {
    if (m.bytes.length === 0) throw new BootError('the module is empty', m.name);
    const paddr = place.high(m.bytes.length, PAGE, `the module ${m.name}`, place.size);
    place.write(paddr, m.bytes);
    modules.push({ paddr, bytes: m.bytes.length, name: baseName(m.name) });
  }
  return modules;
}

/** Puts `bytes` into free low memory; where. */
function put(place: Placement, bytes: Uint8Array, what: string): number {
  const at = place.low(bytes.length, 8, what);
  place.write(at, bytes);
  return at;
}

function moduleList(place: Placement, modules: readonly Loaded[]): number {
  if (modules.length === 0) return 0;
  const bytes = new Uint8Array(modules.length * MODULE_SIZE);
  const view = new DataView(bytes.buffer);
  modules.forEach((m, i) => {
    view.setBigUint64(i * MODULE_SIZE, BigInt(m.paddr), true);
    view.setBigUint64(i * MODULE_SIZE + 8, BigInt(m.bytes), true);
    view.setBigUint64(i * MODULE_SIZE + 16, BigInt(put(place, cString(m.name, 'module name'), 'a module name')), true);
  });
  return put(place, bytes, 'the module list');
}

function startInfo(options: BootOptions, place: Placement, modules: readonly Loaded[]): number {
  const map = new Uint8Array(options.memoryMap.length * MEMMAP_SIZE);
  const mapView = new DataView(map.buffer);
  options.memoryMap.forEach((entry, i) => {
    writeE820(mapView, i * MEMMAP_SIZE, entry);
  });
  const info = new Uint8Array(START_SIZE);
  const view = new DataView(info.buffer);
  view.setUint32(0, START_MAGIC, true);
  view.setUint32(4, START_VERSION, true);
  view.setUint32(12, modules.length, true);
  view.setBigUint64(16, BigInt(moduleList(place, modules)), true);
  view.setBigUint64(24, BigInt(put(place, cString(options.append, '--append'), 'the command line')), true);
  view.setBigUint64(32, BigInt(options.acpiRsdp), true);
  view.setBigUint64(40, BigInt(put(place, map, 'the memory map')), true);
  view.setUint32(48, options.memoryMap.length, true);
  return put(place, info, 'the start info');
}

/** Enters an ELF file, or the ELF inside a bzImage, by its PVH note: EBX = hvm_start_info. */
export function loadPvh(options: BootOptions): EntryState {
  const file = isElf(options.kernel) ? wholeFile(options.kernel) : lateVmlinux().unpackVmlinux(options.kernel);
  const elf = parseElf(file);
  const entry = pvhEntry(file);
  if (entry === undefined) throw new BootError('an ELF file without a PVH note (Xen note type 18)');
  const place = new Placement(options);
  loadSegments(file, elf, place);
  if (!isLoaded(elf, entry)) throw new BootError(`its PVH entry 0x${entry.toString(16)} is in no loaded segment`);
  const modules = loadModules(options, place);
  const gdt = put(place, bootGdt(false), 'the GDT');
  return flatEntry(entry, gdt, { rbx: startInfo(options, place, modules) });
}
