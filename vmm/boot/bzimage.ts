/**
 * Linux's bzImage: the x86 boot protocol, Documentation/arch/x86/boot.rst, versions 2.02 and later.
 *
 * Three ways in. The 64-bit entry (section "64-bit boot protocol"): protected-mode part at its preferred address, zero page, identity map
 * of the first 4 GiB. The 32-bit entry for kernels without it. The real-mode entry (`bzimage16`): boot sector and setup code at
 * 0x90000, as a boot loader of a PC does, with a few BIOS calls answered by `bios.ts`.
 *
 * Leaves out: zImage (loaded low), protocol versions before 2.02, setup_data, EFI handover, loading above 4 GiB.
 *
 * @module
 */
import { BIOS_STUB_AT, biosStub, VECTORS } from './bios.ts';
import { EBDA, EBDA_END, writeE820 } from './e820.ts';
import { BootError, bootGdt, type BootOptions, type EntryState, flatEntry, GDT_SIZE, longEntry, realEntry } from './entry.ts';
import { cString, placeInitrd } from './modules.ts';
import { megabytes, Placement } from './placement.ts';

// Offsets in the file's first sectors and, alike, in struct boot_params (boot.rst, "The Real-Mode Kernel Header").
const SETUP_HEADER = 0x1f1;
const SETUP_SECTS = 0x1f1;
const SYSSIZE = 0x1f4;
const VID_MODE = 0x1fa;
const BOOT_FLAG = 0x1fe;
const JUMP_LENGTH = 0x201;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const TYPE_OF_LOADER = 0x210;
const LOADFLAGS = 0x211;
const CODE32_START = 0x214;
const RAMDISK_IMAGE = 0x218;
const RAMDISK_SIZE = 0x21c;
const HEAP_END_PTR = 0x224;
const CMD_LINE_PTR = 0x228;
const INITRD_ADDR_MAX = 0x22c;
const KERNEL_ALIGNMENT = 0x230;
const RELOCATABLE_KERNEL = 0x234;
const XLOADFLAGS = 0x236;
const CMDLINE_SIZE = 0x238;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const PREF_ADDRESS = 0x258;
const INIT_SIZE = 0x260;
/** In struct boot_params the header's room ends here (edd_mbr_sig_buffer follows). */
const HEADER_END = 0x290;

// Fields of struct boot_params outside the header (zero-page.rst).
const ACPI_RSDP_ADDR = 0x070;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_ENTRY_SIZE = 20;
const E820_MAX = 128;
const ZERO_PAGE_SIZE = 0x1000;

const BOOT_FLAG_VALUE = 0xaa55;
/** "HdrS". */
const HEADER_MAGIC_VALUE = 0x53726448;
const LOADED_HIGH = 0x01;
const CAN_USE_HEAP = 0x80;
const XLF_KERNEL_64 = 0x1;
/** Type of loader: "undefined". */
const LOADER_UNDEFINED = 0xff;
const VID_NORMAL = 0xffff;
/** The 64-bit entry stands 0x200 bytes into the protected-mode part. */
const ENTRY_64 = 0x200;
/** Where a bzImage is loaded when it says nothing else. */
const HIGH_LOAD = 0x10_0000;
const SECTOR = 512;

/** The header of a bzImage, each field as its protocol version defines or implies it. */
export interface BzImage {
  readonly version: number;
  /** The header bytes that go into the zero page, from 0x1f1. */
  readonly header: Uint8Array;
  /** Boot sector and setup code. */
  readonly setup: Uint8Array;
  /** The protected-mode part. */
  readonly code: Uint8Array;
  readonly relocatable: boolean;
  readonly alignment: number;
  readonly prefAddress: number;
  /** Bytes that the kernel needs from its load address on while it unpacks itself. */
  readonly initSize: number;
  readonly initrdMax: number;
  readonly cmdlineMax: number;
  readonly has64: boolean;
  /** The compressed kernel inside `code`, when the header tells where (2.08). */
  readonly payload: Uint8Array | undefined;
}

