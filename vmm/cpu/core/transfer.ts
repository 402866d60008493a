/**
 * Far control transfers: JMP, CALL and RET to other segments, call gates, IRET.
 *
 * Models SDM vol. 2 (CALL, JMP, RET, IRET/IRETD/IRETQ), vol. 3 sections 5.8 (privilege levels and gates), 6.8.3
 * (inter-privilege stacks in 64-bit mode), 21.2-21.3 (virtual-8086 mode) and 21.4 (VME). All checks come before the first change to the state;
 * what a failed transfer has pushed lies below the stack pointer. Where a target outside its segment and a stack fault coincide,
 * the target is checked first. Left out: CET (shadow stacks, indirect branch tracking).
 */
import { isCanonical } from './canonical';
import {
  EXC_LEAVE, EXC_STEP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS, SEG_TR, VEC_GP, VEC_NP, VEC_SS, VEC_TS, failed, raiseError,
} from './fault';
import { AC, ARITH, DF, ID, IF, IOPL, NT, RF, TF, VIF, VIP, VM, readFlags, writeFlags } from './flags';
import {
  framePointer, innerSP, innerSS, innerStackDescriptor, movePointer, onCurrentStack, onFlatStack, onStack, peek, pop, push,
  readInnerStack, release, room,
} from './frame';
import { A_SUPER, modeChanged, readMem } from './mmu';
import {
  TYPE_CALL16, TYPE_CALL32, TYPE_TASK, TYPE_TSS16, TYPE_TSS32, descDpl, descIsLong, descIsSystem, descLimit, descPresent, descType, descriptor,
  descriptorHigh, dropInnerSegments, isCode, isConforming, isWritableData, setAccessed, setCode, setNullSegment, setSegReal, setSegVm86, setSegment,
  wrap,
} from './segment';
import { CPL, CR4, EXC, LONG, MODE, NEXT_RIP, NMI_BLOCKED, PROT, REGS, RFLAGS, RIP, SEG_BASE, SEG_LIMIT, SEG_SEL } from './state.gen';
import { TASK_CALL, TASK_IRET, TASK_JMP, checkTss, taskSwitch } from './task';

const RSP: usize = REGS + 32;
const CR4_VME: u64 = 1;

/** An instruction pointer of the given operand size. */
// @ts-ignore: decorator
@inline
function trim(offset: u64, osz: u32): u64 {
  return osz == 2 ? offset & 0xffff : osz == 4 ? offset & 0xffffffff : offset;
}

// @ts-ignore: decorator
@inline
function selectorOf(cpu: usize, seg: u32): u32 {
  return <u32>load<u16>(cpu + (<usize>seg << 5), SEG_SEL);
}

// @ts-ignore: decorator
@inline
function gateSelector(gate: u64): u32 {
  return <u32>(gate >> 16) & 0xffff;
}

// @ts-ignore: decorator
@inline
function targetsLong(cpu: usize, d: u64): bool {
  return load<u32>(cpu, LONG) != 0 && descIsLong(d);
}

/** Raises #GP(0) unless `rip` is canonical (64-bit code) or within the segment's limit. */
export function checkTarget(cpu: usize, d: u64, rip: u64): bool {
  const ok = targetsLong(cpu, d) ? isCanonical(cpu, rip) : rip <= <u64>descLimit(d);
  if (!ok) raiseError(cpu, VEC_GP, 0);
  return ok;
}

/** The target check of real-address and virtual-8086 mode: the limit in CS stays what it is. */
function checkRealTarget(cpu: usize, rip: u64): bool {
  if (rip <= <u64>load<u32>(cpu + (<usize>SEG_CS << 5), SEG_LIMIT)) return true;
  raiseError(cpu, VEC_GP, 0);
  return false;
}

/** Checks a code segment that JMP or CALL names directly. */
function checkDirect(cpu: usize, selector: u32, d: u64): bool {
  const error = selector & 0xfffc;
  const cpl = load<u32>(cpu, CPL);
  const dpl = descDpl(d);
  const allowed = isConforming(d) ? dpl <= cpl : (selector & 3) <= cpl && dpl == cpl;
  if (!allowed || (load<u32>(cpu, LONG) && ((d >> 53) & 3) == 3)) {
    raiseError(cpu, VEC_GP, error);
    return false;
  }
  if (descPresent(d)) return true;
  raiseError(cpu, VEC_NP, error);
  return false;
}

