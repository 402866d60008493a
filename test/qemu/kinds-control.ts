/**
 * Cases about control: CRs, DRs, MSRs, system instructions at every level, ports, paging, single step, LOCK.
 *
 * @module
 */
import type { Draft } from './assemble.ts';
import { dataSelector } from './descriptors.ts';
import { flags } from './kinds-transfer.ts';
import { PHYSICAL_BITS } from '../../vmm/cpu/cpuid.ts';
import * as L from './layout.ts';

/** CR0: what may change without leaving the mode, and the rest. */
const CR0_FREE = 0x6005002e;
const CR0_PE_PG = 0x80000001;

/** Bits of CR4 that both processors have by their CPUID. */
export interface Supported {
  readonly cr4: number;
}

/** Bits of CR4 that some processor of this level has (SDM vol. 3, 2.5). */
const CR4_DEFINED = 0x777fffn;
const CR4_PKE = 0x400000;
const VMXE_AND_BEYOND = 0xfe486000;

function moveToCr(d: Draft, supported: Supported): void {
  const { r, c } = d;
  const cr = r.of(d.bits === 64 ? [0, 0, 2, 3, 4, 4, 8] : [0, 0, 2, 3, 4, 4]);
  let value: bigint;
  switch (cr) {
    case 0:
      value = BigInt((c.cr0 ^ (r.u32() & r.u32() & CR0_FREE)) >>> 0);
      if (r.oneIn(24) && d.long) value ^= BigInt(CR0_PE_PG & r.u32()) & 0xffffffffn;
      if (r.oneIn(24)) {
        value ^= r.edge64() & 0xffffffff1ffaffc0n;
      }
      // Paging cannot end in 64-bit code.
      if (d.bits === 64 && (value & 0x80000000n) === 0n) c.tags.add('CR0 invalid');
      if (((value >> 29n) & 3n) === 1n || (value & BigInt(CR0_PE_PG)) === 0x80000000n || (d.bits === 64 && value >> 32n !== 0n))
        c.tags.add('CR0 invalid');
      break;
    case 3:
      value = BigInt(c.cr3) | BigInt(r.below(0x20) & 0x18);
      if (r.oneIn(8)) {
        value |= r.edge64() & 0xfffffffffffe0000n & ~0x3ffffn;
      }
      if (value >> BigInt(PHYSICAL_BITS) !== 0n) c.tags.add('CR reserved');
      break;
    case 4:
      value = BigInt((c.cr4 ^ (r.u32() & r.u32() & supported.cr4 & ~0x1020)) >>> 0);
      if (r.oneIn(12)) {
        value ^= r.edge64() & BigInt.asUintN(64, ~BigInt(supported.cr4 | VMXE_AND_BEYOND) | 0x3000n);
      }
      if ((value & ~CR4_DEFINED) !== 0n) c.tags.add('CR reserved');
      break;
    case 8:
      value = r.oneIn(6) ? r.edge64() : BigInt(r.below(16));
      if (value > 15n) c.tags.add('CR reserved');
      break;
    default:
      value = r.edge64();
  }
  d.load(0, d.bits === 64 ? value : value & 0xffffffffn);
  if (cr === 8) d.emit(0x44);
  d.emit(0x0f, 0x22).direct(cr, 0);
}

function moveFromCr(d: Draft): void {
  const cr = d.r.of(d.bits === 64 ? [0, 2, 3, 4, 8] : [0, 2, 3, 4]);
  if (cr === 8) d.emit(0x44);
  d.emit(0x0f, 0x20).direct(cr, d.register());
}

export function controlRegisters(supported: Supported): (d: Draft) => void {
  return (d) => {
    const { r } = d;
    for (let n = 1 + r.below(3); n > 0; n--) {
      switch (r.below(8)) {
        case 0:
          // LMSW: PE cannot be cleared, and is not to be set.
          d.load(0, r.below(0x10000) & ~1)
            .emit(0x0f, 0x01)
            .direct(6, 0);
          break;
        case 1:
          d.emit(0x0f, 0x01).direct(4, d.register());
          break;
        case 2:
          d.emit(0x0f, 0x06);
          break;
        case 3:
          // Registers that do not exist.
          d.emit(0x0f, r.of([0x20, 0x22])).direct(r.of([1, 5, 6, 7]), 0);
          break;
        case 4:
        case 5:
          moveFromCr(d);
          break;
        default:
          moveToCr(d, supported);
      }
    }
  };
}

