/**
 * Records of an exit log as text that tools for KVM read: the lines of `perf script --ns` for the tracepoints kvm:kvm_exit and kvm:kvm_entry, and those of
 * `trace-cmd report -N -t`, which has what the exits were about too.
 *
 * What follows a tracepoint's name is as Linux prints it (arch/x86/kvm/trace.h, include/trace/events/kvm.h). The task is the VM's name, its number one more
 * than the vCPU's (0 is Linux's idle task), the CPU is the vCPU; times are the VM's clock. info1 is the exit qualification, info2 the guest physical address of
 * a memory exit. A call chain stands under its kvm_exit, as `perf script` has it. Left out is what the log has not: CPUID's answers, arguments of hypercalls,
 * the size of an access to a device's page.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { ADDRESS_REASONS, decodeCr, decodeIo, EXIT_REASON, exitReasonName } from '../exit-reason.ts';
import { callChain, timeAt } from './describe.ts';
import { FLAG_VALUE } from './record.ts';

const TWO32 = 0x1_0000_0000;
const SECOND = 1_000_000_000;
const NAME_WIDTH = 16;
const EVENT_WIDTH = 20;
const HAS_ERROR = 0x800;

/** Names an address: `name+0x1c`; undefined when it has none. */
export type Namer = (address: bigint) => string | undefined;