/** Far JMP. */
export function farJump(cpu: usize, selector: u32, offset: u64, osz: u32): void {
  const rip = trim(offset, osz);
  if (load<u32>(cpu, PROT) != 1) {
    if (!checkRealTarget(cpu, rip)) return;
    setSegReal(cpu, SEG_CS, selector);
    store<u64>(cpu, rip, RIP);
    modeChanged(cpu);
    return;
  }
  let d = fetchTarget(cpu, selector);
  if (failed(cpu)) return;
  if (!isCode(d)) {
    throughSystem(cpu, selector, d, false);
    return;
  }
  if (!checkDirect(cpu, selector, d) || !checkTarget(cpu, d, rip)) return;
  d = setAccessed(cpu, selector, d);
  if (failed(cpu)) return;
  setCode(cpu, selector, d, load<u32>(cpu, CPL));
  store<u64>(cpu, rip, RIP);
  modeChanged(cpu);
}

/** Far CALL. */
export function farCall(cpu: usize, selector: u32, offset: u64, osz: u32): void {
  const rip = trim(offset, osz);
  const real = load<u32>(cpu, PROT) != 1;
  let d: u64 = 0;
  onCurrentStack(cpu);
  if (real) {
    if (!room(cpu, 2, osz) || !checkRealTarget(cpu, rip)) return;
  } else {
    d = fetchTarget(cpu, selector);
    if (failed(cpu)) return;
    if (!isCode(d)) {
      throughSystem(cpu, selector, d, true);
      return;
    }
    if (!checkDirect(cpu, selector, d) || !room(cpu, 2, osz) || !checkTarget(cpu, d, rip)) return;
  }
  push(cpu, <u64>selectorOf(cpu, SEG_CS), osz);
  if (failed(cpu)) return;
  push(cpu, load<u64>(cpu, NEXT_RIP), osz);
  if (failed(cpu)) return;
  if (real) {
    setSegReal(cpu, SEG_CS, selector);
  } else {
    d = setAccessed(cpu, selector, d);
    if (failed(cpu)) return;
    setCode(cpu, selector, d, load<u32>(cpu, CPL));
  }
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, rip, RIP);
  modeChanged(cpu);
}

/** Descriptor of a far pointer's selector: #GP(0) when null, #GP(selector) when outside its table. */
function fetchTarget(cpu: usize, selector: u32): u64 {
  if ((selector & 0xfffc) == 0) {
    raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  return descriptor(cpu, selector, VEC_GP);
}

/** JMP or CALL to something that is not code: a call gate, a task gate or a TSS. */
function throughSystem(cpu: usize, selector: u32, d: u64, call: bool): void {
  const error = selector & 0xfffc;
  const long = load<u32>(cpu, LONG) != 0;
  const type = descType(d);
  const gate = type == TYPE_CALL32 || (!long && type == TYPE_CALL16);
  const task = !long && (type == TYPE_TASK || type == TYPE_TSS16 || type == TYPE_TSS32);
  const dpl = descDpl(d);
  if (!descIsSystem(d) || !(gate || task) || dpl < load<u32>(cpu, CPL) || dpl < (selector & 3)) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (gate) {
    throughCallGate(cpu, selector, d, call);
    return;
  }
  let tss = selector;
  if (type == TYPE_TASK) {
    if (!descPresent(d)) {
      raiseError(cpu, VEC_NP, error);
      return;
    }
    tss = gateSelector(d);
  }
  if (!checkTss(cpu, tss, false, VEC_GP)) return;
  taskSwitch(cpu, tss, call ? TASK_CALL : TASK_JMP, load<u64>(cpu, NEXT_RIP), readFlags(cpu), false, 0);
}

/** JMP or CALL through a call gate whose privilege has been checked (SDM vol. 3 sections 5.8.3 and 5.8.4). */
function throughCallGate(cpu: usize, selector: u32, gate: u64, call: bool): void {
  const long = load<u32>(cpu, LONG) != 0;
  let rip = (gate & 0xffff) | ((gate >> 32) & 0xffff0000);
  if (long) {
    const high = descriptorHigh(cpu, selector);
    if (failed(cpu)) return;
    rip |= high << 32;
  }
  if (!descPresent(gate)) {
    raiseError(cpu, VEC_NP, selector & 0xfffc);
    return;
  }
  const osz: u32 = long ? 8 : descType(gate) == TYPE_CALL16 ? 2 : 4;
  rip = trim(rip, osz);
  const cs = gateSelector(gate);
  let d = fetchTarget(cpu, cs);
  if (failed(cpu)) return;
  const cpl = load<u32>(cpu, CPL);
  const dpl = descDpl(d);
  const inward = !isConforming(d) && dpl < cpl;
  if (!isCode(d) || dpl > cpl || (inward && !call) || (long && ((d >> 53) & 3) != 1)) {
    raiseError(cpu, VEC_GP, cs & 0xfffc);
    return;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_NP, cs & 0xfffc);
    return;
  }
  if (inward) {
    callInward(cpu, cs, d, rip, osz, <u32>(gate >> 32) & 31);
    return;
  }
  onCurrentStack(cpu);
  if ((call && !room(cpu, 2, osz)) || !checkTarget(cpu, d, rip)) return;
  if (call) {
    push(cpu, <u64>selectorOf(cpu, SEG_CS), osz);
    if (failed(cpu)) return;
    push(cpu, load<u64>(cpu, NEXT_RIP), osz);
    if (failed(cpu)) return;
  }
  d = setAccessed(cpu, cs, d);
  if (failed(cpu)) return;
  if (call) store<u64>(cpu, framePointer(), RSP);
  setCode(cpu, cs, d, cpl);
  store<u64>(cpu, rip, RIP);
  modeChanged(cpu);
}

