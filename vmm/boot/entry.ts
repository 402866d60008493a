/**
 * What a boot loader leaves behind: guest memory as it found it, and the register state that the first instruction sees.
 *
 * The register set has the shape of KVM's regs and sregs. Every value at a boot entry is an address below 4 GiB or a control
 * register without high bits, so plain numbers hold them. Access rights have the layout of the VMCS (SDM vol. 3, 25.4.1):
 * type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16.
 *
 * Leaves out: x87, SSE and MSR state other than EFER, which stay as after reset.
 *
 * @module
 */
import type { E820Entry } from './e820.ts';

/** Guest RAM below 4 GiB, from guest physical address 0. Loaders write only inside [0, size). */
export interface BootMemory {
  /** Bytes of RAM below 4 GiB. */
  readonly size: number;
  write(gpa: number, bytes: Uint8Array): void;
  zero(gpa: number, bytes: number): void;
}

/** The ways in. A file's own kind is recognised; `bzimage16` and `bzimage32` are taken only when asked for or when there is no other. */
export type BootKind = 'bzimage' | 'bzimage32' | 'bzimage16' | 'pvh' | 'multiboot';

/** A file handed to the guest beside the kernel. */
export interface BootModule {
  readonly bytes: Uint8Array;
  /** The file's name, for messages and for the module's string. */
  readonly name: string;
}

/** What to boot, and on what. */
export interface BootOptions {
  readonly kernel: Uint8Array;
  /** The kernel file as the user named it. */
  readonly kernelName: string;
  readonly initrd?: Uint8Array | undefined;
  readonly initrdName?: string | undefined;
  /** More modules after the initrd: multiboot and PVH only. */
  readonly modules?: readonly BootModule[] | undefined;
  /** The guest's command line. */
  readonly append: string;
  readonly ram: BootMemory;
  readonly memoryMap: readonly E820Entry[];
  /** Guest physical address of the ACPI RSDP, 0 when there is none. */
  readonly acpiRsdp: number;
  /** There is a VGA in text mode 3, which a kernel is told where its protocol can. */
  readonly textMode?: boolean | undefined;
  /** Use this entry and refuse the file if it has none. */
  readonly kind?: BootKind | undefined;
}

/** One segment register with its hidden part. */
export interface SegmentState {
  readonly selector: number;
  readonly base: number;
  /** In bytes, granularity applied. */
  readonly limit: number;
  /** Access rights in VMX layout. */
  readonly ar: number;
}

export interface TableRegister {
  readonly base: number;
  readonly limit: number;
}

/** The registers at the first instruction. Registers that a protocol leaves open are 0. */
export interface EntryState {
  readonly mode: 'real' | 'protected' | 'long';
  readonly rip: number;
  readonly rflags: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rcx: number;
  readonly rdx: number;
  readonly rsi: number;
  readonly rdi: number;
  readonly rbp: number;
  readonly rsp: number;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
  readonly es: SegmentState;
  readonly cs: SegmentState;
  readonly ss: SegmentState;
  readonly ds: SegmentState;
  readonly fs: SegmentState;
  readonly gs: SegmentState;
  readonly ldtr: SegmentState;
  readonly tr: SegmentState;
  readonly gdtr: TableRegister;
  readonly idtr: TableRegister;
}

/** An entry, or one line that names the file, what is wrong with it and what would be right. */
export type BootResult =
  | { readonly ok: true; readonly kind: BootKind; readonly entry: EntryState }
  | { readonly ok: false; readonly reason: string };

/** Thrown inside `vmm/boot` with the reason; `loadGuest` turns it into a result, so it never reaches a caller. */
export class BootError extends Error {
  override readonly name = 'BootError';
  /** The file that the reason is about; undefined means the kernel. */
  readonly subject: string | undefined;

  constructor(reason: string, subject?: string) {
    super(reason);
    this.subject = subject;
  }
}

/** CR0.PE, and CR0.ET that reads as 1 on every CPU with an FPU of its own. */
const CR0_PE = 0x1;
const CR0_ET = 0x10;
const CR0_PG = 0x8000_0000;
const CR4_PAE = 0x20;
/** EFER.LME and EFER.LMA. */
const EFER_LONG = 0x500;
/** Bit 1 of RFLAGS is always set; IF and VM are clear at every entry. */
const RFLAGS_FIXED = 0x2;

/** __BOOT_CS and __BOOT_DS of boot.rst, 5.1: the other protocols take any flat selectors, so they get these. */
const BOOT_CS = 0x10;
const BOOT_DS = 0x18;
const BOOT_TSS = 0x20;