/** True when the file carries the boot protocol's two signatures. */
export function isBzImage(file: Uint8Array): boolean {
  if (file.length < HEADER_MAGIC + 4) return false;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  return view.getUint16(BOOT_FLAG, true) === BOOT_FLAG_VALUE && view.getUint32(HEADER_MAGIC, true) === HEADER_MAGIC_VALUE;
}

function versionText(version: number): string {
  return `${version >> 8}.${(version & 0xff).toString().padStart(2, '0')}`;
}

/** Reads and checks the header; throws BootError with what is wrong. */
export function parseBzImage(file: Uint8Array): BzImage {
  if (!isBzImage(file)) throw new BootError('not a bzImage: no "HdrS" at 0x202');
  if (file.length < HEADER_END) throw new BootError(`truncated: ${file.length} bytes end inside the bzImage header`);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const version = view.getUint16(VERSION, true);
  if (version < 0x0202) throw new BootError(`bzImage of boot protocol ${versionText(version)}; 2.02 or later is needed`);
  if ((view.getUint8(LOADFLAGS) & LOADED_HIGH) === 0) throw new BootError('a zImage (loaded low); a bzImage is needed');

  const setupBytes = ((view.getUint8(SETUP_SECTS) || 4) + 1) * SECTOR;
  // Before 2.04 only the low half of syssize counted.
  const syssize = version >= 0x0204 ? view.getUint32(SYSSIZE, true) : view.getUint16(SYSSIZE, true);
  const codeBytes = version >= 0x0204 ? syssize * 16 : file.length - setupBytes;
  // syssize counts paragraphs, rounded up: the last one may be short.
  if (codeBytes <= ENTRY_64 || file.length + 15 < setupBytes + codeBytes) {
    throw new BootError(`truncated: ${file.length} bytes, the bzImage header promises ${setupBytes + codeBytes}`);
  }
  const headerEnd = Math.min(HEADER_MAGIC + view.getUint8(JUMP_LENGTH), HEADER_END);
  const code = file.subarray(setupBytes, setupBytes + codeBytes);
  const v2_10 = version >= 0x020a;
  return {
    version,
    header: file.subarray(SETUP_HEADER, headerEnd),
    setup: file.subarray(0, setupBytes),
    code,
    relocatable: version >= 0x0205 && view.getUint8(RELOCATABLE_KERNEL) !== 0,
    alignment: version >= 0x0205 ? view.getUint32(KERNEL_ALIGNMENT, true) : 0,
    prefAddress: v2_10 ? Number(view.getBigUint64(PREF_ADDRESS, true)) : HIGH_LOAD,
    initSize: Math.max(code.length, v2_10 ? view.getUint32(INIT_SIZE, true) : 0),
    initrdMax: version >= 0x0203 ? view.getUint32(INITRD_ADDR_MAX, true) : 0x37ff_ffff,
    cmdlineMax: version >= 0x0206 ? view.getUint32(CMDLINE_SIZE, true) : 255,
    has64: version >= 0x020c && (view.getUint16(XLOADFLAGS, true) & XLF_KERNEL_64) !== 0,
    payload: version >= 0x0208 ? payloadOf(code, view) : undefined,
  };
}

function payloadOf(code: Uint8Array, view: DataView): Uint8Array | undefined {
  const offset = view.getUint32(PAYLOAD_OFFSET, true);
  const length = view.getUint32(PAYLOAD_LENGTH, true);
  return length > 0 && offset + length <= code.length ? code.subarray(offset, offset + length) : undefined;
}

/** Claims [address, address + init_size) and loads the protected-mode part; the address. */
function loadCode(image: BzImage, place: Placement): number {
  const put = (at: number): number => {
    place.write(at, image.code);
    return at;
  };
  if (place.claim(image.prefAddress, image.initSize)) return put(image.prefAddress);
  const needed = image.prefAddress + image.initSize;
  // The runtime start of a relocatable kernel is its load address aligned up, but Linux never unpacks itself below its preferred address
  // (CONFIG_PHYSICAL_START), so only places above that one are of use.
  const align = image.alignment;
  if (image.relocatable && align >= 0x1000 && (align & (align - 1)) === 0 && image.prefAddress < place.size) {
    try {
      return put(place.low(image.initSize, align, 'the kernel', Math.max(image.prefAddress, HIGH_LOAD)));
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
    }
  }
  throw new BootError(
    `loads at ${megabytes(image.prefAddress)} and needs ${megabytes(image.initSize)} there while it unpacks: ` +
      `at least ${megabytes(needed)} of memory, the guest has ${megabytes(place.size)} (--memory)`,
  );
}

