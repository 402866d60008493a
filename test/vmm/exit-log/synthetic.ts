/**
 * Exit logs as long as one likes, made without a guest: exits of the kinds that a booting Linux has, at random but always the same.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { closingRecord, headerOf, RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { EXIT_REASON } from '../../../vmm/exit-reason.ts';

export interface SyntheticOptions {
  readonly exits: number;
  /** Return addresses with each exit; without, no call chains are kept. */
  readonly stack?: number;
  /** Different addresses of instructions; 4096 without. */
  readonly addresses?: number;
  /** No closing record: as of a run that was killed. */
  readonly open?: boolean;
}

const KERNEL_HIGH = 0xffff_ffff;
const KERNEL_LOW = 0x8100_0000;
const REASONS = [
  EXIT_REASON.IO_INSTRUCTION,
  EXIT_REASON.IO_INSTRUCTION,
  EXIT_REASON.IO_INSTRUCTION,
  EXIT_REASON.MSR_WRITE,
  EXIT_REASON.EPT_MISCONFIG,
  EXIT_REASON.CPUID,
  EXIT_REASON.HLT,
  EXIT_REASON.EXCEPTION_NMI,
];
const PORTS = [0x3f8, 0x3fd, 0x71, 0x80, 0xcf8];
const MSRS = [0x10, 0x6e0, 0x80b, 0xc000_0080];
const WRITING = 1;

/** What an exit is about: qualification and subject, by its reason and some random bits. */
function about(view: DataView, at: number, reason: number, bits: number): void {
  let qualification = 0;
  let [subject, high] = [0, 0];
  if (reason === EXIT_REASON.IO_INSTRUCTION) qualification = ((PORTS[bits % PORTS.length] as number) << 16) | (bits & 8);
  else if (reason === EXIT_REASON.MSR_WRITE) subject = MSRS[bits & 3] as number;
  else if (reason === EXIT_REASON.EPT_MISCONFIG) subject = 0xfee0_0000 + (bits & 0xff0);
  else if (reason === EXIT_REASON.CPUID) [subject, high] = [bits & 7, bits & WRITING];
  else if (reason === EXIT_REASON.EXCEPTION_NMI) [subject, high] = [0x8000_0b0e, 2];
  view.setUint32(at + EXIT_RECORD.QUALIFICATION, qualification, true);
  view.setUint32(at + EXIT_RECORD.SUBJECT, subject, true);
  view.setUint32(at + EXIT_RECORD.SUBJECT + 4, high, true);
}

function address(view: DataView, at: number, offset: number): void {
  view.setUint32(at, KERNEL_LOW + offset, true);
  view.setUint32(at + 4, KERNEL_HIGH, true);
}

/** The log in pieces of many whole exits; a piece is its own only until the next is asked for. */
export function* syntheticLog({ exits, stack, addresses = 4096, open = false }: SyntheticOptions): Generator<Uint8Array> {
  yield headerOf({ name: 'synthetic', vcpus: 2 });
  const chain = stack === undefined ? 0 : stack > EXIT_RECORD.CHAIN_FIRST ? 2 : 1;
  const each = (1 + chain) * RECORD_BYTES;
  const most = Math.min(exits, 1 << 15);
  const bytes = new Uint8Array(most * each);
  const view = new DataView(bytes.buffer);
  let [time, seed] = [0, 1];
  for (let done = 0; done < exits; done += most) {
    const count = Math.min(most, exits - done);
    for (let i = 0; i < count; i++) {
      const at = i * each;
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      const bits = seed >>> 8;
      time += 1000 + (bits & 1023);
      view.setUint32(at + EXIT_RECORD.TIME, time % 0x1_0000_0000, true);
      view.setUint32(at + EXIT_RECORD.TIME + 4, Math.floor(time / 0x1_0000_0000), true);
      address(view, at + EXIT_RECORD.RIP, (bits % addresses) * 2);
      view.setUint32(at + EXIT_RECORD.CR3, 0x10_0000 + ((bits & 7) << 12), true);
      view.setUint32(at + EXIT_RECORD.ICOUNT, done + i, true);
      view.setUint8(at + EXIT_RECORD.VECTOR, (bits & 63) === 0 ? 0xec : 0);
      view.setUint32(at + EXIT_RECORD.COST, 1000 + (bits & 511), true);
      const reason = REASONS[(bits >> 3) & 7] as number;
      view.setUint8(at + EXIT_RECORD.REASON, reason);
      view.setUint8(at + EXIT_RECORD.VCPU, (bits >> 6) & 1);
      view.setUint8(at + EXIT_RECORD.LENGTH, 2);
      view.setUint8(at + EXIT_RECORD.FLAGS, 0x10);
      about(view, at, reason, bits);
      if (stack !== undefined) frames(view, at + RECORD_BYTES, stack, bits);
    }
    yield bytes.subarray(0, count * each);
  }
  if (!open) yield closingRecord(exits, time, exits);
}

function frames(view: DataView, at: number, stack: number, bits: number): void {
  for (let n = 0, record = at, place = at + 16, room: number = EXIT_RECORD.CHAIN_FIRST; ; record += RECORD_BYTES, place = record) {
    const count = Math.min(stack - n, room);
    if (room === EXIT_RECORD.CHAIN_FIRST) {
      view.setUint16(record, 0x71e4, true);
      view.setUint8(record + EXIT_RECORD.CODE_LENGTH, 2);
    }
    for (let i = 0; i < count; i++) address(view, place + 8 * i, 0x10_0000 * (n + i + 1) + (bits & 15) * 4);
    view.setUint8(record + EXIT_RECORD.CHAIN_COUNT, count);
    view.setUint8(record + EXIT_RECORD.REASON, EXIT_RECORD.CHAIN_REASON);
    n += count;
    if (n >= stack) return;
    room = EXIT_RECORD.CHAIN_EACH;
  }
}

export function writeSynthetic(path: string, options: SyntheticOptions): void {
  const fd = openSync(path, 'w');
  try {
    for (const piece of syntheticLog(options)) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
  } finally {
    closeSync(fd);
  }
}
