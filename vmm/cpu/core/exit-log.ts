/**
 * The exit log: one record for each VM exit, in shared memory, for whoever wants every one of them (`lucid run --events`).
 *
 * Off, it costs a load and a branch per exit. On, a record is begun when the exit opens, and its value and its cost are filled in until the next one
 * begins; when there is no more room the monitor takes what there is. The guest sees none of it, and its clock does not move.
 */
import { isCanonical } from './canonical';
import { exitLog } from './env';
import { A_READ, translate } from './mmu';
import {
  CLOCK_OFFSET, CODE_BASE, CPL, CR3, EXIT_GPA, EXIT_INSN_LEN, EXIT_INTR_ERROR, EXIT_INTR_INFO, ICOUNT, MODE, RECORD_BYTES, RECORD_CHAIN_COUNT, RECORD_CHAIN_EACH, RECORD_CHAIN_FIRST, RECORD_CHAIN_REASON, RECORD_CODE_LENGTH, RECORD_COST, RECORD_MARK_REASON, RECORD_CR3,
  RECORD_FLAGS, RECORD_ICOUNT, RECORD_LENGTH, RECORD_QUALIFICATION, RECORD_REASON, RECORD_RIP, RECORD_SUBJECT, RECORD_TIME, RECORD_VALUE, RECORD_VCPU, RECORD_VECTOR,
  REGS, RIP, SEG_BASE, VCPU_ID, VM_EXIT_LOG_AT, VM_EXIT_LOG_CHAIN, VM_EXIT_LOG_END, VM_EXIT_LOG_LAST,
} from './state.gen';

const HAS_VALUE: u8 = 1;
/** The byte above holds the vector: so many instructions take years. */
const ICOUNT_MASK: u64 = 0x00ff_ffff_ffff_ffff;
const RAX: usize = REGS;
const RCX: usize = REGS + 8;
const RBP: usize = REGS + 5 * 8;
const SS_BASE: usize = SEG_BASE + 2 * 32;

/** Begins a record, if there is a log. */
// @ts-ignore: decorator
@inline
export function logExit(cpu: usize, reason: u32, qualification: u64, rip: u64, icount: u64): void {
  if (load<u32>(VM_EXIT_LOG_AT) != 0) begin(cpu, reason, qualification, rip, icount);
}

function begin(cpu: usize, reason: u32, qualification: u64, rip: u64, icount: u64): void {
  const at = open(cpu, reason, rip, icount);
  if (at == 0) return;
  store<u64>(at, qualification, RECORD_QUALIFICATION);
  store<u64>(at, subject(cpu, reason), RECORD_SUBJECT);
  store<u8>(at, <u8>load<u32>(cpu, EXIT_INSN_LEN), RECORD_LENGTH);
  if (load<u32>(VM_EXIT_LOG_CHAIN) != 0) chain(cpu);
}

/** A watched address is reached, if there is a log: a record that is no exit. What came before is complete. */
export function logMark(cpu: usize, linear: u64): void {
  if (load<u32>(VM_EXIT_LOG_AT) != 0) open(cpu, <u32>RECORD_MARK_REASON, linear, load<u64>(cpu, ICOUNT));
}

/** A record with what every one has; 0 when the log has ended. */
function open(cpu: usize, reason: u32, rip: u64, icount: u64): usize {
  if (<usize>load<u32>(VM_EXIT_LOG_AT) + 3 * RECORD_BYTES > <usize>load<u32>(VM_EXIT_LOG_END)) {
    exitLog();
    if (load<u32>(VM_EXIT_LOG_AT) == 0) return 0;
  }
  const at = take();
  memory.fill(at, 0, RECORD_BYTES);
  store<u32>(VM_EXIT_LOG_LAST, <u32>at);
  store<u64>(at, icount + load<u64>(cpu, CLOCK_OFFSET), RECORD_TIME);
  store<u64>(at, rip, RECORD_RIP);
  store<u64>(at, load<u64>(cpu, CR3), RECORD_CR3);
  store<u64>(at, icount & ICOUNT_MASK, RECORD_ICOUNT);
  store<u8>(at, <u8>reason, RECORD_REASON);
  store<u8>(at, <u8>load<u32>(cpu, VCPU_ID), RECORD_VCPU);
  store<u8>(at, <u8>((load<u32>(cpu, CPL) << 1) | (load<u32>(cpu, MODE) << 3)), RECORD_FLAGS);
  return at;
}

function take(): usize {
  const at = <usize>load<u32>(VM_EXIT_LOG_AT);
  store<u32>(VM_EXIT_LOG_AT, <u32>(at + RECORD_BYTES));
  return at;
}

/** A record that goes on with an exit's. */
function more(cpu: usize): usize {
  const at = take();
  memory.fill(at, 0, RECORD_BYTES);
  store<u8>(at, <u8>RECORD_CHAIN_REASON, RECORD_REASON);
  store<u8>(at, <u8>load<u32>(cpu, VCPU_ID), RECORD_VCPU);
  return at;
}