/** Execute/read, accessed, S, P. */
const AR_CODE = 0x9b;
/** Read/write, accessed, S, P. */
const AR_DATA = 0x93;
const AR_DB = 0x4000;
const AR_L = 0x2000;
const AR_G = 0x8000;
/** Busy 32-bit TSS, P; in long mode the same type means a busy 64-bit TSS. */
const AR_TSS_BUSY = 0x8b;
const AR_LDT = 0x82;
const AR_UNUSABLE = 0x1_0000;

const FLAT = 0xffff_ffff;

/** Bytes of the GDT that every protected or long entry refers to. */
export const GDT_SIZE = 6 * 8;

/** The descriptors behind the selectors above: null, null, code, data, TSS (16 bytes, as long mode has it). */
export function bootGdt(longMode: boolean): Uint8Array {
  const bytes = new Uint8Array(GDT_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(BOOT_CS, longMode ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn, true);
  view.setBigUint64(BOOT_DS, 0x00cf93000000ffffn, true);
  view.setBigUint64(BOOT_TSS, 0x00008b0000000067n, true);
  return bytes;
}

type General = Partial<Pick<EntryState, 'rax' | 'rbx' | 'rcx' | 'rdx' | 'rsi' | 'rdi' | 'rbp' | 'rsp'>>;

const NO_GENERAL = { rax: 0, rbx: 0, rcx: 0, rdx: 0, rsi: 0, rdi: 0, rbp: 0, rsp: 0 };
const LDTR: SegmentState = { selector: 0, base: 0, limit: 0xffff, ar: AR_LDT | AR_UNUSABLE };
/** No IDT: with interrupts off the first exception is a triple fault, which is what a kernel's boot code must avoid anyway. */
const NO_IDT: TableRegister = { base: 0, limit: 0 };

/** 32-bit protected mode, paging off, flat segments: PVH, multiboot and the bzImage's 32-bit entry. */
export function flatEntry(rip: number, gdt: number, general: General): EntryState {
  const data: SegmentState = { selector: BOOT_DS, base: 0, limit: FLAT, ar: AR_DATA | AR_DB | AR_G };
  return {
    ...NO_GENERAL,
    ...general,
    mode: 'protected',
    rip,
    rflags: RFLAGS_FIXED,
    cr0: CR0_PE | CR0_ET,
    cr3: 0,
    cr4: 0,
    efer: 0,
    cs: { selector: BOOT_CS, base: 0, limit: FLAT, ar: AR_CODE | AR_DB | AR_G },
    es: data,
    ss: data,
    ds: data,
    fs: data,
    gs: data,
    ldtr: LDTR,
    // Xen's PVH asks for a 32-bit TSS at 0 with limit 0x67; harmless to the others.
    tr: { selector: BOOT_TSS, base: 0, limit: 0x67, ar: AR_TSS_BUSY },
    gdtr: { base: gdt, limit: GDT_SIZE - 1 },
    idtr: NO_IDT,
  };
}

/** 64-bit mode with paging on: the bzImage's 64-bit entry. */
export function longEntry(rip: number, gdt: number, pml4: number, general: General): EntryState {
  return {
    ...flatEntry(rip, gdt, general),
    mode: 'long',
    cr0: CR0_PE + CR0_ET + CR0_PG,
    cr3: pml4,
    cr4: CR4_PAE,
    efer: EFER_LONG,
    cs: { selector: BOOT_CS, base: 0, limit: FLAT, ar: AR_CODE | AR_L | AR_G },
  };
}

/** Real mode: `cs:ip` and one segment for everything else. */
export function realEntry(cs: number, ip: number, segment: number, sp: number): EntryState {
  const data: SegmentState = { selector: segment, base: segment * 16, limit: 0xffff, ar: AR_DATA };
  return {
    ...NO_GENERAL,
    rsp: sp,
    mode: 'real',
    rip: ip,
    rflags: RFLAGS_FIXED,
    cr0: CR0_ET,
    cr3: 0,
    cr4: 0,
    efer: 0,
    // A real-mode CS is writable: type 3 as after reset.
    cs: { selector: cs, base: cs * 16, limit: 0xffff, ar: AR_DATA },
    es: data,
    ss: data,
    ds: data,
    fs: data,
    gs: data,
    ldtr: LDTR,
    tr: { selector: 0, base: 0, limit: 0xffff, ar: AR_TSS_BUSY },
    gdtr: { base: 0, limit: 0xffff },
    idtr: { base: 0, limit: 0x3ff },
  };
}
