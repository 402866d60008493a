/**
 * What an exit is for, as one number: its reason and what it asks for (a port and its direction, an MSR, a CPUID leaf, a device's page, a register).
 *
 * Addresses of code and data are no part of it, so two runs of two builds of a guest can be compared by it.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON, describeQualification, exitReasonName } from '../exit-reason.ts';

/** Room for the detail below the reason; the whole is an integer below 2^47. */
const DETAIL = 2 ** 40;
/** Added to a port's number when the guest writes. */
export const OUT = 0x1_0000;
/** Bits of a qualification that say what was asked for: the register and the way, not the general register of a MOV. */
const CR_BITS = 0x3f;
const DR_BITS = 0x17;
const EPT_BITS = 7;
const APIC_BITS = 0xffff;

function detail(view: DataView, at: number, reason: number): number {
  const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
  const subject = (): number => view.getUint32(at + EXIT_RECORD.SUBJECT, true);
  switch (reason) {
    case EXIT_REASON.IO_INSTRUCTION:
      return (qualification >>> 16) + (qualification & 8 ? 0 : OUT);
    case EXIT_REASON.MSR_READ:
    case EXIT_REASON.MSR_WRITE:
    case EXIT_REASON.CPUID:
    case EXIT_REASON.VMCALL:
    case EXIT_REASON.XSETBV:
      return subject();
    case EXIT_REASON.EPT_MISCONFIG:
      return (view.getUint32(at + EXIT_RECORD.SUBJECT + 4, true) * 2 ** 20 + (subject() >>> 12)) % DETAIL;
    case EXIT_REASON.EPT_VIOLATION:
      return qualification & EPT_BITS;
    case EXIT_REASON.APIC_ACCESS:
      return qualification & APIC_BITS;
    case EXIT_REASON.CR_ACCESS:
      return qualification & CR_BITS;
    case EXIT_REASON.DR_ACCESS:
      return qualification & DR_BITS;
    case EXIT_REASON.EXCEPTION_NMI:
      return subject() & 0xff;
    default:
      return 0;
  }
}

/** The cause of the exit whose record stands at `at`. */
export function causeOf(view: DataView, at: number): number {
  const reason = view.getUint8(at + EXIT_RECORD.REASON);
  return causeNumber(reason, detail(view, at, reason));
}

/** The cause that is a reason with its detail. */
export function causeNumber(reason: number, of: number): number {
  return reason * DETAIL + of;
}

/** What `causeNumber` put together. */
export function causeParts(cause: number): { readonly reason: number; readonly of: number } {
  return { reason: Math.floor(cause / DETAIL), of: cause % DETAIL };
}

/** `IO_INSTRUCTION out 0x3f8`. */
export function causeName(cause: number): string {
  const { reason, of } = causeParts(cause);
  const what = nameOf(reason, of);
  return what === '' ? exitReasonName(reason) : `${exitReasonName(reason)} ${what}`;
}

function nameOf(reason: number, of: number): string {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  switch (reason) {
    case EXIT_REASON.IO_INSTRUCTION:
      return `${of >= OUT ? 'out' : 'in'} ${hex(of % OUT)}`;
    case EXIT_REASON.MSR_READ:
    case EXIT_REASON.MSR_WRITE:
    case EXIT_REASON.VMCALL:
    case EXIT_REASON.XSETBV:
      return hex(of);
    case EXIT_REASON.CPUID:
      return `leaf ${hex(of)}`;
    case EXIT_REASON.EPT_MISCONFIG:
      return `page ${hex(of * 4096)}`;
    case EXIT_REASON.EXCEPTION_NMI:
      return `vector ${of}`;
    case EXIT_REASON.CR_ACCESS:
    case EXIT_REASON.DR_ACCESS:
      // Without the general register, which is always RAX here.
      return describeQualification(reason, of)
        .replace(/, rax$/, '')
        .replace('rax, ', '');
    default:
      return describeQualification(reason, of);
  }
}
