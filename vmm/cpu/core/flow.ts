/**
 * Where the interpreter goes next: addresses of operands, targets of branches, and how much may still run.
 *
 * `left` is the number of instructions that may be retired before the next stop (deadline or slice end, STOP_AT); the interpreter never
 * enters a line with MARGIN or fewer left, so no line can run past the stop: the outer loop runs the last ones singly.
 */
import { isCanonical } from './canonical';
import { EXC_STEP, failed, raiseError, VEC_GP } from './fault';
import { FLAG_A, FLAG_B, FLAG_OP, FLAG_RES } from './state.gen';
import { FLAGS_ADC, FLAGS_LOGIC, FLAGS_SUB, getCF, getOF, getSF } from './flags';
import { epoch, lineAt, pageInsideLimit, rememberJump } from './lines';
import { A_STACK, DEVICE_CODE, fetchPage, hostModify, hostRead, hostWrite, segAddr } from './mmu';
import {
  AREA_JUMPS, CLOCK_OFFSET, CODE_BASE, DEADLINE, EXC, ICOUNT, JUMP_GEN, MODE, NEXT_RIP, PROBE_DEADLINE, RIP, RIP_BASE, SEG_BASE, SEG_LIMIT,
  SLICE_END, STEPPING, STOP_AT,
} from './state.gen';

export const MARGIN: i32 = 33;

/** The instruction's address is RIP_BASE plus this; byte 2 of a micro-op: page offset in 12 bits, length in 4. */
// @ts-ignore: decorator
@inline
export function nextOffset(pc: usize): u64 {
  const o = <u32>load<u16>(pc, 2);
  return <u64>((o & 0xfff) + (o >> 12));
}

/** Makes RIP, NEXT_RIP and ICOUNT exact for the instruction at `pc`, with `left` still to run. */
export function here(cpu: usize, pc: usize, left: i32): void {
  const base = load<u64>(cpu, RIP_BASE);
  store<u64>(cpu, base + <u64>(<u32>load<u16>(pc, 2) & 0xfff), RIP);
  let next = base + nextOffset(pc);
  if (load<u32>(cpu, MODE) != 2) next &= 0xffffffff;
  store<u64>(cpu, next, NEXT_RIP);
  store<u64>(cpu, load<u64>(cpu, STOP_AT) - <u64><i64>left, ICOUNT);
}

/** Leaves the fast loop at `rip`. */
export function leave(cpu: usize, rip: u64, left: i32): void {
  store<u64>(cpu, load<u32>(cpu, MODE) == 2 ? rip : rip & 0xffffffff, RIP);
  store<u64>(cpu, load<u64>(cpu, STOP_AT) - <u64><i64>left, ICOUNT);
}

/** Instructions until the next stop, after DEADLINE, PROBE_DEADLINE, CLOCK_OFFSET or ICOUNT changed. */
export function refresh(cpu: usize): i32 {
  const icount = load<u64>(cpu, ICOUNT);
  const now = icount + load<u64>(cpu, CLOCK_OFFSET);
  let deadline = load<u64>(cpu, DEADLINE);
  // 0 is never: less one, it is the greatest.
  const profile = load<u64>(cpu, PROBE_DEADLINE);
  if (profile - 1 < deadline) deadline = profile;
  const slice = load<u64>(cpu, SLICE_END);
  let left: u64 = deadline > now ? deadline - now : 0;
  const sliceLeft: u64 = slice > icount ? slice - icount : 0;
  if (sliceLeft < left) left = sliceLeft;
  if (left > 0x3fffffff) left = 0x3fffffff;
  store<u64>(cpu, icount + left, STOP_AT);
  return <i32>left;
}

/**
 * The page to fetch from at `linear`, as `fetchPage`; 0 also when it was met for the first time: that is an exit, so time has moved,
 * and the outer loop is to look at the deadline before anything else runs.
 */
export function fetchInTime(cpu: usize, linear: u64): usize {
  const time = load<u64>(cpu, CLOCK_OFFSET);
  const page = fetchPage(cpu, linear);
  return load<u64>(cpu, CLOCK_OFFSET) == time ? page : 0;
}

/** The line of a branch's target in the same page, linked into the micro-op; 0 after leaving. */
export function link(cpu: usize, pc: usize, left: i32): usize {
  const rip = load<u64>(cpu, RIP_BASE) + <u64><i64>load<i32>(pc, 12);
  leave(cpu, rip, left);
  if (left <= MARGIN || load<u32>(cpu, STEPPING) != 0) return 0;
  let linear = rip + load<u64>(cpu, CODE_BASE);
  if (load<u32>(cpu, MODE) != 2) linear &= 0xffffffff;
  const page = fetchInTime(cpu, linear);
  if (page <= DEVICE_CODE) return 0;
  const before = epoch;
  const line = lineAt(cpu, page + (<usize>linear & 0xfff));
  // When all lines were dropped to make room, the branch's own memory is somebody else's by now.
  if (epoch == before) store<u32>(pc, <u32>line, 8);
  return line;
}

