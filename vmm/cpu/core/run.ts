/**
 * The outer loop: enters the guest, and at every instruction boundary where something asks for attention decides what comes first.
 *
 * Order at a boundary (SDM vol. 3, table 6-2): traps of the previous instruction, NMI, interrupts, then the next instruction with its own
 * faults. Time: run() stops at DEADLINE and PROBE_DEADLINE (of the VM's clock) and at SLICE_END (of ICOUNT); the last instructions before a stop, and
 * whatever needs an exact boundary behind it (devices, stores into code, single step, breakpoints), run one at a time from the step line.
 */
import { intack } from './env';
import { breakpointsEnabled, instructionBreakpoint, takeHits } from './breakpoint';
import { decodeAlone } from './decode';
import { EXC_LEAVE, EXC_STEP, EXC_VALID, failed, raiseDebug, raiseError, VEC_GP } from './fault';
import { enterGuest, EXIT_EXTERNAL_INTERRUPT, EXIT_NMI_WINDOW, EXIT_PENDING_INTERRUPT, vmentry, vmexit } from './exits';
import { IF, RF, TF } from './flags';
import { enter, fetchInTime, MARGIN, nextOffset, refresh } from './flow';
import { interp } from './interp.gen';
import { deliverInterrupt, deliverNmi, deliverPending } from './interrupt';
import { DEVICE_CODE } from './mmu';
import { initReset } from './reset';
import { takeBurst } from './string';
import { clearTrapDropped, SYS_IRET, SYS_SYSCALL, SYS_SYSRET, trapDropped } from './sys';
import { CALL_M, JMP_LOCAL, STRING, SYS } from './uop.gen';
import {
  ACTIVITY, ANSWER_NEXT, ANSWERS, AREA_STEP_BYTES, AREA_STEP_LINE, BURST, CLOCK_OFFSET, CODE_BASE, DEADLINE, DEBUGCTL, ENG_STEPS, ENTRY_CLOCK, EVENT, EXC, ICOUNT,
  KS_HALT_WAKEUP, KS_NMI_WINDOW, MODE, NEXT_RIP, NMI_BLOCKED, OUTSIDE, PENDING_DB, PROBE_DEADLINE, RFLAGS, RIP, RIP_BASE, RUN_EXIT, SEG_LIMIT, SHADOW_AT, SHADOW_KIND, SLICE_END,
  STATUS_TEXT, STEPPING, STOP_AT, STRING_AT, WINDOW,
} from './state.gen';
import { watched } from './watch';

export const RUN_DEADLINE: i32 = 1;
export const RUN_SLICE: i32 = 2;
export const RUN_HLT: i32 = 3;
export const RUN_SHUTDOWN: i32 = 7;
export const RUN_INTERNAL: i32 = 8;
export const RUN_EVENT: i32 = 9;
export const RUN_PROFILE: i32 = 10;

export const EVENT_INTR: u32 = 1;
export const EVENT_NMI: u32 = 2;
export const EVENT_STOP: u32 = 4;
export const EVENT_INIT: u32 = 8;
/** A window exit was requested (WINDOW says which): it comes when the window opens, even if what waited for it has gone. */
export const EVENT_WINDOW: u32 = 16;
const WINDOW_INTR: u32 = 1;
const WINDOW_NMI: u32 = 2;
/** SHADOW_KIND of MOV SS and POP SS. */
const SHADOW_SS: u32 = 2;

/** STATUS_TEXT: an instruction was to be fetched from where there is no RAM. */
export const INTERNAL_FETCH: u32 = 1;

/** DR6.BS, the single-step bit. */
const DR6_BS: u64 = 0x4000;
const DEBUGCTL_BTF: u64 = 2;

