/**
 * Interrupt and exception delivery in every mode.
 *
 * Theory. An event (external interrupt, NMI, exception, INT n) goes through `deliver`, which reads the vector's entry, finds the stack, pushes the
 * frame and only then changes registers; it either completes or leaves an exception in EXC with nothing changed. Software interrupts
 * are instructions, so such an exception is simply theirs. For all other events `deliverChain` combines the two by the table of SDM
 * vol. 3 section 6.15 (benign, contributory, page fault): in turn, double fault, or shutdown.
 *
 * Models SDM vol. 3 chapter 6 (6.8 flags, 6.11-6.14 gates, stacks, error codes, IST), 6.15 (#DF), 17.3 (#DB, RF), 21.1.4 (real mode),
 * 21.3 (virtual-8086), 21.3.3 (VME redirection); vol. 2 INT. Error codes of faults while an event is delivered get EXT unless the
 * event is INT n, INT3 or INTO. An exception whose delivery raises a benign exception for ever (#AC by an unaligned user handler stack) would hang a
 * processor; here it shuts down. Left out: CET, FRED, user interrupts.
 */
import { enterGuest, EXIT_EXCEPTION_NMI, EXIT_TRIPLE_FAULT, OUTSIDE_HANDLING, vmentry, vmexit } from './exits';
import { logVector } from './exit-log';
import {
  EXC_HAS_ERROR, EXC_LEAVE, EXC_STEP, EXC_VALID, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS, SEG_TR, VEC_BP, VEC_DB, VEC_DE, VEC_DF, VEC_GP,
  VEC_MC, VEC_NMI, VEC_NP, VEC_OF, VEC_PF, VEC_TS, failed, raiseError,
} from './fault';
import { AC, IF, IOPL, NT, RF, TF, VIF, VM, readFlags, writeFlags } from './flags';
import { framePointer, innerSP, innerSS, innerStackDescriptor, onCurrentStack, onFlatStack, onStack, push, readInnerStack, room } from './frame';
import { A_SUPER, modeChanged, readMem } from './mmu';
import { fire, watched } from './probe';
import {
  descDpl, descIsSystem, descPresent, descType, descriptor, isCode, isConforming, setAccessed, setCode, setNullSegment, setSegReal, setSegment, wrap,
} from './segment';
import {
  ACTIVITY, ANSWER_NEXT, ANSWERS, CPL, CR2, CR4, DEBUGCTL, DR, EXC, EXC_CR2, EXC_DR6, EXC_ERROR, EXIT_INTR_ERROR, EXIT_INTR_INFO, ICOUNT,
  IDTR_BASE, IDTR_LIMIT, IRQ_COUNT, KS_IRQ_INJECTIONS, KS_NMI_INJECTIONS, LONG, NEXT_RIP, NMI_BLOCKED, OUTSIDE,
  PROBE_KVM_INJ_EXCEPTION, PROBE_KVM_INJ_VIRQ, PROBE_KVM_PAGE_FAULT, PROT, REGS, RFLAGS, RIP, RUN_EXIT, SEG_AR, SEG_BASE, SEG_LIMIT,
  SEG_SEL, SHADOW_AT, STATUS_TEXT, STEPPING, STRING_AT, STORM, STORM_AT, VM_EXC_BITMAP,
} from './state.gen';
import { TASK_GATE, checkTss, taskSwitch } from './task';
import { checkTarget } from './transfer';

/** Event types, numbered as VMX's interruption information does (SDM vol. 3 table 25-17). */
const TYPE_EXTERNAL: u32 = 0;
const TYPE_NMI: u32 = 2;
const TYPE_EXCEPTION: u32 = 3;
const TYPE_SOFT_INT: u32 = 4;
const TYPE_PRIVILEGED: u32 = 5;
const TYPE_SOFT_EXCEPTION: u32 = 6;

/** Gate types (SDM vol. 3 table 3-2). */
const GATE_TASK: u32 = 5;
const GATE_INT16: u32 = 6;
const GATE_TRAP16: u32 = 7;
const GATE_INT32: u32 = 14;
const GATE_TRAP32: u32 = 15;