export function debugRegisters(d: Draft): void {
  const { r, c } = d;
  if (r.oneIn(4)) c.cr4 |= 8;
  for (let n = 1 + r.below(3); n > 0; n--) {
    const register = r.below(8);
    const base = register === 6 ? 0xffff0ff0n : register === 7 ? 0x400n : BigInt(L.DATA);
    let value = base | (BigInt(r.u32()) & (register === 7 ? 0xffff0000n : 0xefffn));
    if (register === 7 && r.oneIn(4)) value |= BigInt(r.u32() & 0xdfff);
    if (d.bits === 64 && r.oneIn(8)) {
      value = r.edge64();
      if (register === 7) value &= ~0x20ffn;
    }
    if (r.oneIn(2))
      d.load(0, d.bits === 64 ? value : value & 0xffffffffn)
        .emit(0x0f, 0x23)
        .direct(register, 0);
    else d.emit(0x0f, 0x21).direct(register, d.register());
  }
}

/** Code and data breakpoints that a case runs into. */
export function breakpoints(d: Draft): void {
  const { r, c } = d;
  for (let i = 0; i < 4; i++) {
    if (r.oneIn(2)) continue;
    // QEMU shuts down at most breakpoints of code whose segment does not start at 0.
    const kind = r.of(d.bits === 16 && !r.oneIn(20) ? [1, 3, 3] : [0, 1, 3, 3]);
    const length = kind === 0 ? 0 : r.of([0, 1, 3]);
    const bytes = [1, 2, 8, 4][length] as number;
    const at = kind === 0 ? d.here + r.below(12) : (L.DATA + r.below(32)) & -bytes;
    c.dr[i] = BigInt(at);
    c.dr7 |= ((kind | (length << 2)) << (16 + 4 * i)) | (r.of([1, 2, 3]) << (2 * i));
  }
  c.dr7 >>>= 0;
  if (r.oneIn(3)) c.rflags |= 0x10000n;
  for (let n = 1 + r.below(4); n > 0; n--) {
    // Aligned: QEMU finds other accesses anywhere.
    const at = L.DATA + 4 * r.below(8);
    switch (r.below(4)) {
      case 0:
        d.emit(0x90);
        break;
      case 1:
        d.emit(0x8b).absolute(1, at);
        break;
      case 2:
        d.emit(0x89).absolute(1, at);
        break;
      default:
        d.emit(0x01).absolute(1, at);
    }
  }
}

const MSRS = [
  0x10, 0x1b, 0x3a, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x1a0, 0x1d9, 0x200, 0x201, 0x20f, 0x250, 0x258, 0x268, 0x277, 0x2ff, 0x400,
  0x401, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
] as const;
/** MSRs whose contents differ by nature: they are written, not read. */
const OWN = [0x10, 0x1b, 0x3a, 0xfe, 0x179, 0x1a0, 0x1d9, 0x400, 0x401, 0x200, 0x201, 0x20f, 0x250, 0x258, 0x268, 0x2ff, 0x17a];

