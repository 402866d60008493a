/**
 * Records of an exit log as text that tools for KVM read: the lines of `perf script` for the tracepoints kvm:kvm_exit and kvm:kvm_entry.
 *
 * The task is the VM's name, its number 0, the CPU is the vCPU; times are the VM's clock in seconds. info1 is the exit qualification, info2 the guest
 * physical address of a memory exit.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { ADDRESS_REASONS, EXIT_REASON, exitReasonName } from '../exit-reason.ts';

const digits = (value: bigint | number, width: number): string => `0x${value.toString(16).padStart(width, '0')}`;

function stamp(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}

/** The two lines of a record: the exit, and the entry after it. */
export function perfLines(name: string, view: DataView, at: number): string {
  const word = (field: number): bigint => view.getBigUint64(at + field, true);
  const reason = view.getUint8(at + EXIT_RECORD.REASON);
  const vcpu = view.getUint8(at + EXIT_RECORD.VCPU);
  const subject = word(EXIT_RECORD.SUBJECT);
  const exception = reason === EXIT_REASON.EXCEPTION_NMI;
  const information = exception ? subject & 0xffff_ffffn : 0n;
  const errorCode = exception ? subject >> 32n : 0n;
  const info2 = ADDRESS_REASONS.includes(reason) ? subject : 0n;
  const rip = word(EXIT_RECORD.RIP);
  const after = word(EXIT_RECORD.TIME) + BigInt(view.getUint32(at + EXIT_RECORD.COST, true));
  const task = `${name.replaceAll(/\s/g, '_').padStart(16)}     0 [${String(vcpu).padStart(3, '0')}]`;
  const next = BigInt.asUintN(64, rip + BigInt(view.getUint8(at + EXIT_RECORD.LENGTH)));
  return (
    `${task} ${stamp(word(EXIT_RECORD.TIME))}: kvm:kvm_exit: vcpu ${vcpu} reason ${exitReasonName(reason)} rip ${digits(rip, 0)} ` +
    `info1 ${digits(word(EXIT_RECORD.QUALIFICATION), 16)} info2 ${digits(info2, 16)} intr_info ${digits(information, 8)} error_code ${digits(errorCode, 8)}\n` +
    `${task} ${stamp(after)}: kvm:kvm_entry: vcpu ${vcpu}, rip ${digits(next, 0)}\n`
  );
}