export function run(cpu: usize): i32 {
  let alone = false;
  while (true) {
    // What is past is forgotten, so that the state says the same however the run is cut.
    if (load<u64>(cpu, STRING_AT) != load<u64>(cpu, ICOUNT)) store<u64>(cpu, u64.MAX_VALUE, STRING_AT);
    const exc = load<u32>(cpu, EXC);
    if (exc != 0) {
      if (exc & EXC_VALID) {
        deliverPending(cpu);
        store<u32>(cpu, 0, ANSWERS);
        store<u32>(cpu, 0, ANSWER_NEXT);
        // It could not be delivered: that comes before any other outcome.
        if (failed(cpu)) continue;
      } else {
        store<u32>(cpu, 0, EXC);
        if (exc & EXC_LEAVE) {
          store<u32>(cpu, 0, ANSWER_NEXT);
          return <i32>load<u32>(cpu, RUN_EXIT);
        }
        alone = true;
      }
    }
    if (load<u32>(cpu, ACTIVITY) == 2) return RUN_SHUTDOWN;
    // An instruction that left run(), or a burst of string I/O that a slice end cut, is completed before anything else happens.
    const burst = load<u64>(cpu, BURST) != 0;
    const resumed = load<u32>(cpu, ANSWERS) != 0 || burst;
    if (!resumed && (load<u32>(cpu, EVENT) != 0 || load<u64>(cpu, PENDING_DB) != 0)) {
      if (load<u32>(cpu, EVENT) & EVENT_STOP) {
        store<u32>(cpu, load<u32>(cpu, EVENT) & ~EVENT_STOP, EVENT);
        return RUN_EVENT;
      }
      if (events(cpu)) continue;
    }
    const left = refresh(cpu);
    if (left <= 0 && !resumed) {
      const now = load<u64>(cpu, ICOUNT) + load<u64>(cpu, CLOCK_OFFSET);
      if (load<u64>(cpu, PROBE_DEADLINE) - 1 < now) return RUN_PROFILE;
      const deadline = load<u64>(cpu, DEADLINE);
      if (now < deadline) return RUN_SLICE;
      // The deadline interrupted the guest, unless it passed while an exit was being handled.
      if (load<u32>(cpu, ACTIVITY) == 0 && deadline > load<u64>(cpu, ENTRY_CLOCK)) {
        asynchronous(cpu, EXIT_EXTERNAL_INTERRUPT);
      }
      return RUN_DEADLINE;
    }
    if (burst && load<u32>(cpu, ANSWERS) == 0 && load<u64>(cpu, ICOUNT) >= load<u64>(cpu, SLICE_END)) return RUN_SLICE;
    if (load<u32>(cpu, ACTIVITY) != 0) return RUN_HLT;
    if (load<u32>(cpu, OUTSIDE) != 0 && !resumed) {
      if (enterGuest(cpu)) continue;
    }
    // RF is cleared as the instruction starts (SDM vol. 3 section 17.3.1.1); it is kept up to its end where it still holds off a breakpoint.
    if ((load<u32>(cpu, RFLAGS) & RF) != 0 && !breakpointsEnabled(cpu)) store<u32>(cpu, load<u32>(cpu, RFLAGS) & ~RF, RFLAGS);
    if (alone || resumed || left <= MARGIN || mustStep(cpu)) {
      alone = false;
      // The monitor may have asked for a stop before the instruction.
      if (!resumed && watched(cpu)) continue;
      takeBurst(cpu);
      if (!step(cpu)) return RUN_INTERNAL;
      continue;
    }
    const uop = enter(cpu, load<u64>(cpu, RIP));
    if (uop != 0) interp(cpu, uop, left);
  }
}

/** Single step, breakpoints, RF, or an interrupt shadow with something waiting. */
// @ts-ignore: decorator
@inline
function mustStep(cpu: usize): bool {
  return (
    (load<u32>(cpu, RFLAGS) & (TF | RF)) != 0 ||
    breakpointsEnabled(cpu) ||
    (load<u32>(cpu, EVENT) != 0 && load<u64>(cpu, SHADOW_AT) == load<u64>(cpu, ICOUNT))
  );
}