export function msrs(d: Draft): void {
  const { r, c } = d;
  for (let n = 1 + r.below(2); n > 0; n--) {
    const index = r.oneIn(40) ? r.u32() : r.of(MSRS);
    if (index === 0xc0000080) {
      const value = c.efer ^ (r.below(0x1000) & 0x801) ^ (r.oneIn(8) ? r.below(0x10000) & 0xf6fe & ~0x5000 : 0);
      if ((value & ~0xd01) !== 0) c.tags.add('MSR reserved');
      d.load(1, index).load(0, value).load(2, 0).emit(0x0f, 0x30);
    } else if (!OWN.includes(index) || r.oneIn(4)) {
      if (OWN.includes(index)) {
        // Reading is compared by whether it faults.
        d.load(1, index).emit(0x0f, 0x32).load(0, 0).load(2, 0);
        continue;
      }
      let value = r.oneIn(2) ? r.edge64() : BigInt(r.u32());
      if (index === 0x277 && !r.oneIn(8)) value &= 0x0404040404040404n;
      // Bits 31:16 of IA32_SYSENTER_CS are "not used" (SDM vol. 4, table 2-2).
      if (index === 0x174) value &= 0xffffn;
      if (index >= 0xc0000082 && r.oneIn(2)) value = BigInt.asUintN(64, BigInt.asIntN(47, value));
      if (!MSRS.includes(index as (typeof MSRS)[number])) c.tags.add('no such MSR');
      // Nothing is said of the upper half of IA32_FMASK.
      if (index === 0xc0000084) value &= 0xffffffffn;
      if (msrReserved(index, value)) c.tags.add('MSR reserved');
      d.load(1, index)
        .load(0, value & 0xffffffffn)
        .load(2, value >> 32n)
        .emit(0x0f, 0x30);
      if (r.oneIn(2)) d.load(0, 0).load(2, 0).emit(0x0f, 0x32);
    }
  }
}

/** WRMSR must refuse this (SDM vol. 4, table 2-2). */
function msrReserved(index: number, value: bigint): boolean {
  const canonical = BigInt.asUintN(64, BigInt.asIntN(48, value)) === value;
  if ([0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102].includes(index)) return !canonical;
  if (index === 0xc0000103) return value >> 32n !== 0n;
  if (index !== 0x277) return false;
  for (let i = 0n; i < 8n; i++) if (![0n, 1n, 4n, 5n, 6n, 7n].includes((value >> (8n * i)) & 0xffn)) return true;
  return false;
}

/** A pointer for LGDT and LIDT, the table as it is. */
function tablePointer(d: Draft, at: number, table: { limit: number; base: bigint }): void {
  d.word(at, table.limit, 2);
  d.word(at + 2, d.bits === 16 ? table.base & 0xffffffn : table.base, 8);
}

const POINTER = L.DATA + 0x200;

/** Instructions that a level, a mode or a control bit forbids. */
export function systemInstructions(supported: Supported): (d: Draft) => void {
  return (d) => {
    someInstructions(d);
    d.c.cr4 &= supported.cr4;
  };
}

function someInstructions(d: Draft): void {
  const { r, c } = d;
  c.rflags |= BigInt(r.below(4) << 12) | BigInt(r.oneIn(2) ? 0x200 : 0);
  if (r.oneIn(3)) c.cr4 |= 4;
  if (r.oneIn(4)) c.cr0 = (c.cr0 | (r.u32() & 0xe)) >>> 0;
  for (let n = 1 + r.below(3); n > 0; n--) systemInstruction(d);
}

