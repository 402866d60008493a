/**
 * The instruction being decoded: its bytes, prefixes and ModRM operand, and the micro-op that it becomes (SDM vol. 2, chapter 2).
 *
 * One instruction is decoded at a time, so all this is module variables. They live from `begin` to the end of `decodeOne`, are written in
 * this file only, and are no state of the guest.
 */
import { VM_ISA } from './state.gen';
import { GP, simpleOp, SYS, UD } from './uop.gen';

/** Byte 6 of a micro-op whose r/m operand is a register. */
export const REGISTER: u32 = 0xff;
/** Byte offsets, as for registers, of values that make address arithmetic uniform: 0, RIP's page, 4096. */
export const ZERO_SLOT: u32 = 128;
export const RIP_SLOT: u32 = 136;
export const PAGE_SLOT: u32 = 144;
/** SDM vol. 2, 2.3.11: a longer instruction is #GP(0). */
export const LENGTH_MAX: usize = 15;

// ---- bytes ----

/** Next byte, and the end of those that may be read. */
export let p: usize = 0;
let end: usize = 0;
/** Bytes were missing: what was decoded means nothing. */
export let over: bool = false;

export function open(from: usize, to: usize, codeMode: u32): void {
  p = from;
  end = to;
  mode = codeMode;
}
export function u8at(): u32 {
  if (p >= end) {
    over = true;
    return 0;
  }
  return <u32>load<u8>(p++);
}
/** The next byte, which stays the next. */
export function peek(): u32 {
  const b = u8at();
  if (!over) p--;
  return b;
}
export function i8at(): i32 {
  return <i32><i8>u8at();
}
export function u16at(): u32 {
  if (p + 2 > end) {
    over = true;
    return 0;
  }
  p += 2;
  return <u32>load<u16>(p - 2);
}
export function i32at(): i32 {
  if (p + 4 > end) {
    over = true;
    return 0;
  }
  p += 4;
  return load<i32>(p - 4);
}
/** Immediate of the operand size, at most 32 bits, sign-extended. */
export function immz(): i32 {
  return osz == 2 ? <i32><i16>u16at() : i32at();
}
/** Displacement of a near branch: 32 bits in 64-bit code whatever the operand size (SDM vol. 2, JMP; AMD's take 66h). */
export function relz(): i32 {
  return mode == 2 ? i32at() : immz();
}

// ---- prefixes ----

/** Code size: 0 = 16, 1 = 32, 2 = 64 bits. */
export let mode: u32 = 0;
/** Operand and address size in bytes. */
export let osz: u32 = 4;
export let asz: u32 = 4;
/** Segment override, -1 = none. */
export let seg: i32 = -1;
/** F2h or F3h, the last of them; 0 = none. */
export let rep: u32 = 0;
export let rex: u32 = 0;
/** 66h, also where it does not change the operand size. */
export let operandPrefix: bool = false;
let lock: bool = false;
/** LOCK is allowed when the destination is in memory. */
let lockable: bool = false;

/** One bit for each opcode byte that is a prefix in some mode: 26 2E 36 3E, 40-4F, 64-67, F0 F2 F3. */
const PREFIXES: usize = memory.data<u32>([0, 0x40404040, 0xffff, 0xf0, 0, 0, 0, 0xd0000]);

// @ts-ignore: decorator
@inline
function isPrefix(op: u32): bool {
  return ((<u32>load<u32>(PREFIXES + ((op >> 5) << 2)) >> (op & 31)) & 1) != 0;
}

/** Reads the prefixes and returns the opcode byte. A REX counts only directly before it; a run of prefixes ends at LENGTH_MAX. */
export function opcodeAfterPrefixes(): u32 {
  const start = p;
  osz = mode == 0 ? 2 : 4;
  asz = mode == 0 ? 2 : mode == 1 ? 4 : 8;
  seg = -1;
  rep = 0;
  rex = 0;
  lock = false;
  lockable = false;
  operandPrefix = false;
  over = false;
  ends = false;
  branchLocal = 0;
  ripRelative = false;
  mod = 3;
  reg = 0;
  rm = 0;
  let op = u8at();
  while (isPrefix(op)) {
    if ((op & 0xf0) == 0x40) {
      if (mode != 2) break;
      rex = op;
    } else {
      rex = 0;
      prefix(op);
    }
    if (p - start > LENGTH_MAX) break;
    op = u8at();
  }
  if (rex & 8) osz = 8;
  return op;
}

function prefix(op: u32): void {
  if (op == 0x66) {
    operandPrefix = true;
    osz = mode == 0 ? 4 : 2;
  } else if (op == 0x67) asz = mode == 1 ? 2 : 4;
  else if (op == 0xf0) lock = true;
  else if (op >= 0xf2) rep = op;
  else if (op >= 0x64) seg = <i32>(op & 7);
  // 64-bit code ignores ES CS SS DS, even behind FS or GS (SDM vol. 2, 2.1.1 and vol. 1, 3.4.4).
  else if (mode != 2) seg = <i32>((op >> 3) & 3);
}

