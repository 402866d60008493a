/**
 * Port I/O: who may (SDM vol. 1 chapter 19), and the exit it is.
 */
import { notePort } from './breakpoint';
import { pio } from './env';
import { EXIT_IO_INSTRUCTION, vmentry, vmexit } from './exits';
import { logValue } from './exit-log';
import { EXC_LEAVE, failed, raiseError, SEG_TR, VEC_GP } from './fault';
import { A_SUPER, readMem } from './mmu';
import { fire, watched } from './probe';
import { RUN_IO } from './string';
import {
  ANSWER, ANSWER_NEXT, ANSWERS, CPL, EXC, IO_COUNT, IO_DATA, IO_PORT, IO_SIZE, IO_WRITE, PROBE_KVM_PIO, PROT, RFLAGS, RUN_EXIT, SEG_AR,
  SEG_BASE, SEG_LIMIT,
} from './state.gen';

/** Checks IOPL and the TSS's permission bitmap; raises #GP(0). */
export function ioAllowed(cpu: usize, port: u32, size: u32): bool {
  const prot = load<u32>(cpu, PROT);
  if (prot == 0) return true;
  if (prot == 1 && load<u32>(cpu, CPL) <= ((load<u32>(cpu, RFLAGS) >> 12) & 3)) return true;
  const tr = cpu + (<usize>SEG_TR << 5);
  const ar = load<u32>(tr, SEG_AR);
  const limit = load<u32>(tr, SEG_LIMIT);
  // A 32- or 64-bit TSS (type 9 or 11) has the bitmap's offset at 66h.
  let allowed = false;
  if ((ar & 0x10000) == 0 && ((ar & 15) == 9 || (ar & 15) == 11) && limit >= 0x67) {
    const base = load<u64>(tr, SEG_BASE);
    const map = <u32>readMem(cpu, base + 0x66, 2, A_SUPER);
    if (failed(cpu)) return false;
    const at = map + (port >> 3);
    // Two bytes are read, so the last one of the bitmap is followed by a byte of ones.
    if (at + 1 <= limit) {
      const bits = <u32>readMem(cpu, base + <u64>at, 2, A_SUPER);
      if (failed(cpu)) return false;
      allowed = ((bits >> (port & 7)) & ((1 << size) - 1)) == 0;
    }
  }
  if (!allowed) raiseError(cpu, VEC_GP, 0);
  return allowed;
}

/** Takes the answer that an access of this instruction got when it was run before (see `Vcpu.run`) into IO_DATA; false when it is a new one. */
export function nextAnswer(cpu: usize): bool {
  const next = load<u32>(cpu, ANSWER_NEXT);
  if (next >= load<u32>(cpu, ANSWERS)) return false;
  store<u64>(cpu, load<u64>(cpu + (<usize>next << 3), ANSWER), IO_DATA);
  store<u32>(cpu, next + 1, ANSWER_NEXT);
  return true;
}

/** Keeps IO_DATA as the answer of the access just made, for the case that a later one of the same instruction leaves run(). */
export function keepAnswer(cpu: usize): void {
  const n = load<u32>(cpu, ANSWER_NEXT);
  store<u64>(cpu + (<usize>n << 3), load<u64>(cpu, IO_DATA), ANSWER);
  store<u32>(cpu, n + 1, ANSWERS);
  store<u32>(cpu, n + 1, ANSWER_NEXT);
}

/** Leaves run() with a port access; its data stands in IO_DATA. */
export function leaveForPort(cpu: usize, port: u32, size: u32, write: u32): void {
  store<u32>(cpu, port, IO_PORT);
  store<u32>(cpu, size, IO_SIZE);
  store<u32>(cpu, write, IO_WRITE);
  store<u32>(cpu, 1, IO_COUNT);
  store<u32>(cpu, RUN_IO, RUN_EXIT);
  store<u32>(cpu, EXC_LEAVE, EXC);
}

/** kvm-pio, for `count` elements of which the first is in IO_DATA (0 when it is not known yet). */
export function firePio(cpu: usize, port: u32, size: u32, write: u32, count: u64): void {
  const value = load<u64>(cpu, IO_DATA);
  fire(cpu, PROBE_KVM_PIO, <u64>write, <u64>port, <u64>size, count, size == 4 ? value & 0xffffffff : value & (((<u64>1) << (size << 3)) - 1));
}

/** One access; data in IO_DATA. False: EXC is set. The qualification is SDM table 28-5's. */
export function portAccess(cpu: usize, port: u32, size: u32, write: u32, immediate: bool): bool {
  notePort(cpu, port, size);
  if (nextAnswer(cpu)) {
    if (write == 0 && watched(PROBE_KVM_PIO)) firePio(cpu, port, size, write, 1);
    return true;
  }
  if (!ioAllowed(cpu, port, size)) return false;
  vmexit(cpu, EXIT_IO_INSTRUCTION, <u64>(size - 1) | (write ? 0 : 8) | (immediate ? 64 : 0) | (<u64>port << 16));
  // What is written is known before the device acts, what is read after it has.
  if (write != 0 && watched(PROBE_KVM_PIO)) firePio(cpu, port, size, write, 1);
  const answer = pio(cpu, port, size, write);
  if (write == 0 && answer != 2 && watched(PROBE_KVM_PIO)) firePio(cpu, port, size, write, 1);
  if (answer != 2) logValue(cpu, size == 4 ? load<u64>(cpu, IO_DATA) & 0xffffffff : load<u64>(cpu, IO_DATA) & (((<u64>1) << (size << 3)) - 1));
  vmentry(cpu);
  if (answer != 2) return true;
  leaveForPort(cpu, port, size, write);
  return false;
}