function systemInstruction(d: Draft): void {
  const { r } = d;
  const at = L.DATA + 0x300 + r.below(16);
  switch (r.below(22)) {
    case 0:
      d.emit(r.of([0xfa, 0xfb]));
      d.keepFlags();
      break;
    case 1: {
      // POPF, then what it made of it.
      d.push(flags(d) & (d.bits === 16 ? 0xffff : -1)).emit(0x9d);
      d.keepFlags();
      break;
    }
    case 2:
      if (d.bits !== 64) d.emit(0x66);
      d.emit(0x9c, 0x58 | d.register());
      break;
    case 3:
      if (d.level > 0) d.emit(0xf4);
      break;
    case 4:
      d.emit(0x0f, r.of([0x06, 0x08, 0x09]));
      break;
    case 5:
      d.emit(0x0f, 0x01).absolute(r.of([0, 1]), at);
      break;
    case 6:
      d.emit(0x0f, 0x00).absolute(r.of([0, 1]), at);
      break;
    case 7:
      d.emit(0x0f, 0x00).direct(r.of([0, 1]), d.register());
      break;
    case 8:
      d.emit(0x0f, 0x01).absolute(4, at);
      break;
    case 9:
      tablePointer(d, POINTER, d.c.gdt);
      if (d.bits === 16 && r.oneIn(2)) d.emit(0x66);
      d.emit(0x0f, 0x01).absolute(2, POINTER);
      break;
    case 10:
      tablePointer(d, POINTER + 0x10, d.c.idt);
      if (d.bits === 16 && r.oneIn(2)) d.emit(0x66);
      d.emit(0x0f, 0x01).absolute(3, POINTER + 0x10);
      break;
    case 11: {
      const selector = d.protected ? dataSelector(d) : r.below(0x10000);
      if (selector < 4) d.c.tags.add('null LTR');
      d.load(0, selector)
        .emit(0x0f, 0x00)
        .direct(r.of([2, 3]), 0);
      break;
    }
    case 12:
      d.emit(0x0f, 0x01).absolute(7, at);
      break;
    case 13:
      d.emit(0x0f, 0x01, 0xf8);
      break;
    case 14:
      // RDFSBASE and its kin.
      if (d.bits === 64) {
        if (r.oneIn(2)) d.c.cr4 |= 0x10000;
        const reg = d.register();
        if (r.oneIn(3)) d.load(reg, r.edge64());
        d.emit(0xf3);
        if (r.oneIn(2)) d.emit(0x48);
        d.c.tags.add('WRFSBASE');
        d.emit(0x0f, 0xae).direct(r.below(4), reg);
      }
      break;
    case 15:
      d.load(2, 0x1234)
        .load(1, 0xc0000102)
        .emit(0x0f, r.of([0x30, 0x32]));
      break;
    case 16:
      d.emit(0x0f, 0x31).load(0, 0).load(2, 0);
      break;
    case 17:
      if (r.oneIn(2)) d.c.cr4 |= 0x100;
      if (d.level > 0 && (d.c.cr4 & 0x100) === 0) d.load(1, 0).emit(0x0f, 0x33);
      break;
    case 18:
      d.emit(0x0f, r.of([0xaa, 0x0b, 0xff, 0xb9])).direct(r.below(8), r.below(8));
      break;
    case 19:
      if (r.oneIn(2)) d.c.cr4 |= 0x800;
      // SLDT, STR, SMSW; with 0F 01 also VMCALL and its kin.
      d.c.tags.add('VMCALL');
      d.emit(0x0f, r.of([0, 1])).direct(r.of([0, 1, 4]), d.register());
      break;
    case 20:
      d.load(1, r.oneIn(3) ? r.below(4) : 0)
        .load(2, 0)
        .load(0, r.of([1, 3, 0, 2, 5]));
      if (!r.oneIn(3)) d.c.cr4 |= 0x40000;
      d.c.tags.add('XCR');
      // What XCR0 starts with is the processor's.
      d.emit(0x0f, 0x01, r.of([0xd0, 0xd1])).load(0, 0);
      break;
    default:
      port(d);
  }
}

/** Ports that nothing answers on either board. */
const FREE_PORT = 0x300;

function port(d: Draft): void {
  const { r } = d;
  const number = FREE_PORT + r.below(32);
  if (r.oneIn(3)) d.emit(r.of([0xe4, 0xe5, 0xe6, 0xe7]), 0x24 + r.below(4));
  else d.load(2, number).emit(r.of([0xec, 0xed, 0xee, 0xef]));
  // What a port without a device answers is the board's.
  d.load(0, 0);
}

/** Ports by IOPL and the permission map, strings too. */
export function ports(d: Draft): void {
  const { r, c } = d;
  c.rflags |= BigInt(r.below(4) << 12);
  if (r.oneIn(6)) d.word(L.TSS + 102, r.of([0, 0x68, 0x88, 0x3f0, 0x3ff, 0x400, 0xffff]), 2);
  if (r.oneIn(2)) {
    port(d);
    return;
  }
  const at = L.DATA + r.below(0x100);
  const times = r.below(5);
  d.load(2, FREE_PORT + r.below(32))
    .load(1, times)
    .load(6, at - d.base)
    .load(7, at - d.base);
  if (r.oneIn(6)) c.rflags |= 0x100n;
  if (r.oneIn(2)) c.rflags |= 0x400n;
  if (r.oneIn(2)) {
    d.emit(0xf3);
    if (times === 0) c.tags.add('no count');
  }
  if (r.oneIn(3)) d.emit(0x66);
  const opcode = r.of([0x6c, 0x6d, 0x6e, 0x6f]);
  if (opcode < 0x6e) c.tags.add('ins');
  d.emit(opcode);
}