/** Error code of a fault in an IDT entry. */
const ERROR_IDT: u32 = 2;
const ERROR_EXT: u32 = 1;

const RSP: usize = REGS + 32;
const CR4_VME: u64 = 1;
const DR6_BD: u64 = 0x2000;
/** DR6 bits that read as 1 (SDM vol. 3 section 17.2.3). */
const DR6_FIXED: u64 = 0xffff0ff0;
const DR7_GD: u64 = 0x2000;
/** What run() returns for an internal error (vmm/cpu/core.ts RUN.INTERNAL). */
const RUN_INTERNAL: u32 = 8;
/** STATUS_TEXT: an interrupt or exception was to be delivered through a device. */
export const INTERNAL_DELIVERY: u32 = 3;
/** Serial exceptions without an instruction between them before the guest counts as hung. */
const SERIAL_MAX: u32 = 8;
/** STATUS_TEXT: exceptions without end. */
export const INTERNAL_STORM: u32 = 4;
/**
 * Events delivered one after another, none of whose handlers retires an instruction, before the guest counts as hung: no stack is
 * that deep, and time stands still meanwhile (a faulting instruction counts 0), so that nothing else could end it.
 */
const STORM_MAX: u32 = 100_000;

// The event that is being delivered.
let type: u32 = 0;
let errorCode: i64 = -1;

// @ts-ignore: decorator
@inline
function selectorOf(cpu: usize, seg: u32): u64 {
  return <u64>load<u16>(cpu + (<usize>seg << 5), SEG_SEL);
}

/** Delivers the exception in EXC at RIP, and whatever follows from that. */
export function deliverPending(cpu: usize): void {
  const exc = load<u32>(cpu, EXC);
  deliverChain(cpu, exc & 0xff, TYPE_EXCEPTION, exc & EXC_HAS_ERROR ? <i64><u64>load<u32>(cpu, EXC_ERROR) : -1);
}

/** Delivers an external interrupt at RIP. */
export function deliverInterrupt(cpu: usize, vector: u32): void {
  const count = cpu + (<usize>(vector & 255) << 3);
  store<u64>(count, load<u64>(count, IRQ_COUNT) + 1, IRQ_COUNT);
  store<u64>(cpu, load<u64>(cpu, KS_IRQ_INJECTIONS) + 1, KS_IRQ_INJECTIONS);
  store<u32>(cpu, 0, ACTIVITY);
  logVector(cpu, vector & 255);
  if (watched(PROBE_KVM_INJ_VIRQ)) fire(cpu, PROBE_KVM_INJ_VIRQ, <u64>(vector & 255));
  deliverChain(cpu, vector & 255, TYPE_EXTERNAL, -1);
}

/** Delivers an NMI at RIP; further ones are blocked until IRET. */
export function deliverNmi(cpu: usize): void {
  store<u64>(cpu, load<u64>(cpu, KS_NMI_INJECTIONS) + 1, KS_NMI_INJECTIONS);
  store<u32>(cpu, 0, ACTIVITY);
  store<u32>(cpu, 1, NMI_BLOCKED);
  deliverChain(cpu, VEC_NMI, TYPE_NMI, -1);
}

