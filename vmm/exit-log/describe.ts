/**
 * One record of the exit log, for people and for other programs.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import { EXIT_RECORD } from '../cpu/layout.ts';
import { decodeCr, decodeIo, EXIT_REASON, exitReasonName } from '../exit-reason.ts';
import { FLAG_VALUE } from './record.ts';

/** A record as plain data; addresses and values of 64 bits are text in hexadecimal, as JSON has no such numbers. */
export interface ExitEvent {
  /** ns of the VM's clock. */
  readonly time: number;
  readonly vcpu: number;
  readonly reason: string;
  readonly rip: string;
  readonly cpl: number;
  /** Size of the code: 16, 32 or 64. */
  readonly bits: number;
  readonly length: number;
  readonly instructions: number;
  readonly costNs: number;
  readonly cr3: string;
  readonly qualification: string;
  readonly port?: number;
  readonly size?: number;
  readonly direction?: 'in' | 'out';
  readonly string?: boolean;
  readonly msr?: string;
  readonly gpa?: string;
  readonly leaf?: string;
  readonly subleaf?: string;
  readonly vector?: number;
  readonly errorCode?: string;
  /** VM-exit interruption information (SDM vol. 3, 25.9.2). */
  readonly interruption?: string;
  readonly cr?: number;
  readonly access?: string;
  readonly hypercall?: string;
  readonly xcr?: string;
  readonly value?: string;
  /** Vector of the interrupt that was injected at the entry that follows. */
  readonly injected?: number;
  /** Bytes at RIP, in hexadecimal: the instruction, and what comes after it. */
  readonly code?: string;
  /** Return addresses by frame pointer, the innermost first. */
  readonly stack?: readonly string[];
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const EXCEPTION_HAS_ERROR = 0x800;

/** The exit whose record stands at `at`, with `chain` records of its call chain behind it. */
export function eventAt(view: DataView, at: number, chain: number): ExitEvent {
  const word = (field: number): bigint => view.getBigUint64(at + field, true);
  const reason = view.getUint8(at + EXIT_RECORD.REASON);
  const flags = view.getUint8(at + EXIT_RECORD.FLAGS);
  const injected = view.getUint8(at + EXIT_RECORD.VECTOR);
  return {
    time: Number(word(EXIT_RECORD.TIME)),
    vcpu: view.getUint8(at + EXIT_RECORD.VCPU),
    reason: exitReasonName(reason),
    rip: hex(word(EXIT_RECORD.RIP)),
    cpl: (flags >> 1) & 3,
    bits: codeBits(view, at),
    length: view.getUint8(at + EXIT_RECORD.LENGTH),
    instructions: instructionsAt(view, at),
    costNs: view.getUint32(at + EXIT_RECORD.COST, true),
    cr3: hex(word(EXIT_RECORD.CR3)),
    qualification: hex(word(EXIT_RECORD.QUALIFICATION)),
    ...particulars(reason, Number(word(EXIT_RECORD.QUALIFICATION) & 0xffff_ffffn), word(EXIT_RECORD.SUBJECT)),
    ...(flags & FLAG_VALUE ? { value: hex(word(EXIT_RECORD.VALUE)) } : undefined),
    ...(injected > 0 ? { injected } : undefined),
    ...(chain > 0 ? { code: Buffer.from(codeAt(view, at, chain)).toString('hex'), stack: callChain(view, at, chain).map(hex) } : undefined),
  };
}

/** The VM's clock at a record, ns. */
export function timeAt(view: DataView, at: number): number {
  return view.getUint32(at + EXIT_RECORD.TIME + 4, true) * 0x1_0000_0000 + view.getUint32(at + EXIT_RECORD.TIME, true);
}

/** A watched address that was reached. */
export interface MarkEvent {
  readonly time: number;
  readonly vcpu: number;
  readonly mark: string;
  readonly cpl: number;
  readonly instructions: number;
  readonly cr3: string;
}

/** What the guest wrote to a virtio console: a character for each byte. */
export interface TextEvent {
  readonly text: string;
}

/** The mark or the text whose record stands at `at`. */
export function asideAt(view: DataView, at: number): MarkEvent | TextEvent {
  if (view.getUint8(at + EXIT_RECORD.REASON) === EXIT_RECORD.TEXT_REASON) return { text: Buffer.from(textAt(view, at)).toString('latin1') };
  return {
    time: Number(view.getBigUint64(at + EXIT_RECORD.TIME, true)),
    vcpu: view.getUint8(at + EXIT_RECORD.VCPU),
    mark: hex(view.getBigUint64(at + EXIT_RECORD.RIP, true)),
    cpl: (view.getUint8(at + EXIT_RECORD.FLAGS) >> 1) & 3,
    instructions: instructionsAt(view, at),
    cr3: hex(view.getBigUint64(at + EXIT_RECORD.CR3, true)),
  };
}

const NOTHING = new Uint8Array(0);

/** What a record says on a virtio console: the bytes of one of text, none of any other. */
export function textAt(view: DataView, at: number): Uint8Array {
  if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_RECORD.TEXT_REASON) return NOTHING;
  const count = Math.min(view.getUint8(at + EXIT_RECORD.TEXT_COUNT), EXIT_RECORD.TEXT_EACH);
  return new Uint8Array(view.buffer, view.byteOffset + at, count);
}

