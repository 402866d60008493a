/**
 * Chooses records of an exit log: all conditions that are given must hold.
 *
 * Made for hundreds of millions of records: what most conditions look at are bytes and 32-bit words; nothing is allocated for a record.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { ADDRESS_REASONS, EXIT_REASON, MSR_REASONS } from '../exit-reason.ts';

/** A range of 64-bit numbers, both ends included. */
export interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

export interface ExitConditions {
  /** Basic exit reasons. */
  readonly reasons?: readonly number[];
  readonly vcpu?: number;
  /** ns of the VM's clock. */
  readonly time?: Range;
  readonly rip?: Range;
  readonly cr3?: Range;
  /** Of I/O instructions. */
  readonly port?: Range;
  /** Of RDMSR and WRMSR. */
  readonly msr?: Range;
  /** Of EPT violations, device memory and the APIC's page. */
  readonly gpa?: Range;
}

export type ExitFilter = (records: DataView, at: number) => boolean;

const TWO32 = 0x1_0000_0000n;

/** The filter of some conditions. */
export function exitFilter(conditions: ExitConditions): ExitFilter {
  const { reasons, vcpu, time, rip, cr3, port, msr, gpa } = conditions;
  const all: ExitFilter[] = [];
  if (reasons !== undefined) all.push(ofReason(reasons));
  if (vcpu !== undefined) all.push((view, at) => view.getUint8(at + EXIT_RECORD.VCPU) === vcpu);
  if (port !== undefined) {
    const [from, to] = [Number(port.from), Number(port.to)];
    all.push(ofReason([EXIT_REASON.IO_INSTRUCTION]), (view, at) => {
      const number = view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true);
      return number >= from && number <= to;
    });
  }
  if (msr !== undefined) all.push(ofReason(MSR_REASONS), within(EXIT_RECORD.SUBJECT, msr));
  if (gpa !== undefined) all.push(ofReason(ADDRESS_REASONS), within(EXIT_RECORD.SUBJECT, gpa));
  if (time !== undefined) all.push(within(EXIT_RECORD.TIME, time));
  if (rip !== undefined) all.push(within(EXIT_RECORD.RIP, rip));
  if (cr3 !== undefined) all.push(within(EXIT_RECORD.CR3, cr3));
  if (all.length === 0) return () => true;
  if (all.length === 1) return all[0] as ExitFilter;
  return (view, at) => {
    for (let i = 0; i < all.length; i++) if (!(all[i] as ExitFilter)(view, at)) return false;
    return true;
  };
}

function ofReason(reasons: readonly number[]): ExitFilter {
  const wanted = new Uint8Array(256);
  for (const reason of reasons) wanted[reason] = 1;
  return (view, at) => wanted[view.getUint8(at + EXIT_RECORD.REASON)] === 1;
}

/** Compares in two halves, because a bigint for each record costs more than all the rest. */
function within(field: number, { from, to }: Range): ExitFilter {
  const [fromHigh, fromLow, toHigh, toLow] = [from / TWO32, from % TWO32, to / TWO32, to % TWO32].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return (view, at) => {
    const high = view.getUint32(at + field + 4, true);
    if (high < fromHigh || high > toHigh) return false;
    const low = view.getUint32(at + field, true);
    return (high > fromHigh || low >= fromLow) && (high < toHigh || low <= toLow);
  };
}