/** Delivers an event, then what its delivery raises, until one arrives or the processor shuts down. */
function deliverChain(cpu: usize, vector: u32, kind: u32, error: i64): void {
  if (storm(cpu)) {
    giveUp(cpu, INTERNAL_STORM);
    return;
  }
  // Frames may land in pages with code or in devices: the delivery is as exact as an instruction that runs alone.
  const stepping = load<u32>(cpu, STEPPING);
  store<u32>(cpu, 1, STEPPING);
  // What devices among the tables and frames answer is nothing that an instruction waits for.
  forgetAnswers(cpu);
  let serial: u32 = 0;
  while (true) {
    store<u32>(cpu, 0, EXC);
    // No exit on the way is that of an instruction with a length.
    store<u64>(cpu, load<u64>(cpu, RIP), NEXT_RIP);
    if (kind == TYPE_EXCEPTION) arrive(cpu, vector, error);
    if (load<u32>(cpu, OUTSIDE) != 0) inject(cpu, vector, kind, error);
    deliver(cpu, vector, kind, error, load<u64>(cpu, RIP));
    const exc = load<u32>(cpu, EXC);
    if ((exc & EXC_VALID) == 0) {
      if (exc != 0) giveUp(cpu, INTERNAL_DELIVERY);
      else {
        // A delivered event ends the shadow of STI and MOV SS.
        store<u64>(cpu, u64.MAX_VALUE, SHADOW_AT);
        store<u64>(cpu, u64.MAX_VALUE, STRING_AT);
      }
      break;
    }
    const second = exc & 0xff;
    const first = kind == TYPE_EXCEPTION ? vector : VEC_NMI;
    // A page fault loads CR2 also when it ends as a double fault.
    if (second == VEC_PF) store<u64>(cpu, load<u64>(cpu, EXC_CR2), CR2);
    if ((first == VEC_DF && severity(second) != 0) || ++serial > SERIAL_MAX) {
      shutDown(cpu);
      break;
    }
    kind = TYPE_EXCEPTION;
    if (doubles(first, second)) {
      vector = VEC_DF;
      error = 0;
    } else {
      vector = second;
      error = exc & EXC_HAS_ERROR ? <i64><u64>load<u32>(cpu, EXC_ERROR) : -1;
    }
  }
  store<u32>(cpu, stepping, STEPPING);
  forgetAnswers(cpu);
}

/**
 * The event is part of a VM entry. An exception is the monitor's own, or handed on by it, unless the guest came to it by running an
 * instruction again whose page the exit had mapped.
 */
function inject(cpu: usize, vector: u32, kind: u32, error: i64): void {
  if (kind != TYPE_EXTERNAL && kind != TYPE_NMI && load<u32>(cpu, OUTSIDE) == OUTSIDE_HANDLING && watched(PROBE_KVM_INJ_EXCEPTION))
    fire(cpu, PROBE_KVM_INJ_EXCEPTION, <u64>vector, error >= 0 ? 1 : 0, error >= 0 ? <u64>error : 0);
  enterGuest(cpu);
}

function forgetAnswers(cpu: usize): void {
  store<u32>(cpu, 0, ANSWERS);
  store<u32>(cpu, 0, ANSWER_NEXT);
}

/** Counts the events that come without an instruction between them; true when they have no end. */
function storm(cpu: usize): bool {
  const icount = load<u64>(cpu, ICOUNT);
  const count = load<u64>(cpu, STORM_AT) == icount ? load<u32>(cpu, STORM) + 1 : 1;
  store<u64>(cpu, icount, STORM_AT);
  store<u32>(cpu, count, STORM);
  return count > STORM_MAX;
}

/** Leaves run() because the event cannot be delivered: it is no instruction that could be run again (KVM: internal error). */
function giveUp(cpu: usize, why: u32): void {
  store<u32>(cpu, EXC_LEAVE, EXC);
  store<u32>(cpu, RUN_INTERNAL, RUN_EXIT);
  store<u32>(cpu, why, STATUS_TEXT);
}

function shutDown(cpu: usize): void {
  store<u32>(cpu, 0, EXC);
  store<u32>(cpu, 2, ACTIVITY);
  vmexit(cpu, EXIT_TRIPLE_FAULT, 0);
}

/** SDM vol. 3 table 6-4: 0 benign, 1 contributory, 2 page fault. */
function severity(vector: u32): u32 {
  if (vector == VEC_PF) return 2;
  return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP) ? 1 : 0;
}

/** Table 6-5: the second exception while the first was being delivered makes a double fault. */
function doubles(first: u32, second: u32): bool {
  const a = severity(first);
  const b = severity(second);
  return (a == 1 && b == 1) || (a == 2 && b != 0);
}

