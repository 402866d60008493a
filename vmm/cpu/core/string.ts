/**
 * String instructions (SDM vol. 2: MOVS STOS LODS CMPS SCAS INS OUTS, REP). An iteration is a retired instruction, so a repeated one can stop
 * after any of them, for a deadline or a fault, with rCX, rSI and rDI saying where. What lies in one page of plain RAM on each side is done
 * in one go.
 */
import { breakpointsEnabled, notePort } from './breakpoint';
import { pio } from './env';
import { EXIT_IO_INSTRUCTION, vmentry, vmexit, vmlonger } from './exits';
import { EXC_STEP, EXC_VALID, failed } from './fault';
import { DF, FLAGS_SUB, TF } from './flags';
import { hostRead, hostWrite, probeRead, probeWrite, readMem, segAddr, setEmulated, writeMem } from './mmu';
import { firePio, ioAllowed, keepAnswer, leaveForPort, nextAnswer } from './io';
import { watched } from './probe';
import {
  ANSWER, ANSWER_NEXT, ANSWERS, BURST, EXC, EXIT_GLA, FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, ICOUNT, IO_DATA, KS_INSN_EMULATION, MODE, PROBE_KVM_PIO,
  RAM_BASE, RFLAGS, SLICE_END, STEPPING,
} from './state.gen';

const RAX: usize = 0;
const RCX: usize = 8;
const RDX: usize = 16;
const RSI: usize = 48;
const RDI: usize = 56;
const DONE: i32 = i32.MIN_VALUE;
export const RUN_IO: u32 = 4;

// The instruction at hand.
let asz: u32 = 8;
let mask: u64 = 0;
let seg: u32 = 3;
let width: u32 = 1;
let step: i64 = 1;

/** Runs at most `left` iterations. Returns those retired, with bit 31 set when the instruction is complete; EXC may be set as well. */
export function stringFn(cpu: usize, pc: usize, left: i32): i32 {
  const rep = <u32>load<u8>(pc, 4);
  seg = <u32>load<u8>(pc, 5);
  asz = <u32>load<u8>(pc, 6);
  const op = <u32>load<u8>(pc, 12);
  width = <u32>load<u8>(pc, 13);
  mask = asz == 8 ? 0xffffffffffffffff : asz == 4 ? 0xffffffff : 0xffff;
  step = (load<u32>(cpu, RFLAGS) & DF) != 0 ? -(<i64>width) : <i64>width;
  const io = op < 0x70;
  if (io && load<u32>(cpu, STEPPING) == 0) {
    store<u32>(cpu, EXC_STEP, EXC);
    return 0;
  }
  if (rep == 0) {
    if (io) portString(cpu, op, 1, 0);
    else once(cpu, op);
    return failed(cpu) ? 0 : DONE | 1;
  }
  const count = load<u64>(cpu, RCX) & mask;
  if (count == 0) return DONE | 1;
  if (left < 1) left = 1;
  const single = load<u32>(cpu, STEPPING) != 0 && !io;
  // A burst is one exit: no deadline cuts it, and a slice end only interrupts it. Debug traps come after each iteration.
  const traps = io && ((load<u32>(cpu, RFLAGS) & TF) != 0 || breakpointsEnabled(cpu));
  const limit: u64 = io ? sliceLeft(cpu) : <u64>left;
  const most: u64 = single || traps ? 1 : count < limit ? count : limit;
  if ((op & 0xfe) == 0xa6 || (op & 0xfe) == 0xae) return scan(cpu, op, most, count, rep);
  let done: u64 = 0;
  if (io) done = portString(cpu, op, most, traps ? most : count);
  else {
    while (done < most && !failed(cpu)) {
      // Alone, one iteration goes by the general road, which asks a device once.
      let n: u64 = single ? 0 : (op & 0xfe) == 0xa4 ? moveMany(cpu, most - done) : (op & 0xfe) == 0xaa ? storeMany(cpu, most - done) : 0;
      if (n == 0 && !failed(cpu)) {
        once(cpu, op);
        n = failed(cpu) ? 0 : 1;
      }
      done += n;
    }
  }
  setCount(cpu, count - done, done);
  return done == count ? DONE | <i32>done : <i32>done;
}