/** Takes the first event that can be taken; true when one was. */
function events(cpu: usize): bool {
  if (load<u32>(cpu, EVENT) & EVENT_INIT) {
    store<u32>(cpu, load<u32>(cpu, EVENT) & ~EVENT_INIT, EVENT);
    initReset(cpu);
    return true;
  }
  const pending = load<u64>(cpu, PENDING_DB);
  const shadow = load<u64>(cpu, SHADOW_AT) == load<u64>(cpu, ICOUNT);
  // MOV SS holds off debug traps too, STI only interrupts and NMIs (SDM vol. 3 6.8.3, table 25-3).
  if (pending != 0 && !(shadow && load<u32>(cpu, SHADOW_KIND) == SHADOW_SS)) {
    store<u64>(cpu, 0, PENDING_DB);
    wake(cpu);
    trap(cpu, pending);
    return true;
  }
  const event = load<u32>(cpu, EVENT);
  if (load<u32>(cpu, NMI_BLOCKED) == 0 && !shadow) {
    if (windowOpens(cpu, WINDOW_NMI)) {
      store<u64>(cpu, load<u64>(cpu, KS_NMI_WINDOW) + 1, KS_NMI_WINDOW);
      asynchronous(cpu, EXIT_NMI_WINDOW);
      return true;
    }
    if (event & EVENT_NMI) {
      store<u32>(cpu, event & ~EVENT_NMI, EVENT);
      wake(cpu);
      deliverNmi(cpu);
      return true;
    }
  } else if (event & EVENT_NMI) askWindow(cpu, WINDOW_NMI);
  if ((load<u32>(cpu, RFLAGS) & IF) == 0 || shadow) {
    if (event & EVENT_INTR) askWindow(cpu, WINDOW_INTR);
    return false;
  }
  if (windowOpens(cpu, WINDOW_INTR)) {
    asynchronous(cpu, EXIT_PENDING_INTERRUPT);
    return true;
  }
  if ((event & EVENT_INTR) == 0) return false;
  const vector = intack(cpu);
  if (vector < 0) {
    store<u32>(cpu, load<u32>(cpu, EVENT) & ~EVENT_INTR, EVENT);
    return false;
  }
  wake(cpu);
  deliverInterrupt(cpu, <u32>vector);
  return true;
}

/** Asking for the window is part of an entry; it costs the guest nothing until it opens. */
function askWindow(cpu: usize, which: u32): void {
  if (load<u32>(cpu, ACTIVITY) != 0) return;
  store<u32>(cpu, load<u32>(cpu, WINDOW) | which, WINDOW);
  store<u32>(cpu, load<u32>(cpu, EVENT) | EVENT_WINDOW, EVENT);
}

/** The window is open: true when it was asked for, which is over with that. */
function windowOpens(cpu: usize, which: u32): bool {
  const asked = load<u32>(cpu, WINDOW);
  if ((asked & which) == 0) return false;
  store<u32>(cpu, asked & ~which, WINDOW);
  if (asked == which) store<u32>(cpu, load<u32>(cpu, EVENT) & ~EVENT_WINDOW, EVENT);
  return true;
}

/** An exit between two instructions. */
function asynchronous(cpu: usize, reason: u32): void {
  store<u64>(cpu, load<u64>(cpu, RIP), NEXT_RIP);
  vmexit(cpu, reason, 0);
  vmentry(cpu);
}

function wake(cpu: usize): void {
  if (load<u32>(cpu, ACTIVITY) != 1) return;
  store<u32>(cpu, 0, ACTIVITY);
  store<u64>(cpu, load<u64>(cpu, KS_HALT_WAKEUP) + 1, KS_HALT_WAKEUP);
}

/** A #DB trap: DR6 is set, RIP is the next instruction. */
function trap(cpu: usize, dr6: u64): void {
  raiseDebug(cpu, dr6);
}

