/**
 * The stack frames of control transfers: where far calls, gates, interrupts and returns push and pop.
 *
 * Models SDM vol. 3 sections 6.8 (stack switching), 7.7 (64-bit TSS) and 6.14 (64-bit frames), vol. 1 section 6.2 (stack address size).
 * A transfer may push on a stack that is not the current one yet and may fault half way, so the stack it works on is described here by a
 * cursor (base, limit, rights, pointer) that is committed to SS and RSP only when nothing can fail any more. The cursor lives for one
 * instruction or one delivery; it is not state of the guest. Room for a frame is checked before the target of the transfer and before the
 * first push, as the pseudocode of INT n and CALL has it (vol. 2).
 */
import { isCanonical } from './canonical';
import { VEC_SS, VEC_TS, SEG_SS, SEG_TR, failed, raiseError } from './fault';
import { A_STACK, A_SUPER, readMem, writeMem } from './mmu';
import { descAr, descBase, descDpl, descLimit, descPresent, descriptor, isWritableData, setAccessed } from './segment';
import { MODE, REGS, SEG_AR, SEG_BASE, SEG_LIMIT, SEG_SEL, LONG, STACK_MASK } from './state.gen';

const RSP: usize = REGS + 32;

let flat: bool = false;
let base: u64 = 0;
let limit: u32 = 0;
let rights: u32 = 0;
let mask: u64 = 0;
let pointer: u64 = 0;
let access: u32 = 0;
let fault: u32 = 0;

let innerSelector: u32 = 0;
let innerPointer: u64 = 0;

/** Points the cursor at the current stack. */
export function onCurrentStack(cpu: usize): void {
  const ss = cpu + (<usize>SEG_SS << 5);
  flat = load<u32>(cpu, MODE) == 2;
  base = load<u64>(ss, SEG_BASE);
  limit = load<u32>(ss, SEG_LIMIT);
  rights = load<u32>(ss, SEG_AR);
  mask = load<u64>(cpu, STACK_MASK);
  pointer = load<u64>(cpu, RSP);
  access = A_STACK;
  fault = 0;
}

/** Points the cursor at another stack by its descriptor; limit violations raise #SS(selector). Pushes are supervisor accesses below CPL 3. */
export function onStack(selector: u32, d: u64, sp: u64, cpl: u32): void {
  flat = false;
  base = descBase(d);
  limit = descLimit(d);
  rights = descAr(d);
  mask = rights & 0x4000 ? 0xffffffff : 0xffff;
  pointer = sp;
  access = cpl < 3 ? A_SUPER | A_STACK : A_STACK;
  fault = selector & 0xfffc;
}

/** Points the cursor at a 64-bit stack. */
export function onFlatStack(sp: u64, inner: bool): void {
  flat = true;
  mask = ~0;
  pointer = sp;
  access = inner ? A_SUPER | A_STACK : A_STACK;
  fault = 0;
}

/** The cursor's stack pointer: the RSP to commit. */
export function framePointer(): u64 {
  return pointer;
}

/** Moves a stack pointer by `delta` within the bits that `width` lets implicit accesses change. */
export function movePointer(sp: u64, delta: u64, width: u64): u64 {
  return width == 0xffff ? (sp & ~width) | ((sp + delta) & width) : (sp + delta) & width;
}

// @ts-ignore: decorator
@inline
function inLimit(offset: u64, size: u32): bool {
  const last = offset + <u64>size - 1;
  // Expand-down data: the valid offsets lie above the limit (SDM vol. 3 section 5.3).
  if ((rights & 0x1c) == 0x14) return offset > <u64>limit && last <= <u64>(rights & 0x4000 ? 0xffffffff : 0xffff);
  return last <= <u64>limit;
}

/** Linear address of `offset` on the cursor's stack; raises #SS. */
function stackLinear(cpu: usize, offset: u64, size: u32): u64 {
  if (flat) {
    if (!isCanonical(cpu, offset) || !isCanonical(cpu, offset + <u64>size - 1)) raiseError(cpu, VEC_SS, fault);
    return offset;
  }
  if (!inLimit(offset, size)) raiseError(cpu, VEC_SS, fault);
  return (base + offset) & 0xffffffff;
}