/** The micro-op at `rip`; 0 after leaving. */
// @ts-ignore: decorator
@inline
export function jump(cpu: usize, rip: u64, left: i32): usize {
  const at = cpu + (<usize>((<u32>rip ^ (<u32>rip >> 12)) & 4095) << 4);
  if (load<u64>(at, AREA_JUMPS) == rip) {
    if (load<u32>(at, AREA_JUMPS + 8) == load<u32>(cpu, JUMP_GEN)) {
      if (left > MARGIN) {
        store<u64>(cpu, rip - <u64>(<u32>(rip + load<u64>(cpu, CODE_BASE)) & 0xfff), RIP_BASE);
        return load<u32>(at, AREA_JUMPS + 12);
      }
    }
  }
  return jumpSlow(cpu, rip, left);
}

function jumpSlow(cpu: usize, rip: u64, left: i32): usize {
  leave(cpu, rip, left);
  if (left <= MARGIN || load<u32>(cpu, STEPPING) != 0) return 0;
  return enter(cpu, rip);
}

/** Finds or decodes the code at `rip`. 0: the outer loop is to go on; EXC may say why (a fault, or "run this instruction alone"). */
export function enter(cpu: usize, rip: u64): usize {
  let linear = rip + load<u64>(cpu, CODE_BASE);
  if (load<u32>(cpu, MODE) != 2) linear &= 0xffffffff;
  // A violation of the limit comes before any fault of the page.
  if (!pageInsideLimit(cpu, rip)) {
    store<u32>(cpu, EXC_STEP, EXC);
    return 0;
  }
  const host = fetchInTime(cpu, linear);
  if (host == 0) return 0;
  if (host == DEVICE_CODE) {
    store<u32>(cpu, EXC_STEP, EXC);
    return 0;
  }
  const offset = <u32>linear & 0xfff;
  const uop = lineAt(cpu, host + offset);
  store<u64>(cpu, rip - <u64>offset, RIP_BASE);
  rememberJump(cpu, rip, uop);
  return uop;
}

/** A near branch to an address of more than 48 bits: true after raising #GP(0), at the branch, unless 5-level paging is in use and has it. */
export function nonCanonical(cpu: usize, target: u64): bool {
  if (isCanonical(cpu, target)) return false;
  raiseError(cpu, VEC_GP, 0);
  return true;
}

/** Target of a near branch in 16- or 32-bit code: truncated to the operand size, checked against the CS limit. */
export function legacyTarget(cpu: usize, rip: u64, osz: u32): u64 {
  const target = rip & (osz == 2 ? 0xffff : 0xffffffff);
  if (target > <u64>load<u32>(cpu + 32, SEG_LIMIT)) raiseError(cpu, VEC_GP, 0);
  return target;
}

/**
 * Completes an effective address that is not plain: byte 7 of a micro-op has bit 2 set. Bits 5:3 segment, 7:6 address size
 * (0 = 64, 1 = 32, 2 = 16 bits).
 */
export function eaFix(cpu: usize, sum: u64, f: u32, size: u32, write: u32): u64 {
  const ea = f & 0x80 ? sum & 0xffff : f & 0x40 ? sum & 0xffffffff : sum;
  const seg = (f >> 3) & 7;
  if (load<u32>(cpu, MODE) == 2) return seg >= 4 ? ea + load<u64>(cpu + (<usize>seg << 5), SEG_BASE) : ea;
  const linear = segAddr(cpu, seg, ea, size, write);
  return failed(cpu) ? 0x8000000000000000 : linear;
}

// @ts-ignore: decorator
@inline
function kindOf(f: u32): u32 {
  return (f & 0x38) == 0x10 ? A_STACK : 0;
}
// @ts-ignore: decorator
@inline
export function readAt(cpu: usize, linear: u64, size: u32, f: u32): usize {
  return hostRead(cpu, linear, size, kindOf(f));
}
// @ts-ignore: decorator
@inline
export function writeAt(cpu: usize, linear: u64, size: u32, f: u32): usize {
  return hostWrite(cpu, linear, size, kindOf(f));
}
// @ts-ignore: decorator
@inline
export function modifyAt(cpu: usize, linear: u64, size: u32, f: u32): usize {
  return hostModify(cpu, linear, size, kindOf(f));
}

/** CF as a condition. */
// @ts-ignore: decorator
@inline
export function below(cpu: usize): bool {
  return load<u32>(cpu, FLAG_OP) == FLAGS_SUB ? load<u64>(cpu, FLAG_A) < load<u64>(cpu, FLAG_B) : getCF(cpu) != 0;
}

/** SF != OF. */
// @ts-ignore: decorator
@inline
export function less(cpu: usize): bool {
  const op = load<u32>(cpu, FLAG_OP);
  if (op == FLAGS_SUB) return load<i64>(cpu, FLAG_A) < load<i64>(cpu, FLAG_B);
  if (op == FLAGS_LOGIC) return load<i64>(cpu, FLAG_RES) < 0;
  return getSF(cpu) != getOF(cpu);
}