/** Instructions that the vCPU had retired. */
export function instructionsAt(view: DataView, at: number): number {
  return (view.getUint32(at + EXIT_RECORD.ICOUNT + 4, true) & 0xff_ffff) * 0x1_0000_0000 + view.getUint32(at + EXIT_RECORD.ICOUNT, true);
}

/** Return addresses of an exit, the innermost first. */
export function callChain(view: DataView, at: number, chain: number): bigint[] {
  const addresses: bigint[] = [];
  for (let i = 1; i <= chain; i++) {
    const record = at + i * EXIT_RECORD.BYTES;
    const [from, most] = i === 1 ? [record + 16, EXIT_RECORD.CHAIN_FIRST] : [record, EXIT_RECORD.CHAIN_EACH];
    const count = Math.min(view.getUint8(record + EXIT_RECORD.CHAIN_COUNT), most);
    for (let n = 0; n < count; n++) addresses.push(view.getBigUint64(from + 8 * n, true));
  }
  return addresses;
}

/** Puts RIP and the return addresses of an exit into `words`, the innermost first, the upper half of each before the lower; how many words. */
export function chainWords(view: DataView, at: number, chain: number, words: Uint32Array): number {
  let length = putAddress(view, at + EXIT_RECORD.RIP, words, 0);
  for (let i = 1; i <= chain; i++) {
    const record = at + i * EXIT_RECORD.BYTES;
    const most = i === 1 ? EXIT_RECORD.CHAIN_FIRST : EXIT_RECORD.CHAIN_EACH;
    const count = Math.min(view.getUint8(record + EXIT_RECORD.CHAIN_COUNT), most);
    for (let n = 0; n < count; n++) length = putAddress(view, record + (i === 1 ? 16 : 0) + 8 * n, words, length);
  }
  return length;
}

/** Words of the longest call chain. */
export const CHAIN_WORDS = 2 * (1 + EXIT_RECORD.CHAIN_MAX);

function putAddress(view: DataView, at: number, words: Uint32Array, length: number): number {
  words[length] = view.getUint32(at + 4, true);
  words[length + 1] = view.getUint32(at, true);
  return length + 2;
}

/** Bytes at the exiting instruction, at most 15; none when they were not kept. */
export function codeAt(view: DataView, at: number, chain: number): Uint8Array {
  const record = at + EXIT_RECORD.BYTES;
  const length = chain === 0 ? 0 : Math.min(view.getUint8(record + EXIT_RECORD.CODE_LENGTH), EXIT_RECORD.CODE_LENGTH);
  return new Uint8Array(view.buffer, view.byteOffset + record, length);
}

/** 16, 32 or 64: the code's size. */
export function codeBits(view: DataView, at: number): 16 | 32 | 64 {
  return ([16, 32, 64] as const)[(view.getUint8(at + EXIT_RECORD.FLAGS) >> 3) & 3] ?? 64;
}

function particulars(reason: number, qualification: number, subject: bigint): Partial<ExitEvent> {
  const low = Number(subject & 0xffff_ffffn);
  const high = Number(subject >> 32n);
  switch (reason) {
    case EXIT_REASON.IO_INSTRUCTION: {
      const { port, size, direction, string } = decodeIo(qualification);
      return { port, size, direction, ...(string ? { string } : undefined) };
    }
    case EXIT_REASON.MSR_READ:
    case EXIT_REASON.MSR_WRITE:
      return { msr: hex(low) };
    case EXIT_REASON.APIC_ACCESS:
    case EXIT_REASON.EPT_VIOLATION:
    case EXIT_REASON.EPT_MISCONFIG:
      return { gpa: hex(subject) };
    case EXIT_REASON.CPUID:
      return { leaf: hex(low), subleaf: hex(high) };
    case EXIT_REASON.EXCEPTION_NMI:
      return { vector: low & 0xff, interruption: hex(low), ...(low & EXCEPTION_HAS_ERROR ? { errorCode: hex(high) } : undefined) };
    case EXIT_REASON.CR_ACCESS: {
      const { cr, access } = decodeCr(qualification);
      return { cr, access };
    }
    case EXIT_REASON.VMCALL:
      return { hypercall: hex(subject) };
    case EXIT_REASON.XSETBV:
      return { xcr: hex(subject) };
    default:
      return {};
  }
}