/** CALL through a gate to a more privileged level: a new stack from the TSS, `count` parameters copied to it. */
function callInward(cpu: usize, cs: u32, code: u64, rip: u64, osz: u32, count: u32): void {
  const cpl = descDpl(code);
  readInnerStack(cpu, cpl, 0);
  if (failed(cpu)) return;
  const ss = innerSS();
  let stack: u64 = 0;
  if (osz == 8) {
    onFlatStack(innerSP(), true);
  } else {
    stack = innerStackDescriptor(cpu, ss, cpl);
    if (failed(cpu)) return;
    onStack(ss, stack, innerSP(), cpl);
  }
  if (!room(cpu, 4 + (osz == 8 ? 0 : count), osz) || !checkTarget(cpu, code, rip)) return;
  push(cpu, <u64>selectorOf(cpu, SEG_SS), osz);
  if (failed(cpu)) return;
  push(cpu, load<u64>(cpu, RSP), osz);
  if (failed(cpu)) return;
  if (osz != 8) {
    for (let i = count; i > 0; i--) {
      const sp = framePointer();
      onCurrentStack(cpu);
      const parameter = peek(cpu, <u64>((i - 1) * osz), osz);
      if (failed(cpu)) return;
      onStack(ss, stack, sp, cpl);
      push(cpu, parameter, osz);
      if (failed(cpu)) return;
    }
  }
  push(cpu, <u64>selectorOf(cpu, SEG_CS), osz);
  if (failed(cpu)) return;
  push(cpu, load<u64>(cpu, NEXT_RIP), osz);
  if (failed(cpu)) return;
  code = setAccessed(cpu, cs, code);
  if (failed(cpu)) return;
  if (osz == 8) setNullSegment(cpu, SEG_SS, cpl, cpl);
  else setSegment(cpu, SEG_SS, ss, stack);
  setCode(cpu, cs, code, cpl);
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, rip, RIP);
  modeChanged(cpu);
}

/** Checks the code segment that RET or IRET pops and returns its descriptor. */
function returnCode(cpu: usize, selector: u32): u64 {
  const d = fetchTarget(cpu, selector);
  if (failed(cpu)) return 0;
  const rpl = selector & 3;
  const dpl = descDpl(d);
  const level = isConforming(d) ? dpl <= rpl : dpl == rpl;
  if (!isCode(d) || rpl < load<u32>(cpu, CPL) || !level || (load<u32>(cpu, LONG) && ((d >> 53) & 3) == 3)) {
    raiseError(cpu, VEC_GP, selector & 0xfffc);
    return 0;
  }
  if (!descPresent(d)) raiseError(cpu, VEC_NP, selector & 0xfffc);
  return d;
}