/** XSAVE, XSAVEOPT and XRSTOR of states and headers right and wrong; XSETBV, XGETBV. */
export function extendedStates(d: Draft): void {
  const { r, c } = d;
  if (!r.oneIn(12)) c.cr4 |= 0x40000;
  if (r.oneIn(8)) c.cr0 = (c.cr0 | 8) >>> 0;
  const area = L.DATA + (r.oneIn(10) ? r.below(64) : 0);
  // What is restored: a header that is mostly right, MXCSR, and states as the arena has them.
  d.word(L.DATA + 512, r.oneIn(6) ? r.edge64() : BigInt(r.below(8)), 8);
  d.word(L.DATA + 520, r.oneIn(10) ? r.edge64() : 0n, 8);
  d.word(L.DATA + 528, r.oneIn(10) ? r.edge64() : 0n, 8);
  for (let at = 536; at < 576; at += 8) d.word(L.DATA + at, 0, 8);
  const mxcsr = r.oneIn(8) ? r.u32() : 0x1f80 | (r.u32() & 0x3f);
  if (mxcsr >>> 16 !== 0) c.tags.add('MXCSR reserved');
  d.word(L.DATA + 24, mxcsr, 4);
  for (let n = 1 + r.below(3); n > 0; n--) {
    const mask = r.oneIn(8) ? r.edge64() : BigInt(r.below(8));
    switch (r.below(6)) {
      case 0: {
        const value = r.oneIn(6) ? r.edge64() : BigInt(r.of([1, 3, 7, 7]));
        d.load(1, r.oneIn(8) ? 1 : 0)
          .load(0, value & 0xffffffffn)
          .load(2, value >> 32n)
          .emit(0x0f, 0x01, 0xd1);
        d.c.tags.add('XCR');
        break;
      }
      case 1:
        c.tags.add('saved');
        d.load(0, mask & 0xffffffffn)
          .load(2, mask >> 32n)
          .emit(0x0f, 0xae)
          .absolute(6, area);
        break;
      case 2:
      case 3:
        d.load(0, mask & 0xffffffffn)
          .load(2, mask >> 32n)
          .emit(0x0f, 0xae)
          .absolute(5, area);
        break;
      default:
        c.tags.add('saved');
        d.load(0, mask & 0xffffffffn)
          .load(2, mask >> 32n)
          .emit(0x0f, 0xae)
          .absolute(4, area);
    }
  }
}