/** CMPS and SCAS: stop when ZF differs from the prefix (REPE F3, REPNE F2). */
function scan(cpu: usize, op: u32, most: u64, count: u64, rep: u32): i32 {
  let done: u64 = 0;
  let ended = false;
  while (done < most && !ended) {
    once(cpu, op);
    if (failed(cpu)) break;
    done++;
    ended = (load<u64>(cpu, FLAG_RES) == 0) != (rep == 0xf3);
  }
  setCount(cpu, count - done, done);
  return ended || done == count ? DONE | <i32>done : <i32>done;
}

/** Counts `done` iterations; with none, the counter's upper half stays. */
function setCount(cpu: usize, v: u64, done: u64): void {
  if (done == 0) return;
  if (asz == 2) store<u16>(cpu, <u16>v, RCX);
  else store<u64>(cpu, v & mask, RCX);
}

function advance(cpu: usize, reg: usize, by: i64): void {
  if (asz == 2) store<u16>(cpu + reg, <u16>(load<u16>(cpu + reg) + <u16>by));
  else store<u64>(cpu + reg, (load<u64>(cpu + reg) + <u64>by) & mask);
}

function source(cpu: usize): u64 {
  return segAddr(cpu, seg, load<u64>(cpu, RSI) & mask, width, 0);
}
function target(cpu: usize, write: u32): u64 {
  return segAddr(cpu, 0, load<u64>(cpu, RDI) & mask, width, write);
}
// @ts-ignore: decorator
@inline
function signed(v: u64): i64 {
  return width == 1 ? <i64><i8>v : width == 2 ? <i64><i16>v : width == 4 ? <i64><i32>v : <i64>v;
}

/** One iteration, by the general road. Nothing changes when it fails. */
function once(cpu: usize, op: u32): void {
  switch (op & 0xfe) {
    case 0xa4: {
      // The source is read before the target is looked at.
      const from = source(cpu);
      if (failed(cpu)) return;
      const v = readMem(cpu, from, width, 0);
      if (failed(cpu)) return;
      const to = target(cpu, 1);
      if (failed(cpu)) return;
      writeMem(cpu, to, width, v, 0);
      if (failed(cpu)) return;
      advance(cpu, RSI, step);
      advance(cpu, RDI, step);
      return;
    }
    case 0xaa: {
      const to = target(cpu, 1);
      if (failed(cpu)) return;
      writeMem(cpu, to, width, load<u64>(cpu, RAX), 0);
      if (!failed(cpu)) advance(cpu, RDI, step);
      return;
    }
    case 0xac: {
      const from = source(cpu);
      if (failed(cpu)) return;
      const v = readMem(cpu, from, width, 0);
      if (failed(cpu)) return;
      switch (width) {
        case 1: store<u8>(cpu, <u8>v, RAX); break;
        case 2: store<u16>(cpu, <u16>v, RAX); break;
        default: store<u64>(cpu, v, RAX);
      }
      advance(cpu, RSI, step);
      return;
    }
    case 0xa6: {
      const from = source(cpu);
      if (failed(cpu)) return;
      const a = readMem(cpu, from, width, 0);
      if (failed(cpu)) return;
      const to = target(cpu, 0);
      if (failed(cpu)) return;
      const b = readMem(cpu, to, width, 0);
      if (failed(cpu)) return;
      compare(cpu, signed(a), signed(b));
      advance(cpu, RSI, step);
      advance(cpu, RDI, step);
      return;
    }
    default: {
      const to = target(cpu, 0);
      if (failed(cpu)) return;
      const b = readMem(cpu, to, width, 0);
      if (failed(cpu)) return;
      compare(cpu, signed(load<u64>(cpu, RAX)), signed(b));
      advance(cpu, RDI, step);
    }
  }
}

function compare(cpu: usize, a: i64, b: i64): void {
  store<u32>(cpu, FLAGS_SUB, FLAG_OP);
  store<i64>(cpu, signed(<u64>(a - b)), FLAG_RES);
  store<i64>(cpu, a, FLAG_A);
  store<i64>(cpu, b, FLAG_B);
}