/**
 * Notes the bytes of the exiting instruction, and the return addresses above it, by frame pointer: two words at RBP, the caller's RBP and the address. The
 * walk ends at the first that cannot be, and has no side effects (as `stack()` of D, `probes/runtime/stack.ts`).
 */
function chain(cpu: usize): void {
  let to = more(cpu);
  code(cpu, to);
  const bytes: u64 = load<u32>(cpu, MODE) == 2 ? 8 : load<u32>(cpu, MODE) == 1 ? 4 : 2;
  const base: u64 = bytes == 8 ? 0 : load<u64>(cpu, SS_BASE);
  let frame = load<u64>(cpu, RBP);
  if (bytes != 8) frame &= (<u64>1 << (bytes << 3)) - 1;
  const side = frame >> 63;
  const most = load<u32>(VM_EXIT_LOG_CHAIN);
  let room: u32 = <u32>RECORD_CHAIN_FIRST;
  let place = to + 2 * 8;
  for (let count: u32 = 1; count < most && frame != 0 && (frame & (bytes - 1)) == 0 && frame >> 63 == side; count++) {
    const next = guestWord(cpu, base + frame, bytes);
    if (!readable) return;
    const pc = guestWord(cpu, base + frame + bytes, bytes);
    if (!readable || pc == 0 || (bytes == 8 && !isCanonical(cpu, pc))) return;
    if (room == 0) {
      to = more(cpu);
      place = to;
      room = <u32>RECORD_CHAIN_EACH;
    }
    store<u64>(place, pc);
    place += 8;
    room--;
    store<u8>(to, load<u8>(to, RECORD_CHAIN_COUNT) + 1, RECORD_CHAIN_COUNT);
    if (next <= frame) return;
    frame = next;
  }
}

/** The bytes at CS:RIP, as many as an instruction can have and there are. */
function code(cpu: usize, to: usize): void {
  let linear = load<u64>(cpu, RIP) + load<u64>(cpu, CODE_BASE);
  if (load<u32>(cpu, MODE) != 2) linear &= 0xffffffff;
  let count: u32 = 0;
  while (count < 15) {
    const host = translate(cpu, <u32>(linear + count), <u32>((linear + count) >> 32), A_READ);
    if (host == 0) break;
    const page: u32 = 4096 - (<u32>(linear + count) & 0xfff);
    const part: u32 = page < 15 - count ? page : 15 - count;
    memory.copy(to + count, host, part);
    count += part;
  }
  store<u8>(to, <u8>count, RECORD_CODE_LENGTH);
}

let readable: bool = false;
function guestWord(cpu: usize, linear: u64, bytes: u64): u64 {
  const host = (linear & 0xfff) + bytes <= 4096 ? translate(cpu, <u32>linear, <u32>(linear >> 32), A_READ) : 0;
  readable = host != 0;
  if (host == 0) return 0;
  return bytes == 8 ? load<u64>(host) : bytes == 4 ? <u64>load<u32>(host) : <u64>load<u16>(host);
}

/** What the exit is about, where the qualification does not say it. */
function subject(cpu: usize, reason: u32): u64 {
  switch (reason) {
    case 0: return <u64>load<u32>(cpu, EXIT_INTR_INFO) | (<u64>load<u32>(cpu, EXIT_INTR_ERROR) << 32);
    case 10: return (load<u64>(cpu, RAX) & 0xffffffff) | (load<u64>(cpu, RCX) << 32);
    case 18: return load<u64>(cpu, RAX);
    case 31: case 32: case 55: return load<u64>(cpu, RCX) & 0xffffffff;
    case 44: case 48: case 49: return load<u64>(cpu, EXIT_GPA);
    default: return 0;
  }
}

/** The record of this vCPU's last exit; 0 when there is none any more. */
// @ts-ignore: decorator
@inline
function last(cpu: usize): usize {
  const at = <usize>load<u32>(VM_EXIT_LOG_LAST);
  return at != 0 && <u32>load<u8>(at, RECORD_VCPU) == load<u32>(cpu, VCPU_ID) ? at : 0;
}

/** What was read or written. */
export function logValue(cpu: usize, value: u64): void {
  const at = last(cpu);
  if (at == 0) return;
  store<u64>(at, value, RECORD_VALUE);
  store<u8>(at, load<u8>(at, RECORD_FLAGS) | HAS_VALUE, RECORD_FLAGS);
}

/** So many ns of the VM's clock passed for it. */
export function logCost(cpu: usize, cost: u64): void {
  const at = last(cpu);
  if (at != 0) store<u32>(at, load<u32>(at, RECORD_COST) + <u32>cost, RECORD_COST);
}

/** An interrupt is injected at the entry that follows. */
export function logVector(cpu: usize, vector: u32): void {
  const at = last(cpu);
  if (at != 0) store<u8>(at, <u8>vector, RECORD_VECTOR);
}