/** Page table entries of every level with every right, and an access by one of the ways there are. */
export function paging(supported: Supported): (d: Draft) => void {
  return (d) => {
    const { r, c } = d;
    const { environment } = c;
    const narrow = environment === 'paged32';
    const width = narrow ? 4 : 8;
    if (r.oneIn(2)) c.cr0 = (c.cr0 ^ 0x10000) >>> 0;
    c.cr4 ^= r.u32() & supported.cr4 & 0x3000b0 & ~0x20;
    if (r.oneIn(3)) c.cr4 &= ~0x300000;
    if (r.oneIn(2)) c.efer ^= 0x800;
    if (r.oneIn(3)) c.rflags |= 0x40000n;
    const keys = d.long && r.oneIn(2) ? supported.cr4 & CR4_PKE : 0;
    c.cr4 |= keys;
    c.pkru = r.u32() & (r.oneIn(2) ? -1 : 0x3f);
    const page = L.DATA + 0x1000 * r.below(4);
    const rights = (): bigint => {
      let value = BigInt(1 | r.below(8) | (r.oneIn(2) ? r.below(0x200) & 0x160 : 0) | (r.below(4) << 3));
      if (r.oneIn(12)) value &= ~1n;
      if (!narrow && r.oneIn(4)) value |= 1n << 63n;
      if (!narrow && r.oneIn(24)) value |= 1n << BigInt(40 + r.below(23));
      // Protection keys; without them the bits are ignored.
      if (d.long && r.oneIn(3)) value |= BigInt(r.below(keys === 0 ? 16 : 4)) << 59n;
      return value;
    };
    const put = (at: number, value: bigint): void => d.word(at, narrow ? value & 0xffffffffn : value, width);
    let linear = page;
    if (!r.oneIn(3)) put(L.PT + width * (page >> 12), BigInt(page) | rights());
    // The same page through other entries of the upper levels, which only the access uses.
    if (r.oneIn(2)) {
      const large = r.oneIn(3) && (!narrow || (c.cr4 & 0x10) !== 0);
      // A large page is the memory from 0 on.
      const slot = 1 + r.below(3);
      const entry = large ? rights() | 0x80n | (r.oneIn(12) ? BigInt(r.u32()) & 0x1ff000n : 0n) : BigInt(L.PT) | (rights() & ~0x80n);
      // PSE-36: address bits 39:32.
      if (large && narrow && (entry & 0x1fe000n) !== 0n) c.tags.add('beyond RAM');
      put(L.PD + width * slot, entry);
      linear += slot * (narrow ? 0x400000 : 0x200000);
    }
    if (!narrow && r.oneIn(2)) {
      const slot = environment === 'pae' ? 1 + r.below(2) : 1;
      put(L.PDPT + 8 * slot, BigInt(L.PD) | (environment === 'pae' ? (r.oneIn(8) ? rights() : 1n) : rights() & ~0x80n));
      linear += slot * 0x40000000;
    }
    if (d.bits === 64 && r.oneIn(2)) {
      const slot = 1 + r.below(255);
      put(L.PML4 + 8 * slot, BigInt(L.PDPT) | (rights() & (r.oneIn(8) ? -1n : ~0x80n)));
      let at = BigInt(linear) + (BigInt(slot) << 39n);
      if (environment === 'long5' && r.oneIn(2)) {
        const top = 1 + r.below(255);
        put(L.PML5 + 8 * top, BigInt(L.PML4) | (rights() & (r.oneIn(8) ? -1n : ~0x80n)));
        at += BigInt(top) << 48n;
      }
      access(d, at, page);
    } else access(d, BigInt(linear), page);
  };
}

function access(d: Draft, page: bigint, physical: number): void {
  const { r } = d;
  const width = d.bits === 64 ? 8 : 4;
  // Behind the last page is memory that no template restores.
  const at = page + BigInt(r.oneIn(4) && physical < L.DATA + 0x3000 ? 0x1000 - r.below(width) : r.below(0xf00));
  d.load(3, at);
  // 16-bit code reaches so far with 32-bit addresses and a flat segment: its own do not.
  switch (r.below(7)) {
    case 0:
      d.emit(0x8b, 0x0b);
      break;
    case 1:
      d.emit(0x89, 0x0b);
      break;
    case 2:
      d.emit(0x01, 0x0b);
      break;
    case 3:
      // Execute: what stands there ends the case.
      d.patch(
        physical + (Number(at - page) & ~15),
        Array.from({ length: 32 }, () => 0xcc),
      );
      d.emit(0xff, 0xe3);
      break;
    case 4:
      d.load(4, at & ~7n).emit(0x50);
      break;
    case 5:
      d.emit(0x0f, 0x01, 0x3b).emit(0x8b, 0x0b);
      break;
    default:
      d.load(1, 2 + r.below(6))
        .load(7, at)
        .emit(0xf3, r.of([0xaa, 0xab]));
  }
}