/** What an exception does before its handler is looked up: its VM exit if intercepted, CR2, DR6 and DR7.GD. */
function arrive(cpu: usize, vector: u32, error: i64): void {
  exceptionExit(cpu, vector, TYPE_EXCEPTION, error);
  if (vector == VEC_PF) {
    store<u64>(cpu, load<u64>(cpu, EXC_CR2), CR2);
  } else if (vector == VEC_DB) {
    store<u64>(cpu, (load<u64>(cpu, DR + 48) & ~(<u64>15)) | load<u64>(cpu, EXC_DR6) | DR6_FIXED, DR + 48);
    store<u64>(cpu, load<u64>(cpu, DR + 56) & ~DR7_GD, DR + 56);
    // LBR recording and single-stepping on branches end with a #DB (SDM vol. 3 section 17.4.1).
    store<u64>(cpu, load<u64>(cpu, DEBUGCTL) & ~(<u64>3), DEBUGCTL);
  }
}

// @ts-ignore: decorator
@inline
function intercepted(vector: u32): bool {
  return ((load<u32>(VM_EXC_BITMAP) >> vector) & 1) != 0;
}

function exceptionExit(cpu: usize, vector: u32, kind: u32, error: i64): void {
  if (!intercepted(vector)) return;
  const qualification = vector == VEC_PF ? load<u64>(cpu, EXC_CR2) : vector == VEC_DB && kind == TYPE_EXCEPTION ? load<u64>(cpu, EXC_DR6) : 0;
  store<u32>(cpu, vector | (kind << 8) | (error >= 0 ? 0x800 : 0) | 0x80000000, EXIT_INTR_INFO);
  store<u32>(cpu, error >= 0 ? <u32>error : 0, EXIT_INTR_ERROR);
  vmexit(cpu, EXIT_EXCEPTION_NMI, qualification);
  if (vector == VEC_PF && watched(PROBE_KVM_PAGE_FAULT)) fire(cpu, PROBE_KVM_PAGE_FAULT, qualification, error >= 0 ? <u64>error : 0);
  vmentry(cpu);
}

/** Delivers one event to return to `rip`; on failure EXC holds why, and no register has changed. */
function deliver(cpu: usize, vector: u32, kind: u32, error: i64, rip: u64): void {
  type = kind;
  errorCode = error;
  let image = readFlags(cpu);
  // Section 17.3.1.1: faults, and whatever comes between two iterations of a repeated string instruction.
  if ((kind == TYPE_EXCEPTION && isFault(cpu, vector)) || load<u64>(cpu, STRING_AT) == load<u64>(cpu, ICOUNT)) image |= RF;
  if (load<u32>(cpu, PROT) == 0) deliverReal(cpu, vector, rip, image);
  else throughGate(cpu, vector, rip, image);
  const exc = load<u32>(cpu, EXC);
  if ((exc & EXC_VALID) == 0 || kind == TYPE_SOFT_INT || kind == TYPE_SOFT_EXCEPTION) return;
  const second = exc & 0xff;
  if (second >= VEC_TS && second <= VEC_GP) store<u32>(cpu, load<u32>(cpu, EXC_ERROR) | ERROR_EXT, EXC_ERROR);
}

/** Exceptions that restart their instruction push RF set (SDM vol. 3 section 17.3.1.1): not traps, aborts and instruction breakpoints. */
function isFault(cpu: usize, vector: u32): bool {
  if (vector == VEC_DB) return (load<u64>(cpu, EXC_DR6) & DR6_BD) != 0;
  return vector != VEC_BP && vector != VEC_OF && vector != VEC_DF && vector != VEC_MC;
}

/** Real-address mode: a table of far pointers, a frame of three words. */
function deliverReal(cpu: usize, vector: u32, rip: u64, image: u32): void {
  if ((vector << 2) + 3 > load<u32>(cpu, IDTR_LIMIT)) {
    raiseError(cpu, VEC_GP, (vector << 3) | ERROR_IDT);
    return;
  }
  const entry = <u32>readMem(cpu, wrap(cpu, load<u64>(cpu, IDTR_BASE) + <u64>(vector << 2)), 4, A_SUPER);
  if (failed(cpu)) return;
  enterReal(cpu, entry, rip, image, IF | TF | AC | RF);
}