interface Loaded {
  readonly image: BzImage;
  readonly place: Placement;
  readonly loadAddress: number;
  readonly initrd: { readonly at: number; readonly bytes: number };
}

function checkAppend(image: BzImage, append: Uint8Array): void {
  const bytes = append.length - 1;
  if (bytes > image.cmdlineMax) throw new BootError(`takes a command line of at most ${image.cmdlineMax} bytes, --append has ${bytes}`);
}

function loadCommon(options: BootOptions, reserve: (place: Placement) => void): Loaded {
  const image = parseBzImage(options.kernel);
  if (options.modules !== undefined && options.modules.length > 0) {
    throw new BootError('a bzImage takes one initrd and no further modules');
  }
  const place = new Placement(options);
  reserve(place);
  const loadAddress = loadCode(image, place);
  const initrd = placeInitrd(options, place, Math.min(image.initrdMax + 1, place.size));
  return { image, place, loadAddress, initrd };
}

/** Fills the loader's part of a setup header that stands at `at(0)` in `view`. */
function fillHeader(view: DataView, loaded: Loaded, cmdline: number): void {
  view.setUint8(TYPE_OF_LOADER, LOADER_UNDEFINED);
  view.setUint16(VID_MODE, VID_NORMAL, true);
  view.setUint32(CODE32_START, loaded.loadAddress, true);
  view.setUint32(RAMDISK_IMAGE, loaded.initrd.at, true);
  view.setUint32(RAMDISK_SIZE, loaded.initrd.bytes, true);
  view.setUint32(CMD_LINE_PTR, cmdline, true);
}

/** struct screen_info (screen_info.h) of a VGA in mode 3: 80 columns, 25 rows of 16 lines, an EGA monitor's memory, cursor at the top. */
function screenInfo(view: DataView): void {
  view.setUint8(0x06, 3); // orig_video_mode
  view.setUint8(0x07, 80); // orig_video_cols
  view.setUint16(0x0a, 3, true); // orig_video_ega_bx: 256 KB
  view.setUint8(0x0e, 25); // orig_video_lines
  view.setUint8(0x0f, 1); // orig_video_isVGA: VIDEO_TYPE_VGAC
  view.setUint16(0x10, 16, true); // orig_video_points
}

/** struct boot_params (zero-page.rst); everything lies below 4 GiB, so the ext_ fields stay 0. */
function zeroPage(options: BootOptions, loaded: Loaded, cmdline: number): Uint8Array {
  const page = new Uint8Array(ZERO_PAGE_SIZE);
  const view = new DataView(page.buffer);
  page.set(loaded.image.header, SETUP_HEADER);
  fillHeader(view, loaded, cmdline);
  if (options.textMode === true) screenInfo(view);
  view.setBigUint64(ACPI_RSDP_ADDR, BigInt(options.acpiRsdp), true);
  const map = options.memoryMap.slice(0, E820_MAX);
  view.setUint8(E820_ENTRIES, map.length);
  map.forEach((entry, i) => {
    writeE820(view, E820_TABLE + i * E820_ENTRY_SIZE, entry);
  });
  return page;
}

const PAGE = 0x1000;
const TABLE_COUNT = 6;
const PRESENT_WRITE = 0x3;
const LARGE = 0x80;