/** Addresses at the ends of the canonical halves. */
export function canonical(d: Draft): void {
  const { r, c } = d;
  const edge = r.of([0x7fffffffffffn, 0x8000000000000n, 0x800000000000n, 0xffff800000000000n, 0xffff7fffffffffffn, 0xffffffffffffff00n]);
  const at = BigInt.asUintN(64, edge + BigInt(r.below(17)) - 8n);
  const register = r.of([3, 4, 5]);
  if (r.oneIn(4)) c.fsBase = r.oneIn(2) ? 0n : BigInt.asUintN(64, BigInt.asIntN(47, r.edge64()));
  d.load(register, at);
  switch (r.below(8)) {
    case 0:
      d.emit(0x8b, 0x48 | (register === 4 ? 4 : register)).emit(...(register === 4 ? [0x24] : []), 0);
      break;
    case 1:
      d.emit(0x89, 0x48 | (register === 4 ? 4 : register)).emit(...(register === 4 ? [0x24] : []), 0);
      break;
    case 2:
      d.emit(r.of([0x50, 0x58, 0xc3, 0x9c, 0x9d]));
      break;
    case 3:
      d.emit(0xff).direct(4, register);
      break;
    case 4:
      d.emit(0xff).direct(2, register);
      break;
    case 5:
      d.emit(0x64, 0x8b, 0x48 | (register === 4 ? 4 : register)).emit(...(register === 4 ? [0x24] : []), 0);
      break;
    case 6:
      d.emit(0xc8, 8, 0, r.below(4));
      break;
    default: {
      const opcode = r.of([0xc9, 0xcb, 0xcf]);
      if (opcode !== 0xc9) c.tags.add('far return');
      d.emit(opcode);
    }
  }
}

/** Single step and RF across what treats them differently. */
export function steps(d: Draft): void {
  const { r, c } = d;
  const body = (): void => {
    switch (r.below(10)) {
      case 0:
        d.emit(0x90);
        break;
      case 1:
        d.load(1, r.below(4))
          .load(7, L.DATA - d.base)
          .emit(0xf3, 0xaa);
        break;
      case 2:
        c.tags.add('MOV SS');
        d.emit(0x8e).direct(2, 0);
        break;
      case 3:
        d.emit(0xcd, 0x30);
        break;
      case 4:
        d.push(0x102).emit(0x9d);
        break;
      case 5:
        d.emit(0x0f, 0x0b);
        break;
      case 6:
        d.emit(0x9c, 0x58);
        break;
      case 7:
        c.tags.add('STI');
        d.emit(0xfb);
        break;
      case 8:
        d.emit(0xeb, 0);
        break;
      default:
        d.load(0, 1).emit(0xf7).direct(6, 1);
    }
  };
  c.regs[0] = BigInt(c.ss);
  if (r.oneIn(2)) c.rflags |= 0x100n;
  if (r.oneIn(4)) c.rflags |= 0x10000n;
  for (let n = 1 + r.below(3); n > 0; n--) body();
}

const LOCKABLE = [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x80, 0x84, 0x86, 0x88, 0x8a, 0xc6, 0xf6, 0xfe, 0x90, 0xa4];
const LOCKABLE_0F = [0xab, 0xa3, 0xb3, 0xba, 0xbb, 0xb0, 0xc0, 0xc7, 0xaf, 0x05];

/** LOCK before everything. */
export function locks(d: Draft): void {
  const { r, c } = d;
  const at = L.DATA + r.below(0x20) * 8;
  for (let n = 1 + r.below(2); n > 0; n--) {
    d.emit(0xf0);
    const two = r.oneIn(2);
    if (two) d.emit(0x0f);
    const opcode = two ? r.of(LOCKABLE_0F) : r.of(LOCKABLE) | r.below(2);
    d.emit(opcode);
    const reg = r.below(8);
    const bitTest = two && (opcode === 0xba || opcode === 0xbb || (opcode & 0xe7) === 0xa3);
    // Two-byte opcodes with LOCK and a register make QEMU give up ("tcg fatal error"), which costs a start.
    if (r.oneIn(two ? 60 : 4)) d.direct(reg, r.below(8));
    else d.absolute(reg, at);
    // A bit's offset from a register reaches far.
    if (bitTest && opcode !== 0xba && reg !== 4) c.regs[reg] = BigInt(r.below(512));
    if ((!two && (opcode === 0x80 || (opcode & 0xfe) === 0xc6 || ((opcode & 0xfe) === 0xf6 && reg < 2))) || (two && opcode === 0xba))
      d.imm(r.below(256), opcode === 0xc7 || opcode === 0xf7 || opcode === 0x81 ? (d.bits === 16 ? 2 : 4) : 1);
    else if (!two && opcode === 0x81) d.imm(r.u32(), d.bits === 16 ? 2 : 4);
    // BT and its kin leave flags undefined: CMP sets them all.
    if (bitTest) d.emit(0x39, 0xdb);
    d.keepFlags();
  }
}