/** Pushes FLAGS, CS and IP, clears `clear`, and goes to the far pointer `entry`: real-address mode, and INT n redirected by VME. */
function enterReal(cpu: usize, entry: u32, rip: u64, image: u32, clear: u32): void {
  const target = <u64>(entry & 0xffff);
  if (target > <u64>load<u32>(cpu + (<usize>SEG_CS << 5), SEG_LIMIT)) {
    raiseError(cpu, VEC_GP, 0);
    return;
  }
  onCurrentStack(cpu);
  push(cpu, <u64>image, 2);
  if (failed(cpu)) return;
  push(cpu, selectorOf(cpu, SEG_CS), 2);
  if (failed(cpu)) return;
  push(cpu, rip, 2);
  if (failed(cpu)) return;
  setSegReal(cpu, SEG_CS, entry >> 16);
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, target, RIP);
  writeFlags(cpu, readFlags(cpu) & ~clear);
  modeChanged(cpu);
}

/** Protected and IA-32e mode: the IDT entry, its checks, and the way through it. */
function throughGate(cpu: usize, vector: u32, rip: u64, image: u32): void {
  const long = load<u32>(cpu, LONG) != 0;
  const shift: u32 = long ? 4 : 3;
  const error = (vector << 3) | ERROR_IDT;
  if ((vector << shift) + (1 << shift) - 1 > load<u32>(cpu, IDTR_LIMIT)) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  const at = load<u64>(cpu, IDTR_BASE) + <u64>(vector << shift);
  const gate = readMem(cpu, wrap(cpu, at), 8, A_SUPER);
  if (failed(cpu)) return;
  let target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000);
  if (long) {
    const high = readMem(cpu, at + 8, 8, A_SUPER);
    if (failed(cpu)) return;
    target |= high << 32;
  }
  const kind = descType(gate);
  const known = kind == GATE_INT32 || kind == GATE_TRAP32 || (!long && (kind == GATE_INT16 || kind == GATE_TRAP16 || kind == GATE_TASK));
  // Only INT n, INT3 and INTO are subject to the gate's privilege level.
  const soft = type == TYPE_SOFT_INT || type == TYPE_SOFT_EXCEPTION;
  if (!descIsSystem(gate) || !known || (soft && descDpl(gate) < load<u32>(cpu, CPL))) {
    raiseError(cpu, VEC_GP, error);
    return;
  }
  if (!descPresent(gate)) {
    raiseError(cpu, VEC_NP, error);
    return;
  }
  const selector = <u32>(gate >> 16) & 0xffff;
  if (kind == GATE_TASK) {
    if (!checkTss(cpu, selector, false, VEC_GP)) return;
    taskSwitch(cpu, selector, TASK_GATE, rip, image, errorCode >= 0, <u32>errorCode);
    return;
  }
  const d = handlerCode(cpu, selector);
  if (failed(cpu)) return;
  // Interrupt gates have an even type and clear IF.
  const clear = TF | NT | RF | VM | (kind & 1 ? 0 : IF);
  if (long) enterLong(cpu, selector, d, target, <u32>(gate >> 32) & 7, rip, image, clear);
  else if (kind < 8) enterLegacy(cpu, selector, d, target & 0xffff, 2, rip, image, clear);
  else enterLegacy(cpu, selector, d, target, 4, rip, image, clear);
}

/** Checks the code segment that a gate names and returns its descriptor. */
function handlerCode(cpu: usize, selector: u32): u64 {
  const error = selector & 0xfffc;
  if (error == 0) {
    raiseError(cpu, VEC_GP, 0);
    return 0;
  }
  const d = descriptor(cpu, selector, VEC_GP);
  if (failed(cpu)) return 0;
  const cpl = load<u32>(cpu, CPL);
  // IA-32e mode: 64-bit code (L = 1, D = 0).
  const badLong = load<u32>(cpu, LONG) != 0 && ((d >> 53) & 3) != 1;
  if (!isCode(d) || descDpl(d) > cpl || badLong) {
    raiseError(cpu, VEC_GP, error);
    return 0;
  }
  if (!descPresent(d)) raiseError(cpu, VEC_NP, error);
  // Out of virtual-8086 mode only into nonconforming code of level 0.
  else if (load<u32>(cpu, PROT) == 2 && (isConforming(d) || descDpl(d) != 0)) raiseError(cpu, VEC_GP, error);
  return d;
}