/** Elements from `linear` up to its page's end. */
// @ts-ignore: decorator
@inline
function inPage(linear: u64): u64 {
  return <u64>((4096 - (<u32>linear & 0xfff)) / width);
}
/** Elements before the offset would wrap at the address size; the limit is checked for all of them. */
function inSegment(cpu: usize, s: u32, offset: u64, n: u64, write: u32): bool {
  if (load<u32>(cpu, MODE) == 2 && asz == 8) return true;
  const bytes = n * <u64>width;
  if (offset + bytes - 1 > mask) return false;
  if (load<u32>(cpu, MODE) == 2) return true;
  segAddr(cpu, s, offset, <u32>bytes, write);
  if (!failed(cpu)) return true;
  store<u32>(cpu, 0, EXC);
  return false;
}

/** MOVS of up to `most` elements inside one page on each side, forwards; 0 when it must go one at a time. */
function moveMany(cpu: usize, most: u64): u64 {
  if (step < 0) return 0;
  const si = load<u64>(cpu, RSI) & mask;
  const di = load<u64>(cpu, RDI) & mask;
  const from = source(cpu);
  const to = failed(cpu) ? 0 : target(cpu, 1);
  if (failed(cpu)) {
    store<u32>(cpu, 0, EXC);
    return 0;
  }
  let n = most;
  if (inPage(from) < n) n = inPage(from);
  if (inPage(to) < n) n = inPage(to);
  if (n == 0 || !inSegment(cpu, seg, si, n, 0) || !inSegment(cpu, 0, di, n, 1)) return 0;
  const src = hostRead(cpu, from, width, 0);
  if (src < RAM_BASE) return retry(cpu);
  const dst = hostWrite(cpu, to, width, 0);
  if (dst < RAM_BASE) return retry(cpu);
  const bytes = <u32>n * width;
  if (dst > src && dst - src < bytes) {
    // Overlap forwards repeats the beginning, as one element after another does.
    for (let i: u32 = 0; i < bytes; i += width) memory.copy(dst + i, src + i, width);
  } else memory.copy(dst, src, bytes);
  advance(cpu, RSI, <i64>bytes);
  advance(cpu, RDI, <i64>bytes);
  return n;
}

/** A fault is raised again by the general road, in its order; "run alone" stands. */
function retry(cpu: usize): u64 {
  if (load<u32>(cpu, EXC) != EXC_STEP) store<u32>(cpu, 0, EXC);
  return 0;
}

function storeMany(cpu: usize, most: u64): u64 {
  if (step < 0) return 0;
  const di = load<u64>(cpu, RDI) & mask;
  const to = target(cpu, 1);
  if (failed(cpu)) {
    store<u32>(cpu, 0, EXC);
    return 0;
  }
  let n = most;
  if (inPage(to) < n) n = inPage(to);
  if (n == 0 || !inSegment(cpu, 0, di, n, 1)) return 0;
  const dst = hostWrite(cpu, to, width, 0);
  if (dst < RAM_BASE) return retry(cpu);
  const bytes = <u32>n * width;
  const v = load<u64>(cpu, RAX);
  switch (width) {
    case 1: memory.fill(dst, <u8>v, bytes); break;
    case 2: for (let i: u32 = 0; i < bytes; i += 2) store<u16>(dst + i, <u16>v); break;
    case 4:
      if (<u32>v == 0) memory.fill(dst, 0, bytes);
      else for (let i: u32 = 0; i < bytes; i += 4) store<u32>(dst + i, <u32>v);
      break;
    default:
      if (v == 0) memory.fill(dst, 0, bytes);
      else for (let i: u32 = 0; i < bytes; i += 8) store<u64>(dst + i, v);
  }
  advance(cpu, RDI, <i64>bytes);
  return n;
}

/**
 * INS and OUTS: one exit for a burst up to the page's end (SDM table 28-5 gives the qualification), whatever its memory is. Returns the
 * iterations done. Each iteration is an instruction: what it asked is answered again when it is re-executed after leaving run(), and
 * forgotten when it completes.
 */