/** Runs one instruction (or one burst of string I/O) from the step line; false when there is nothing to fetch. */
function step(cpu: usize): bool {
  const rip = load<u64>(cpu, RIP);
  const mode = load<u32>(cpu, MODE);
  let linear = rip + load<u64>(cpu, CODE_BASE);
  if (mode != 2) linear &= 0xffffffff;
  const flags = load<u32>(cpu, RFLAGS);
  // After MOV SS an instruction breakpoint is not taken, as if RF were set (SDM vol. 3 6.8.3).
  const shadowed = load<u64>(cpu, SHADOW_AT) == load<u64>(cpu, ICOUNT) && load<u32>(cpu, SHADOW_KIND) == SHADOW_SS;
  if (breakpointsEnabled(cpu) && (flags & RF) == 0 && !shadowed) {
    const hit = instructionBreakpoint(cpu, linear);
    if (hit != 0) {
      raiseDebug(cpu, hit);
      return true;
    }
  }
  const bytes = cpu + AREA_STEP_BYTES;
  let room: u64 = 15;
  if (mode != 2) {
    const limit = <u64>load<u32>(cpu + 32, SEG_LIMIT);
    room = rip > limit ? 0 : limit - rip + 1;
    if (room > 15) room = 15;
    if (room == 0) {
      raiseError(cpu, VEC_GP, 0);
      return true;
    }
  }
  const page = fetchInTime(cpu, linear);
  if (page == 0) return true;
  if (page == DEVICE_CODE) return nothingToFetch(cpu);
  const offset = <u32>linear & 0xfff;
  const rest: u32 = 4096 - offset;
  const first: u32 = rest < <u32>room ? rest : <u32>room;
  memory.copy(bytes, page + offset, first);
  const at = cpu + AREA_STEP_LINE + 16;
  if (!decodeAlone(bytes, first, offset, mode, at)) {
    if (first < <u32>room) {
      let next = linear + <u64>first;
      if (mode != 2) next &= 0xffffffff;
      const page2 = fetchInTime(cpu, next);
      if (page2 == 0) return true;
      if (page2 == DEVICE_CODE) return nothingToFetch(cpu);
      memory.copy(bytes + first, page2, <u32>room - first);
    }
    if (first == <u32>room || !decodeAlone(bytes, <u32>room, offset, mode, at)) {
      // The limit cuts the instruction off (or it is longer than 15 bytes).
      raiseError(cpu, VEC_GP, 0);
      return true;
    }
  }
  const base = rip - <u64>offset;
  store<u64>(cpu, base, RIP_BASE);
  store<u64>(cpu, mode == 2 ? base + nextOffset(at) : (base + nextOffset(at)) & 0xffffffff, NEXT_RIP);
  store<u32>(cpu, 1, STEPPING);
  clearTrapDropped();
  takeHits();
  store<u64>(cpu, load<u64>(cpu, ENG_STEPS) + 1, ENG_STEPS);
  // One to go: a branch to code that is known must not run on there, as if it were alone too.
  store<u64>(cpu, load<u64>(cpu, ICOUNT) + 1, STOP_AT);
  interp(cpu, at, 1);
  store<u32>(cpu, 0, STEPPING);
  if (failed(cpu)) return true;
  store<u32>(cpu, 0, ANSWERS);
  store<u32>(cpu, 0, ANSWER_NEXT);
  // RF holds for one instruction, a repeated one with all its iterations; IRET decides it anew.
  const going = <u32>load<u16>(at) == STRING && load<u64>(cpu, RIP) == rip;
  if ((flags & RF) != 0 && !going && !isSystem(at, SYS_IRET)) store<u32>(cpu, load<u32>(cpu, RFLAGS) & ~RF, RFLAGS);
  let traps = takeHits();
  // TF counts as it was before the instruction (SYSCALL and SYSRET see to that themselves).
  if ((flags & TF) != 0 && !trapDropped && !isSystem(at, SYS_SYSCALL) && !isSystem(at, SYS_SYSRET) && steps(cpu, at, going)) traps |= DR6_BS;
  if (traps) store<u64>(cpu, load<u64>(cpu, PENDING_DB) | traps, PENDING_DB);
  return true;
}

/**
 * TF traps after every instruction, with IA32_DEBUGCTL.BTF after those that branched (SDM vol. 3 section 17.4.3): that went on elsewhere. A
 * conditional branch to the next instruction counts as not taken.
 */
function steps(cpu: usize, at: usize, going: bool): bool {
  if ((load<u64>(cpu, DEBUGCTL) & DEBUGCTL_BTF) == 0) return true;
  const uop = <u32>load<u16>(at);
  if (uop >= JMP_LOCAL && uop <= CALL_M) return true;
  return !going && load<u64>(cpu, RIP) != load<u64>(cpu, NEXT_RIP);
}

// @ts-ignore: decorator
@inline
function isSystem(at: usize, kind: u32): bool {
  return <u32>load<u16>(at) == SYS && <u32>load<u8>(at, 12) == kind;
}

function nothingToFetch(cpu: usize): bool {
  store<u32>(cpu, INTERNAL_FETCH, STATUS_TEXT);
  return false;
}