/** The frame and the switch of a 64-bit gate (SDM vol. 3 section 6.14). */
function enterLong(cpu: usize, cs: u32, code: u64, target: u64, ist: u32, rip: u64, image: u32, clear: u32): void {
  const cpl = load<u32>(cpu, CPL);
  const level = isConforming(code) ? cpl : descDpl(code);
  let sp = load<u64>(cpu, RSP);
  if (ist != 0 || level < cpl) {
    readInnerStack(cpu, level, ist);
    if (failed(cpu)) return;
    sp = innerSP();
  }
  onFlatStack(sp & ~(<u64>15), level < cpl);
  if (!room(cpu, 5 + errorWords(), 8) || !checkTarget(cpu, code, target)) return;
  push(cpu, selectorOf(cpu, SEG_SS), 8);
  if (failed(cpu)) return;
  push(cpu, load<u64>(cpu, RSP), 8);
  if (failed(cpu)) return;
  if (!pushReturn(cpu, rip, image, 8)) return;
  code = setAccessed(cpu, cs, code);
  if (failed(cpu)) return;
  if (level < cpl) setNullSegment(cpu, SEG_SS, level, level);
  commit(cpu, cs, code, level, target, clear);
}

/** The frame and the switch of a 16-bit or 32-bit gate (SDM vol. 3 section 6.12). */
function enterLegacy(cpu: usize, cs: u32, code: u64, target: u64, size: u32, rip: u64, image: u32, clear: u32): void {
  const cpl = load<u32>(cpu, CPL);
  const level = isConforming(code) ? cpl : descDpl(code);
  const vm86 = load<u32>(cpu, PROT) == 2;
  let ss: u32 = 0;
  let stack: u64 = 0;
  if (level < cpl) {
    readInnerStack(cpu, level, 0);
    if (failed(cpu)) return;
    ss = innerSS();
    stack = innerStackDescriptor(cpu, ss, level);
    if (failed(cpu)) return;
    onStack(ss, stack, innerSP(), level);
    if (!room(cpu, (vm86 ? 9 : 5) + errorWords(), size) || !checkTarget(cpu, code, target)) return;
    if (vm86 && !pushVm86(cpu, size)) return;
    push(cpu, selectorOf(cpu, SEG_SS), size);
    if (failed(cpu)) return;
    push(cpu, load<u64>(cpu, RSP), size);
    if (failed(cpu)) return;
  } else {
    onCurrentStack(cpu);
    if (!room(cpu, 3 + errorWords(), size) || !checkTarget(cpu, code, target)) return;
  }
  if (!pushReturn(cpu, rip, image, size)) return;
  code = setAccessed(cpu, cs, code);
  if (failed(cpu)) return;
  if (level < cpl) setSegment(cpu, SEG_SS, ss, stack);
  if (vm86) {
    setNullSegment(cpu, SEG_ES, 0, 0);
    setNullSegment(cpu, SEG_DS, 0, 0);
    setNullSegment(cpu, SEG_FS, 0, 0);
    setNullSegment(cpu, SEG_GS, 0, 0);
  }
  commit(cpu, cs, code, level, target, clear);
}

function pushVm86(cpu: usize, size: u32): bool {
  push(cpu, selectorOf(cpu, SEG_GS), size);
  if (failed(cpu)) return false;
  push(cpu, selectorOf(cpu, SEG_FS), size);
  if (failed(cpu)) return false;
  push(cpu, selectorOf(cpu, SEG_DS), size);
  if (failed(cpu)) return false;
  push(cpu, selectorOf(cpu, SEG_ES), size);
  return !failed(cpu);
}

function errorWords(): u32 {
  return errorCode >= 0 ? 1 : 0;
}

