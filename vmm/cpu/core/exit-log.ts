/**
 * The exit log: one record for each VM exit, in shared memory, for whoever wants every one of them (`lucid run --events`).
 *
 * Off, it costs a load and a branch per exit. On, a record is begun when the exit opens, and its value and its cost are filled in until the next one
 * begins; when there is no more room the monitor takes what there is. The guest sees none of it, and its clock does not move.
 */
import { exitLog } from './env';
import {
  CLOCK_OFFSET, CPL, CR3, EXIT_GPA, EXIT_INSN_LEN, EXIT_INTR_ERROR, EXIT_INTR_INFO, EXIT_LOG, RECORD_BYTES, RECORD_COST, RECORD_CR3,
  RECORD_FLAGS, RECORD_ICOUNT, RECORD_LENGTH, RECORD_QUALIFICATION, RECORD_REASON, RECORD_RIP, RECORD_SUBJECT, RECORD_TIME, RECORD_VALUE, RECORD_VCPU,
  REGS, VCPU_ID, VM_EXIT_LOG_AT, VM_EXIT_LOG_END,
} from './state.gen';

const HAS_VALUE: u8 = 1;
const RAX: usize = REGS;
const RCX: usize = REGS + 8;

/** Begins a record, if there is a log. */
// @ts-ignore: decorator
@inline
export function logExit(cpu: usize, reason: u32, qualification: u64, rip: u64, icount: u64): void {
  if (load<u32>(VM_EXIT_LOG_AT) != 0) begin(cpu, reason, qualification, rip, icount);
}

function begin(cpu: usize, reason: u32, qualification: u64, rip: u64, icount: u64): void {
  let at = <usize>load<u32>(VM_EXIT_LOG_AT);
  if (at == <usize>load<u32>(VM_EXIT_LOG_END)) {
    exitLog();
    at = <usize>load<u32>(VM_EXIT_LOG_AT);
    if (at == 0) return;
  }
  store<u32>(VM_EXIT_LOG_AT, <u32>(at + RECORD_BYTES));
  store<u64>(at, icount + load<u64>(cpu, CLOCK_OFFSET), RECORD_TIME);
  store<u64>(at, rip, RECORD_RIP);
  store<u64>(at, qualification, RECORD_QUALIFICATION);
  store<u64>(at, subject(cpu, reason), RECORD_SUBJECT);
  store<u64>(at, 0, RECORD_VALUE);
  store<u64>(at, load<u64>(cpu, CR3), RECORD_CR3);
  store<u64>(at, icount, RECORD_ICOUNT);
  store<u32>(at, 0, RECORD_COST);
  store<u8>(at, <u8>reason, RECORD_REASON);
  store<u8>(at, <u8>load<u32>(cpu, VCPU_ID), RECORD_VCPU);
  store<u8>(at, <u8>load<u32>(cpu, EXIT_INSN_LEN), RECORD_LENGTH);
  store<u8>(at, <u8>(load<u32>(cpu, CPL) << 1), RECORD_FLAGS);
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
  const end = <usize>load<u32>(VM_EXIT_LOG_AT);
  if (end <= EXIT_LOG) return 0;
  return <u32>load<u8>(end - RECORD_BYTES, RECORD_VCPU) == load<u32>(cpu, VCPU_ID) ? end - RECORD_BYTES : 0;
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