/** True with a prefix that the SDM's "NP" forbids: 66h, F2h or F3h. */
export function prefixed(): bool {
  return operandPrefix || rep != 0;
}
export function allowLock(): void {
  lockable = true;
}
/** A VEX prefix stands for these bits of a REX; operands in general registers have 32 or 64 bits. */
export function setRex(bits: u32): void {
  rex = 0x40 | bits;
  osz = bits & 8 ? 8 : 4;
}
/** LOCK stands where it is #UD. */
export function badLock(): bool {
  return lock && !(lockable && mod != 3);
}
/** CPUID has the extension: `bit` is one of ISA_*, or 1 shifted by a LEVEL_* of sse-table.ts. */
export function has(bit: u64): bool {
  return (load<u64>(VM_ISA) & bit) != 0;
}
/** Stack operations take 64 bits in 64-bit code, 16 with 66h, never 32. */
export function stackSize(): void {
  if (mode == 2 && osz == 4) osz = 8;
}
/** Size of a near branch's target: always 64 bits in 64-bit code. */
export function nearSize(): u32 {
  return mode == 2 ? 8 : osz;
}

// ---- operands ----

/** Index of the operand size: 1, 2, 3 for 2, 4, 8 bytes. */
// @ts-ignore: decorator
@inline
export function sizeIndex(): u32 {
  return <u32>ctz<u32>(osz);
}
/** The same of an opcode whose bit 0 is clear for bytes. */
// @ts-ignore: decorator
@inline
export function widthOf(op: u32): u32 {
  return op & 1 ? sizeIndex() : 0;
}
/** Register operands are byte offsets into the vCPU's registers, so AH is RAX's offset plus 1. */
// @ts-ignore: decorator
@inline
export function gpr(n: u32): u32 {
  return n << 3;
}
export function gpr8(n: u32): u32 {
  return n < 4 || n >= 8 || rex != 0 ? n << 3 : ((n - 4) << 3) + 1;
}
export function regOf(index: u32, n: u32): u32 {
  return index == 0 ? gpr8(n) : gpr(n);
}
/** Register in the low bits of an opcode. */
export function opcodeReg(op: u32): u32 {
  return (op & 7) | ((rex & 1) << 3);
}

/** Fields of the ModRM byte, with their REX bits; without a ModRM byte mod is 3. */
export let mod: u32 = 3;
export let reg: u32 = 0;
export let rm: u32 = 0;
let eaBase: u32 = 0;
let eaIndex: u32 = 0;
/** Byte 7 of the micro-op. */
export let eaFlags: u32 = 0;
let eaDisp: i32 = 0;
/** The index is a vector register: a VSIB byte (SDM vol. 2, 2.3.12). Its number, or VSIB_NONE. */
let vsib: bool = false;
export const VSIB_NONE: u32 = 0xff;
export let vsibIndex: u32 = VSIB_NONE;
/** The displacement counts from the next instruction. */
export let ripRelative: bool = false;

export function modrm(): void {
  const b = u8at();
  mod = b >> 6;
  reg = ((b >> 3) & 7) | ((rex & 4) << 1);
  rm = b & 7;
  if (mod == 3) rm |= (rex & 1) << 3;
  else if (asz == 2) address16();
  else address32();
}

/** A ModRM byte whose SIB byte has a vector register for its index. */
export function modrmVsib(): void {
  vsib = true;
  vsibIndex = VSIB_NONE;
  modrm();
  vsib = false;
}

/** A ModRM byte that names two registers whatever its mod field says. */
export function modrmRegisters(): void {
  const b = u8at();
  reg = ((b >> 3) & 7) | ((rex & 4) << 1);
  rm = (b & 7) | ((rex & 1) << 3);
}

/** BX+SI BX+DI BP+SI BP+DI SI DI BP BX, a nibble each: SDM vol. 2, table 2-1. */
const BASES16: u32 = 0x35765533;
const INDICES16: u32 = 0x7676;

function address16(): void {
  const stack = rm == 2 || rm == 3 || rm == 6;
  eaBase = gpr((BASES16 >> (rm << 2)) & 15);
  eaIndex = rm < 4 ? gpr((INDICES16 >> (rm << 2)) & 15) : ZERO_SLOT;
  eaDisp = 0;
  if (mod == 1) eaDisp = i8at();
  else if (mod == 2) eaDisp = <i32><i16>u16at();
  else if (rm == 6) {
    absolute(<i32>u16at());
    return;
  }
  setEaFlags(0, stack);
}