/** PML4, PDPT and four page directories at `at`: an identity map of the first 4 GiB in 2 MB pages. */
function identityMap(at: number): Uint8Array {
  const tables = new Uint8Array(TABLE_COUNT * PAGE);
  const view = new DataView(tables.buffer);
  view.setUint32(0, (at + PAGE) | PRESENT_WRITE, true);
  for (let gib = 0; gib < 4; gib++) {
    view.setUint32(PAGE + gib * 8, (at + (2 + gib) * PAGE) | PRESENT_WRITE, true);
  }
  for (let i = 0; i < 4 * 512; i++) view.setUint32(2 * PAGE + i * 8, (i << 21) | LARGE | PRESENT_WRITE, true);
  return tables;
}

/** Places command line, zero page and GDT below the kernel; the 32- and 64-bit protocols share them. */
function placeParameters(options: BootOptions, loaded: Loaded, longMode: boolean): { params: number; gdt: number } {
  const { place, image } = loaded;
  const append = cString(options.append, '--append');
  checkAppend(image, append);
  const gdt = place.low(GDT_SIZE, PAGE, 'the GDT');
  place.write(gdt, bootGdt(longMode));
  const cmdline = place.low(append.length, PAGE, 'the command line');
  place.write(cmdline, append);
  const params = place.low(ZERO_PAGE_SIZE, PAGE, 'the zero page');
  place.write(params, zeroPage(options, loaded, cmdline));
  return { params, gdt };
}

/** Enters by the 64-bit entry: RSI = zero page, interrupts off. */
export function loadBzImage64(options: BootOptions): EntryState {
  const loaded = loadCommon(options, () => {});
  if (!loaded.image.has64) {
    throw new BootError(`no 64-bit entry (boot protocol ${versionText(loaded.image.version)}, XLF_KERNEL_64 clear)`);
  }
  const { params, gdt } = placeParameters(options, loaded, true);
  const tables = loaded.place.low(TABLE_COUNT * PAGE, PAGE, 'the page tables');
  loaded.place.write(tables, identityMap(tables));
  return longEntry(loaded.loadAddress + ENTRY_64, gdt, tables, { rsi: params });
}

/** Enters by the 32-bit entry: ESI = zero page; EBP, EDI and EBX are 0. */
export function loadBzImage32(options: BootOptions): EntryState {
  const loaded = loadCommon(options, () => {});
  const { params, gdt } = placeParameters(options, loaded, false);
  return flatEntry(loaded.loadAddress, gdt, { rsi: params });
}

// The real-mode layout that boot.rst suggests ("Sample Boot Configuration"), with the command line below the EBDA.
const REAL_BASE = 0x9_0000;
const HEAP_END = 0xe000;
const MAX_SETUP = 0x8000;

/** Enters the setup code in real mode at 0x9020:0 with a small BIOS behind its interrupts. */
export function loadBzImage16(options: BootOptions): EntryState {
  const append = cString(options.append, '--append');
  const room = EBDA - REAL_BASE - HEAP_END;
  const loaded = loadCommon(options, (place) => {
    if (place.size < EBDA_END || !place.claim(REAL_BASE, EBDA - REAL_BASE)) {
      throw new BootError(`the real-mode entry needs RAM up to 0x${EBDA_END.toString(16)}, the guest has ${place.size} bytes (--memory)`);
    }
  });
  const { image, place } = loaded;
  if (image.setup.length > MAX_SETUP) {
    throw new BootError(`setup code of ${image.setup.length} bytes; at most ${MAX_SETUP} fit below the heap`);
  }
  checkAppend(image, append);
  if (append.length > room) throw new BootError(`--append has ${append.length - 1} bytes; the real-mode entry takes ${room - 1}`);
  const setup = image.setup.slice();
  const view = new DataView(setup.buffer);
  fillHeader(view, loaded, REAL_BASE + HEAP_END);
  view.setUint8(LOADFLAGS, view.getUint8(LOADFLAGS) | CAN_USE_HEAP);
  view.setUint16(HEAP_END_PTR, HEAP_END - SECTOR, true);
  place.write(REAL_BASE, setup);
  place.write(REAL_BASE + HEAP_END, append);
  const stub = biosStub(options.memoryMap);
  place.write(0, VECTORS);
  place.write(BIOS_STUB_AT, stub);
  return realEntry((REAL_BASE >> 4) + 0x20, 0, REAL_BASE >> 4, HEAP_END);
}