function portString(cpu: usize, op: u32, most: u64, count: u64): u64 {
  const out = (op & 2) != 0;
  const port = <u32>load<u16>(cpu, RDX);
  const icount = load<u64>(cpu, ICOUNT);
  const burst = pending;
  pending = 0;
  unfired = 0;
  if (!ioAllowed(cpu, port, width)) return 0;
  // A burst that goes on after leaving run() was counted when it began.
  let counted = load<u32>(cpu, ANSWERS) != 0 || burst != 0;
  let opened = (burst & 2) != 0;
  let done: u64 = 0;
  let page = burst >> 2;
  for (; done < most; done++) {
    const lin = out ? source(cpu) : target(cpu, 1);
    if (failed(cpu)) break;
    if (done == 0 && burst == 0) page = lin >> 12;
    else if (lin >> 12 != page) break;
    // Each iteration asks its device at its own time. (One that is not of the burst leaves the burst's end at the last one's.)
    store<u64>(cpu, icount + done, ICOUNT);
    if (out) probeRead(cpu, lin, width, 0);
    else probeWrite(cpu, lin, width, 0);
    if (failed(cpu)) break;
    if (!counted) {
      store<u64>(cpu, lin, EXIT_GLA);
      store<u64>(cpu, load<u64>(cpu, KS_INSN_EMULATION) + 1, KS_INSN_EMULATION);
      vmexit(cpu, EXIT_IO_INSTRUCTION, <u64>(width - 1) | (out ? 0 : 8) | 16 | (count ? 32 : 0) | (<u64>port << 16));
      if (watched(PROBE_KVM_PIO)) unfired = elements(lin, count);
      opened = true;
      counted = true;
    }
    setEmulated(true);
    portElement(cpu, out, port, lin);
    setEmulated(false);
    if (failed(cpu)) break;
    advance(cpu, out ? RSI : RDI, step);
    store<u32>(cpu, 0, ANSWERS);
    store<u32>(cpu, 0, ANSWER_NEXT);
  }
  // A fault after completed iterations belongs to the next boundary, where other things may come first.
  if (done != 0 && (load<u32>(cpu, EXC) & EXC_VALID) != 0) store<u32>(cpu, 0, EXC);
  if (done == most && done < count && goesOn(cpu, out, page)) {
    store<u64>(cpu, (page << 2) | (opened ? 2 : 0) | 1, BURST);
    return done;
  }
  if (opened) vmentry(cpu);
  else if (counted) vmlonger(cpu);
  return done;
}

/** Elements of the burst whose kvm-pio is to fire with the first of them; 0 = none. */
let unfired: u64 = 0;

/** How many elements a burst has that starts at `lin`: those that start in its page, at most `count` of REP. */
function elements(lin: u64, count: u64): u64 {
  const offset = <u32>lin & 0xfff;
  const inPage = <u64>(step < 0 ? offset / width + 1 : (4095 - offset) / width + 1);
  return count == 0 ? 1 : min<u64>(count, inPage);
}

function fireBurst(cpu: usize, out: bool, port: u32): void {
  const count = unfired;
  unfired = 0;
  firePio(cpu, port, width, out ? 1 : 0, count);
}

/** The burst that a slice end cut: `portString` goes on with it, whatever else runs ends it. */
let pending: u64 = 0;
export function takeBurst(cpu: usize): void {
  pending = load<u64>(cpu, BURST);
  store<u64>(cpu, 0, BURST);
}

/** The next iteration lies in the same page. */
function goesOn(cpu: usize, out: bool, page: u64): bool {
  const next = out ? source(cpu) : target(cpu, 1);
  if (!failed(cpu)) return next >> 12 == page;
  store<u32>(cpu, 0, EXC);
  return false;
}

/** Instructions up to the end of the slice, at least the one that runs. */
function sliceLeft(cpu: usize): u64 {
  const now = load<u64>(cpu, ICOUNT);
  const end = load<u64>(cpu, SLICE_END);
  return end > now ? end - now : 1;
}

/** One iteration, whose memory is known to be there. */
function portElement(cpu: usize, out: bool, port: u32, lin: u64): void {
  const v = out ? readMem(cpu, lin, width, 0) : 0;
  if (failed(cpu)) return;
  notePort(cpu, port, width);
  if (!nextAnswer(cpu)) {
    store<u64>(cpu, v, IO_DATA);
    if (out && unfired != 0) fireBurst(cpu, out, port);
    const answer = pio(cpu, port, width, out ? 1 : 0);
    // When the first element of an input is answered outside, the probe is not kept waiting for it: IO_DATA is still 0.
    if (unfired != 0) fireBurst(cpu, out, port);
    if (answer == 2) {
      leaveForPort(cpu, port, width, out ? 1 : 0);
      return;
    }
    keepAnswer(cpu);
  }
  if (!out) writeMem(cpu, lin, width, load<u64>(cpu, IO_DATA), 0);
}