/** 32- and 64-bit addressing; with SIB (SDM vol. 2, tables 2-2 and 2-3). */
function address32(): void {
  let scale: u32 = 0;
  let base = rm;
  eaIndex = ZERO_SLOT;
  if (base == 4) {
    const sib = u8at();
    base = sib & 7;
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    if (vsib) {
      vsibIndex = index;
      scale = sib >> 6;
    } else if (index != 4) {
      eaIndex = gpr(index);
      scale = sib >> 6;
    }
  }
  let stack = false;
  eaDisp = 0;
  if (base == 5 && mod == 0) {
    eaDisp = i32at();
    ripRelative = mode == 2 && rm == 5;
    eaBase = ripRelative ? RIP_SLOT : ZERO_SLOT;
  } else {
    base |= (rex & 1) << 3;
    stack = base == 4 || base == 5;
    eaBase = gpr(base);
    if (mod == 1) eaDisp = i8at();
    else if (mod == 2) eaDisp = i32at();
  }
  setEaFlags(scale, stack);
}

/** An address without registers. */
export function absolute(disp: i32): void {
  mod = 0;
  eaBase = ZERO_SLOT;
  eaIndex = ZERO_SLOT;
  eaDisp = disp;
  setEaFlags(0, false);
}
/** XLAT's: seg:rBX, to which AL is added later. */
export function addressRbx(): void {
  absolute(0);
  eaBase = gpr(3);
}

export function setEaFlags(scale: u32, stack: bool): void {
  const s: u32 = seg >= 0 ? <u32>seg : stack ? 2 : 3;
  const plain = mode == 2 && s < 4 && asz == 8;
  eaFlags = scale | (plain ? 0 : 4) | (s << 3) | (asz == 8 ? 0 : asz == 4 ? 0x40 : 0x80);
}
/** Segment of a memory operand that may be overridden, DS by default. */
export function segmentOrDs(): u32 {
  return seg >= 0 ? <u32>seg : 3;
}

// ---- the micro-op ----

/** Where it is written. */
export let out: usize = 0;
export function setOut(at: usize): void {
  out = at;
}
/** Nothing of the line comes after it. */
export let ends: bool = false;
/** The micro-op to take when a relative branch stays in its page; 0 = it is none. */
export let branchLocal: u32 = 0;

export function put(op: u32, b4: u32, b5: u32, b6: u32, b7: u32, disp: i32, imm: i32): void {
  store<u16>(out, <u16>op);
  store<u32>(out, b4 | (b5 << 8) | (b6 << 16) | (b7 << 24), 4);
  store<i32>(out, disp, 8);
  store<i32>(out, imm, 12);
}
/** With the memory operand just decoded. */
export function putM(op: u32, r: u32, imm: i32): void {
  // A RIP-relative displacement this large may yet need the index (see decodeOne).
  if (eaIndex == ZERO_SLOT && (eaFlags & 4) == 0 && eaDisp < 0x7fffe000) op = simpleOp(op);
  put(op, r, eaBase, eaIndex, eaFlags, eaDisp, imm);
}
/** With two registers. */
export function putR(op: u32, r: u32, r2: u32, imm: i32): void {
  put(op, r, r2, REGISTER, 0, 0, imm);
}
/** Register or memory, by ModRM. */
export function putRM(op: u32, r: u32, r2: u32, imm: i32): void {
  if (mod == 3) putR(op, r, r2, imm);
  else putM(op, r, imm);
}
/** Bytes 12 to 15 of most operations that are functions. */
// @ts-ignore: decorator
@inline
export function info(kind: u32, size: u32, imm16: u32): i32 {
  return <i32>(kind | (size << 8) | (imm16 << 16));
}
/** A system instruction without an r/m operand. */
export function putSys(kind: u32, imm16: u32): void {
  putR(SYS, reg, gpr(rm), info(kind, osz, imm16));
}
/** A system instruction with one; `r` is ModRM.reg as the operation wants it. */
export function putSysRM(kind: u32, r: u32, imm16: u32): void {
  putRM(SYS, r, gpr(rm), info(kind, osz, imm16));
}
/** A branch relative to the next instruction: two micro-op numbers, by whether the target lies in the same page. */
export function putBranch(local: u32, far: u32, rel: i32): void {
  branchLocal = local;
  put(far, 0, 0, nearSize(), 0, 0, rel);
}
export function endLine(): void {
  ends = true;
}
export function ud(): void {
  ends = true;
  branchLocal = 0;
  ripRelative = false;
  put(UD, 0, 0, 0, 0, 0, 0);
}
/** Longer than LENGTH_MAX: it counts as that long. */
export function tooLong(pageOffset: u32): void {
  ud();
  over = false;
  store<u32>(out, GP | (((pageOffset & 0xfff) | (<u32>LENGTH_MAX << 12)) << 16));
}