/** Flags, CS, instruction pointer and the error code, if any. */
function pushReturn(cpu: usize, rip: u64, image: u32, size: u32): bool {
  push(cpu, <u64>image, size);
  if (failed(cpu)) return false;
  push(cpu, selectorOf(cpu, SEG_CS), size);
  if (failed(cpu)) return false;
  push(cpu, rip, size);
  if (failed(cpu)) return false;
  if (errorCode >= 0) push(cpu, <u64>errorCode, size);
  return !failed(cpu);
}

function commit(cpu: usize, cs: u32, code: u64, level: u32, target: u64, clear: u32): void {
  setCode(cpu, cs, code, level);
  store<u64>(cpu, framePointer(), RSP);
  store<u64>(cpu, target, RIP);
  writeFlags(cpu, readFlags(cpu) & ~clear);
  modeChanged(cpu);
}

/** Kinds of `softInt`. */
export const SOFT_INT: u32 = 0;
export const SOFT_INT3: u32 = 1;
export const SOFT_INTO: u32 = 2;
export const SOFT_INT1: u32 = 3;

/** INT n, INT3, INTO (taken) and INT1; they return to NEXT_RIP. */
export function softInt(cpu: usize, vector: u32, kind: u32): void {
  if (kind == SOFT_INT) {
    if (load<u32>(cpu, PROT) == 2) intVm86(cpu, vector);
    else deliver(cpu, vector, TYPE_SOFT_INT, -1, load<u64>(cpu, NEXT_RIP));
    return;
  }
  const event = kind == SOFT_INT1 ? TYPE_PRIVILEGED : TYPE_SOFT_EXCEPTION;
  if (intercepted(vector)) {
    // The exit is counted once: alone, the instruction is not run again.
    if (!load<u32>(cpu, STEPPING)) {
      store<u32>(cpu, EXC_STEP, EXC);
      return;
    }
    exceptionExit(cpu, vector, event, -1);
    inject(cpu, vector, event, -1);
  }
  deliver(cpu, vector, event, -1, load<u64>(cpu, NEXT_RIP));
}

/** INT n in virtual-8086 mode (SDM vol. 3 table 21-2): by IOPL, and with VME by the TSS's redirection bit map. */
function intVm86(cpu: usize, vector: u32): void {
  const trusted = (load<u32>(cpu, RFLAGS) & IOPL) == IOPL;
  const rip = load<u64>(cpu, NEXT_RIP);
  if (load<u64>(cpu, CR4) & CR4_VME) {
    const redirect = !redirectionBit(cpu, vector);
    if (failed(cpu)) return;
    if (redirect) {
      const entry = <u32>readMem(cpu, <u64>(vector << 2), 4, 0);
      if (failed(cpu)) return;
      const flags = readFlags(cpu);
      // Methods 5 and 6: below IOPL 3, VIF stands in for IF in the image and is cleared instead of it.
      const image = trusted ? flags : (flags & ~IF) | IOPL | (flags & VIF ? IF : 0);
      enterReal(cpu, entry, rip, image, TF | RF | (trusted ? IF : VIF));
      return;
    }
  }
  if (trusted) deliver(cpu, vector, TYPE_SOFT_INT, -1, rip);
  else raiseError(cpu, VEC_GP, 0);
}

/** The vector's bit of the software interrupt redirection bit map, the 32 bytes below the I/O map; #GP(0) when outside the TSS. */
function redirectionBit(cpu: usize, vector: u32): bool {
  const tr = cpu + (<usize>SEG_TR << 5);
  const base = load<u64>(tr, SEG_BASE);
  const limit = load<u32>(tr, SEG_LIMIT);
  if (limit < 0x67 || (load<u32>(tr, SEG_AR) & 8) == 0) {
    raiseError(cpu, VEC_GP, 0);
    return false;
  }
  const map = <u32>readMem(cpu, wrap(cpu, base + 0x66), 2, A_SUPER);
  if (failed(cpu)) return false;
  const at = map - 32 + (vector >> 3);
  if (map < 32 || at > limit) {
    raiseError(cpu, VEC_GP, 0);
    return false;
  }
  return ((<u32>readMem(cpu, wrap(cpu, base + <u64>at), 1, A_SUPER) >> (vector & 7)) & 1) != 0;
}