/** Checks the stack segment popped with `code`, marks it accessed; returns its descriptor, 0 for a null selector that is allowed. */
function returnStack(cpu: usize, selector: u32, rpl: u32, code: u64): u64 {
  const error = selector & 0xfffc;
  if (error == 0) {
    // Null is for 64-bit code below CPL 3 only.
    if (!targetsLong(cpu, code) || rpl == 3 || (selector & 3) != rpl) raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  const d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return 0;
  if ((selector & 3) != rpl || descDpl(d) != rpl || !isWritableData(d)) {
    raiseError(cpu, VEC_GP, error);
    return 0;
  }
  if (!descPresent(d)) {
    raiseError(cpu, VEC_SS, error);
    return 0;
  }
  return setAccessed(cpu, selector, d);
}

/** Loads SS:RSP as popped; a 16-bit stack keeps the upper bits of ESP. */
function setOuterStack(cpu: usize, selector: u32, d: u64, sp: u64, extra: u32, rpl: u32, code: u64): void {
  let width: u64 = 0xffff;
  if (targetsLong(cpu, code)) width = ~0;
  else if ((d >> 54) & 1) width = 0xffffffff;
  if (width == 0xffff) sp = (load<u64>(cpu, RSP) & 0xffff0000) | (sp & 0xffff);
  store<u64>(cpu, movePointer(sp, <u64>extra, width), RSP);
  if (selector & 0xfffc) setSegment(cpu, SEG_SS, selector, d);
  else setNullSegment(cpu, SEG_SS, selector, rpl);
}

/** Far RET; `popBytes` more are released (from both stacks when the level changes). */
export function farReturn(cpu: usize, osz: u32, popBytes: u32): void {
  onCurrentStack(cpu);
  const rip = pop(cpu, osz);
  if (failed(cpu)) return;
  const cs = <u32>pop(cpu, osz) & 0xffff;
  if (failed(cpu)) return;
  if (load<u32>(cpu, PROT) != 1) {
    if (!checkRealTarget(cpu, rip)) return;
    release(popBytes);
    setSegReal(cpu, SEG_CS, cs);
    store<u64>(cpu, framePointer(), RSP);
    store<u64>(cpu, rip, RIP);
    modeChanged(cpu);
    return;
  }
  let code = returnCode(cpu, cs);
  if (failed(cpu)) return;
  const rpl = cs & 3;
  const outward = rpl > load<u32>(cpu, CPL);
  release(popBytes);
  let sp: u64 = 0;
  let ss: u32 = 0;
  let stack: u64 = 0;
  if (outward) {
    sp = pop(cpu, osz);
    if (failed(cpu)) return;
    ss = <u32>pop(cpu, osz) & 0xffff;
    if (failed(cpu)) return;
    stack = returnStack(cpu, ss, rpl, code);
    if (failed(cpu)) return;
  }
  if (!checkTarget(cpu, code, rip)) return;
  code = setAccessed(cpu, cs, code);
  if (failed(cpu)) return;
  if (outward) {
    setOuterStack(cpu, ss, stack, sp, popBytes, rpl, code);
    dropInnerSegments(cpu, rpl);
  } else {
    store<u64>(cpu, framePointer(), RSP);
  }
  setCode(cpu, cs, code, rpl);
  store<u64>(cpu, rip, RIP);
  modeChanged(cpu);
}

/** IRET, IRETD, IRETQ. NMIs are let in again even when it faults (SDM vol. 3 section 6.7.1). */
export function iret(cpu: usize, osz: u32): void {
  const prot = load<u32>(cpu, PROT);
  if (prot == 1) iretProtected(cpu, osz);
  else if (prot == 2) iretVm86(cpu, osz);
  else iretReal(cpu, osz, osz == 2 ? 0x7fd7 : 0x257fd7);
  if ((load<u32>(cpu, EXC) & (EXC_STEP | EXC_LEAVE)) == 0) store<u32>(cpu, 0, NMI_BLOCKED);
}

/** Pops IP, CS and flags of real-address or virtual-8086 mode; `change` are the flags that may change. */
function iretReal(cpu: usize, osz: u32, change: u32): void {
  onCurrentStack(cpu);
  const rip = pop(cpu, osz);
  if (failed(cpu)) return;
  const cs = <u32>pop(cpu, osz) & 0xffff;
  if (failed(cpu)) return;
  const flags = <u32>pop(cpu, osz);
  if (failed(cpu) || !checkRealTarget(cpu, rip)) return;
  setSegReal(cpu, SEG_CS, cs);
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, rip, RIP);
  writeFlags(cpu, (readFlags(cpu) & ~change) | (flags & change));
  modeChanged(cpu);
}

function iretVm86(cpu: usize, osz: u32): void {
  if ((load<u32>(cpu, RFLAGS) & IOPL) == IOPL) {
    iretReal(cpu, osz, (osz == 2 ? 0x7fd7 : 0x257fd7) & ~IOPL);
    return;
  }
  if (osz != 2 || !(load<u64>(cpu, CR4) & CR4_VME)) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  // VME: the virtual interrupt flag stands in for IF (SDM vol. 3 section 21.4.3).
  onCurrentStack(cpu);
  const rip = pop(cpu, 2);
  if (failed(cpu)) return;
  const cs = <u32>pop(cpu, 2);
  if (failed(cpu)) return;
  const popped = <u32>pop(cpu, 2);
  if (failed(cpu)) return;
  const flags = readFlags(cpu);
  if ((popped & TF) || ((popped & IF) && (flags & VIP))) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  if (!checkRealTarget(cpu, rip)) return;
  const change = ARITH | TF | DF | NT;
  setSegReal(cpu, SEG_CS, cs);
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, rip, RIP);
  writeFlags(cpu, (flags & ~(change | VIF)) | (popped & change) | (popped & IF ? VIF : 0));
  modeChanged(cpu);
}