/** Pushes `size` bytes; on failure nothing but memory below the stack has changed. */
export function push(cpu: usize, value: u64, size: u32): void {
  const next = movePointer(pointer, -(<u64>size), mask);
  const linear = stackLinear(cpu, next & mask, size);
  if (failed(cpu)) return;
  writeMem(cpu, linear, size, value, access);
  pointer = next;
}

/** Is there room for `count` pushes of `size` bytes? Raises #SS. */
export function room(cpu: usize, count: u32, size: u32): bool {
  let next = pointer;
  for (let i: u32 = 0; i < count; i++) {
    next = movePointer(next, -(<u64>size), mask);
    stackLinear(cpu, next & mask, size);
    if (failed(cpu)) return false;
  }
  return true;
}

/** Pops `size` bytes. */
export function pop(cpu: usize, size: u32): u64 {
  const linear = stackLinear(cpu, pointer & mask, size);
  if (failed(cpu)) return 0;
  const value = readMem(cpu, linear, size, access);
  pointer = movePointer(pointer, <u64>size, mask);
  return value;
}

/** Reads `size` bytes at `distance` above the cursor. */
export function peek(cpu: usize, distance: u64, size: u32): u64 {
  const linear = stackLinear(cpu, (pointer + distance) & mask, size);
  if (failed(cpu)) return 0;
  return readMem(cpu, linear, size, access);
}

/** Skips `bytes` above the cursor (RET n). */
export function release(bytes: u32): void {
  pointer = movePointer(pointer, <u64>bytes, mask);
}

/** SS as the task-state segment gave it (`readInnerStack`). */
export function innerSS(): u32 {
  return innerSelector;
}

/** RSP as the task-state segment gave it (`readInnerStack`). */
export function innerSP(): u64 {
  return innerPointer;
}

/**
 * Reads the stack of privilege level `cpl`, or interrupt stack `ist` when not 0, from the TSS (SDM vol. 3 sections 6.8 and 6.14.4).
 * Raises #TS(TR) when it lies outside the TSS.
 */
export function readInnerStack(cpu: usize, cpl: u32, ist: u32): void {
  const tr = cpu + (<usize>SEG_TR << 5);
  const tss = load<u64>(tr, SEG_BASE);
  const long = load<u32>(cpu, LONG) != 0;
  const wide = (load<u32>(tr, SEG_AR) & 8) != 0;
  let at: u32;
  let last: u32;
  if (long) {
    at = ist ? 28 + (ist << 3) : 4 + (cpl << 3);
    last = at + 7;
  } else if (wide) {
    at = 4 + (cpl << 3);
    last = at + 5;
  } else {
    at = 2 + (cpl << 2);
    last = at + 3;
  }
  if (last > load<u32>(tr, SEG_LIMIT)) {
    raiseError(cpu, VEC_TS, <u32>load<u16>(tr, SEG_SEL) & 0xfffc);
    return;
  }
  if (long) {
    innerPointer = readMem(cpu, tss + <u64>at, 8, A_SUPER);
    innerSelector = cpl;
    return;
  }
  const size: u32 = wide ? 4 : 2;
  innerPointer = readMem(cpu, (tss + <u64>at) & 0xffffffff, size, A_SUPER);
  if (failed(cpu)) return;
  innerSelector = <u32>readMem(cpu, (tss + <u64>(at + size)) & 0xffffffff, 2, A_SUPER);
}

/** Checks the inner stack segment for privilege level `cpl` and returns its descriptor, marked accessed; raises #TS or #SS. */
export function innerStackDescriptor(cpu: usize, selector: u32, cpl: u32): u64 {
  const error = selector & 0xfffc;
  if (error == 0) {
    raiseError(cpu, VEC_TS, 0);
    return 0;
  }
  const d = descriptor(cpu, selector, VEC_TS);
  if (failed(cpu)) return 0;
  if ((selector & 3) != cpl || descDpl(d) != cpl || !isWritableData(d)) {
    raiseError(cpu, VEC_TS, error);
    return 0;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_SS, error);
    return 0;
  }
  return setAccessed(cpu, selector, d);
}