/** The word at `at`, in hexadecimal. */
function hex(view: DataView, at: number, width = 1): string {
  const [high, low] = [view.getUint32(at + 4, true), view.getUint32(at, true)];
  const digits = high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
  return digits.padStart(width, '0');
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');

function stamp(ns: number, width = 0): string {
  const seconds = Math.floor(ns / SECOND);
  return `${String(seconds).padStart(width)}.${String(ns - seconds * SECOND).padStart(9, '0')}`;
}

/** Names of reasons are looked up for every line. */
const REASON_NAMES = Array.from({ length: 256 }, (_, reason) => exitReasonName(reason));

function exitText(view: DataView, at: number): string {
  const reason = view.getUint8(at + EXIT_RECORD.REASON);
  const info2 = ADDRESS_REASONS.includes(reason) ? hex(view, at + EXIT_RECORD.SUBJECT, 16) : '0000000000000000';
  let [information, error] = [0, 0];
  if (reason === EXIT_REASON.EXCEPTION_NMI) {
    information = view.getUint32(at + EXIT_RECORD.SUBJECT, true);
    if (information & HAS_ERROR) error = view.getUint32(at + EXIT_RECORD.SUBJECT + 4, true);
  }
  return (
    `vcpu ${view.getUint8(at + EXIT_RECORD.VCPU)} reason ${REASON_NAMES[reason]} rip 0x${hex(view, at + EXIT_RECORD.RIP)} ` +
    `info1 0x${hex(view, at + EXIT_RECORD.QUALIFICATION, 16)} info2 0x${info2} intr_info 0x${hex32(information)} error_code 0x${hex32(error)}`
  );
}

/** The entry is where the instruction ends. */
function entryText(view: DataView, at: number): string {
  const low = view.getUint32(at + EXIT_RECORD.RIP, true) + view.getUint8(at + EXIT_RECORD.LENGTH);
  const high = (view.getUint32(at + EXIT_RECORD.RIP + 4, true) + (low >= TWO32 ? 1 : 0)) % TWO32;
  const digits = high === 0 ? (low % TWO32).toString(16) : high.toString(16) + hex32(low % TWO32);
  return `vcpu ${view.getUint8(at + EXIT_RECORD.VCPU)}, rip 0x${digits}`;
}

const taskName = (name: string): string => name.replaceAll(/[^!-~]/g, '_') || '_';

/** The lines of an exit as `perf script` prints them. */
export function perfText(vm: string, name: Namer = () => undefined): (view: DataView, at: number, chain: number) => string {
  const task = taskName(vm);
  const padded = task.padStart(NAME_WIDTH);
  const who = (vcpu: number): string => `${String(vcpu + 1).padStart(5)} [${String(vcpu).padStart(3, '0')}]`;
  return (view, at, chain) => {
    const vcpu = view.getUint8(at + EXIT_RECORD.VCPU);
    const number = who(vcpu);
    const time = timeAt(view, at);
    // With a call chain perf does not align the task's name, so that a line that begins with a space is one of the chain.
    const begin = `${chain > 0 ? task : padded} ${number} `;
    return (
      `${begin}${stamp(time)}: kvm:kvm_exit: ${exitText(view, at)}\n${chain > 0 ? chainText(view, at, chain, name) : ''}` +
      `${begin}${stamp(time + view.getUint32(at + EXIT_RECORD.COST, true))}: kvm:kvm_entry: ${entryText(view, at)}\n`
    );
  };
}

/** A call chain under its event, the innermost first, and the empty line that ends it. */
function chainText(view: DataView, at: number, chain: number, name: Namer): string {
  const kernel = ((view.getUint8(at + EXIT_RECORD.FLAGS) >> 1) & 3) === 0;
  let text = '';
  for (const address of [view.getBigUint64(at + EXIT_RECORD.RIP, true), ...callChain(view, at, chain)]) {
    const symbol = name(address);
    const object = kernel || address >> 63n === 1n ? 'guest.kernel.kallsyms' : 'unknown';
    text += `\t${address.toString(16).padStart(16)} ${symbol ?? '[unknown]'} ([${object}])\n`;
  }
  return `${text}\n`;
}

/** What trace-cmd says first. */
export function traceHeader(vcpus: number): string {
  return `cpus=${vcpus}\n`;
}

/** The lines of an exit as `trace-cmd report` prints them. */
export function traceText(vm: string): (view: DataView, at: number) => string {
  const task = taskName(vm).padStart(NAME_WIDTH);
  const event = (name: string): string => `: ${name}: ${' '.repeat(Math.max(0, EVENT_WIDTH - name.length))}`;
  const [exit, inject, entry] = ['kvm_exit', 'kvm_inj_virq', 'kvm_entry'].map(event);
  return (view, at) => {
    const vcpu = view.getUint8(at + EXIT_RECORD.VCPU);
    const time = timeAt(view, at);
    const begin = `${task}-${String(vcpu + 1).padEnd(5)} [${String(vcpu).padStart(3, '0')}] `;
    const first = begin + stamp(time, 5);
    const after = begin + stamp(time + view.getUint32(at + EXIT_RECORD.COST, true), 5);
    const vector = view.getUint8(at + EXIT_RECORD.VECTOR);
    const [what, text] = particulars(view, at);
    return (
      `${first}${exit}${exitText(view, at)}\n` +
      (what === '' ? '' : `${first}${event(what)}${text}\n`) +
      (vector === 0 ? '' : `${after}${inject}IRQ 0x${vector.toString(16)}\n`) +
      `${after}${entry}${entryText(view, at)}\n`
    );
  };
}

const NOTHING = ['', ''] as const;

/** The tracepoint of what KVM does for an exit, when the log has all that it says. */
function particulars(view: DataView, at: number): readonly [name: string, text: string] {
  const reason = view.getUint8(at + EXIT_RECORD.REASON);
  const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
  if (reason === EXIT_REASON.EPT_VIOLATION) return ['kvm_page_fault', faultText(view, at, qualification)];
  if (!(view.getUint8(at + EXIT_RECORD.FLAGS) & FLAG_VALUE)) return NOTHING;
  const value = `0x${hex(view, at + EXIT_RECORD.VALUE)}`;
  switch (reason) {
    case EXIT_REASON.IO_INSTRUCTION: {
      const { port, size, direction } = decodeIo(qualification);
      return ['kvm_pio', `pio_${direction === 'out' ? 'write' : 'read'} at 0x${port.toString(16)} size ${size} count 1 val ${value} `];
    }
    case EXIT_REASON.MSR_READ:
    case EXIT_REASON.MSR_WRITE: {
      const msr = view.getUint32(at + EXIT_RECORD.SUBJECT, true).toString(16);
      return ['kvm_msr', `msr_${reason === EXIT_REASON.MSR_WRITE ? 'write' : 'read'} ${msr} = ${value}`];
    }
    case EXIT_REASON.CR_ACCESS: {
      const { cr, access } = decodeCr(qualification);
      return ['kvm_cr', `cr_${access === 'mov from' ? 'read' : 'write'} ${cr.toString(16)} = ${value}`];
    }
    case EXIT_REASON.APIC_ACCESS: {
      // SDM, "Exit Qualification for APIC-Access VM Exits from Linear Accesses": 0 a read, 1 a write. Registers are 32 bits wide.
      const way = ['read', 'write'][(qualification >>> 12) & 15];
      return way === undefined ? NOTHING : ['kvm_mmio', `mmio ${way} len 4 gpa 0x${hex(view, at + EXIT_RECORD.SUBJECT)} val ${value}`];
    }
    default:
      return NOTHING;
  }
}

/** KVM makes a page fault's error code of the qualification (PFERR_*). */
function faultText(view: DataView, at: number, qualification: number): string {
  const bit = (mask: number, error: number): number => (qualification & mask ? error : 0);
  const low = bit(1, 4) | bit(2, 2) | bit(4, 0x10) | bit(0x38, 1);
  const high = bit(0x80, qualification & 0x100 ? 1 : 2);
  const code = high === 0 ? low.toString(16) : high.toString(16) + hex32(low);
  const where = `vcpu ${view.getUint8(at + EXIT_RECORD.VCPU)} rip 0x${hex(view, at + EXIT_RECORD.RIP)}`;
  return `${where} address 0x${hex(view, at + EXIT_RECORD.SUBJECT, 16)} error_code 0x${code}`;
}