function iretProtected(cpu: usize, osz: u32): void {
  const flags = readFlags(cpu);
  const cpl = load<u32>(cpu, CPL);
  if (flags & NT) {
    if (load<u32>(cpu, LONG)) raiseError(cpu, VEC_GP, 0);
    else iretTask(cpu, flags);
    return;
  }
  onCurrentStack(cpu);
  const rip = pop(cpu, osz);
  if (failed(cpu)) return;
  const cs = <u32>pop(cpu, osz) & 0xffff;
  if (failed(cpu)) return;
  const popped = <u32>pop(cpu, osz);
  if (failed(cpu)) return;
  if ((popped & VM) && osz == 4 && cpl == 0 && !load<u32>(cpu, LONG)) {
    iretToVm86(cpu, rip, cs, popped);
    return;
  }
  let code = returnCode(cpu, cs);
  if (failed(cpu)) return;
  const rpl = cs & 3;
  // 64-bit code pops SS:RSP always.
  const stacked = rpl > cpl || load<u32>(cpu, MODE) == 2;
  let sp: u64 = 0;
  let ss: u32 = 0;
  let stack: u64 = 0;
  if (stacked) {
    sp = pop(cpu, osz);
    if (failed(cpu)) return;
    ss = <u32>pop(cpu, osz) & 0xffff;
    if (failed(cpu)) return;
    stack = returnStack(cpu, ss, rpl, code);
    if (failed(cpu)) return;
  }
  if (!checkTarget(cpu, code, rip)) return;
  code = setAccessed(cpu, cs, code);
  if (failed(cpu)) return;
  let change = ARITH | TF | DF | NT;
  if (osz != 2) change |= RF | AC | ID;
  if (cpl <= (flags & IOPL) >> 12) change |= IF;
  if (cpl == 0) change |= osz == 2 ? IOPL : IOPL | VIF | VIP;
  if (stacked) setOuterStack(cpu, ss, stack, sp, 0, rpl, code);
  else store<u64>(cpu, framePointer(), RSP);
  if (rpl > cpl) dropInnerSegments(cpu, rpl);
  setCode(cpu, cs, code, rpl);
  store<u64>(cpu, rip, RIP);
  writeFlags(cpu, (flags & ~change) | (popped & change));
  modeChanged(cpu);
}

/** IRET from CPL 0 with VM set in the image: the rest of the nine-word frame (SDM vol. 3 section 21.2.5). */
function iretToVm86(cpu: usize, rip: u64, cs: u32, flags: u32): void {
  const sp = pop(cpu, 4);
  if (failed(cpu)) return;
  const ss = <u32>pop(cpu, 4) & 0xffff;
  if (failed(cpu)) return;
  const es = <u32>pop(cpu, 4) & 0xffff;
  if (failed(cpu)) return;
  const ds = <u32>pop(cpu, 4) & 0xffff;
  if (failed(cpu)) return;
  const fs = <u32>pop(cpu, 4) & 0xffff;
  if (failed(cpu)) return;
  const gs = <u32>pop(cpu, 4) & 0xffff;
  if (failed(cpu)) return;
  if (rip > 0xffff) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  setSegVm86(cpu, SEG_CS, cs);
  setSegVm86(cpu, SEG_SS, ss);
  setSegVm86(cpu, SEG_ES, es);
  setSegVm86(cpu, SEG_DS, ds);
  setSegVm86(cpu, SEG_FS, fs);
  setSegVm86(cpu, SEG_GS, gs);
  store<u64>(cpu, sp, RSP);
  store<u64>(cpu, rip, RIP);
  writeFlags(cpu, flags);
  modeChanged(cpu);
}

/** IRET with NT set: back to the task in the link field of the current TSS. */
function iretTask(cpu: usize, flags: u32): void {
  const link = <u32>readMem(cpu, wrap(cpu, load<u64>(cpu + (<usize>SEG_TR << 5), SEG_BASE)), 2, A_SUPER);
  if (failed(cpu) || !checkTss(cpu, link, true, VEC_TS)) return;
  taskSwitch(cpu, link, TASK_IRET, load<u64>(cpu, NEXT_RIP), flags, false, 0);
}

export { softInt } from './interrupt';
export { syscall, sysenter, sysexit, sysret } from './syscall';
