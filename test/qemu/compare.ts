/**
 * Two results of one case, field by field.
 *
 * Not compared: what is not written when a case did not end in a handler; the registers of a nested end (the second event came inside the
 * harness); x87's pointers, whose values processors differ in.
 *
 * @module
 */
import type { Case } from './case.ts';
import * as L from './layout.ts';

export interface Difference {
  /** Name of the field. */
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

const S = L.SAVE;
const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', ...[8, 9, 10, 11, 12, 13, 14, 15].map((n) => `r${n}`)];

/** [name, offset, bytes]. */
const FIELDS: readonly (readonly [string, number, number])[] = [
  ...REGISTERS.map((name, i) => [name, S.REGS + 8 * i, 8] as const),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => [`frame${i}`, S.FRAME + 8 * i, 8] as const),
  ['stack', S.RSP, 8],
  ...(['ES', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR', 'CS'] as const).map((name) => [name.toLowerCase(), S[name], 2] as const),
  ...(['CR0', 'CR2', 'CR3', 'CR4', 'CR8', 'EFER', 'DR6', 'DR7'] as const).map((name) => [name.toLowerCase(), S[name], 8] as const),
  ['gdtr', S.GDTR, 2],
  ['gdtr base', S.GDTR + 2, 8],
  ['idtr', S.IDTR, 2],
  ['idtr base', S.IDTR + 2, 8],
  ['fs base', S.FS_BASE, 8],
  ['gs base', S.GS_BASE, 8],
  ['kernel gs base', S.KERNEL_GS_BASE, 8],
  ['flags', S.FLAGS, 4],
];

/** The fields of the FXSAVE image, without the pointers (SDM vol. 1, table 10-2). */
const FPU: readonly (readonly [string, number, number])[] = [
  ['fcw', 0, 2],
  ['fsw', 2, 2],
  ['ftw', 4, 1],
  ['mxcsr', 24, 4],
  ...Array.from({ length: 8 }, (_, i) => [`st${i}`, 32 + 16 * i, 10] as const),
  ...Array.from({ length: 8 }, (_, i) => [`xmm${i}`, 160 + 16 * i, 16] as const),
];

/** One result, readable. */
export class Result {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(results: Uint8Array, index: number) {
    this.bytes = results.subarray(index * L.RESULT_BYTES, (index + 1) * L.RESULT_BYTES);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, L.RESULT_BYTES);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  get status(): number {
    return this.u32(S.STATUS);
  }

  get vector(): number {
    return this.u32(S.VECTOR);
  }

  /** 8, 10 to 14, 17 and 21 push an error code (SDM vol. 3, table 6-1). */
  get hasError(): boolean {
    return this.vector < 32 && (0x0022_7d00 >>> this.vector) % 2 === 1 && this.u32(S.MODE) !== 16;
  }

  get error(): number {
    return this.hasError ? this.u32(S.FRAME) : 0;
  }

  /** The instruction pointer that was pushed. */
  get rip(): bigint {
    const long = this.u32(S.MODE) === 64;
    if (this.u32(S.MODE) === 16) return BigInt(this.u32(S.FRAME) & 0xffff);
    const at = S.FRAME + (this.hasError ? (long ? 8 : 4) : 0);
    return long ? this.u64(at) : BigInt(this.u32(at));
  }

  /** A field by its place, in hexadecimal, most significant byte first. */
  text(at: number, bytes: number): string {
    let out = '';
    for (let i = bytes - 1; i >= 0; i--) out += (this.bytes[at + i] as number).toString(16).padStart(2, '0');
    return out.replace(/^0+(?=.)/, '');
  }

  /** Changed words of the arena: address, value. */
  changes(): Map<number, number> {
    const changes = new Map<number, number>();
    const n = Math.min(this.u32(L.DIFF_COUNT), L.DIFFS_MAX);
    for (let i = 0; i < n; i++) changes.set(this.u32(L.DIFFS + 8 * i), this.u32(L.DIFFS + 8 * i + 4));
    return changes;
  }

  /** How it ended, in a word. */
  get end(): string {
    const status = this.status;
    if (status === L.STATUS.SHUTDOWN) return 'shutdown';
    if (status === L.STATUS.HANG) return 'hang';
    if (status === L.STATUS.OUTSIDE) return 'outside';
    if (status === L.STATUS.CRASH) return 'crash';
    if (status === L.STATUS.HOME) return `home:${this.vector}`;
    const nested = this.u32(S.NESTED);
    return `${this.vector}${this.hasError ? `(${this.error.toString(16)})` : ''}${nested === 0 ? '' : ` nested ${nested - 1}`}`;
  }
}

/** A stack outside of the arena and of RAM that nobody uses, in real mode or without paging: what lies there is the board's. */
function strayed(c: Case, r: Result): boolean {
  const rsp = r.u32(S.RSP);
  if (r.u32(S.MODE) === 32) return c.environment === 'flat' && rsp > 0x7f000;
  if (r.u32(S.MODE) !== 16) return false;
  const at = (r.u32(S.SS) & 0xffff) * 16 + (rsp & 0xffff);
  return at < L.ARENA + 0x100 || at > 0x9e000;
}

/** What differs; empty when nothing does. */
export function differences(c: Case, ours: Result, theirs: Result): Difference[] {
  // What runs on and on here is cut off at a number of instructions, there at a time.
  if (ours.status === L.STATUS.OUTSIDE || ours.status === L.STATUS.HANG || strayed(c, ours)) return [];
  if (ours.end !== theirs.end) return [{ field: 'end', ours: ours.end, theirs: theirs.end }];
  if (ours.status !== L.STATUS.ENDED) return [];
  if (ours.rip !== theirs.rip) return [{ field: 'end', ours: `at ${ours.rip.toString(16)}`, theirs: `at ${theirs.rip.toString(16)}` }];
  const found: Difference[] = [];
  const look = (fields: readonly (readonly [string, number, number])[], base: number): void => {
    for (const [field, at, bytes] of fields) {
      const a = ours.text(base + at, bytes);
      const b = theirs.text(base + at, bytes);
      if (a !== b) found.push({ field, ours: a, theirs: b });
    }
  };
  look(FIELDS, 0);
  look(FPU, L.FXSAVE);
  const a = ours.changes();
  const b = theirs.changes();
  for (const at of new Set([...a.keys(), ...b.keys()])) {
    const x = a.get(at);
    const y = b.get(at);
    if (x === y) continue;
    found.push({ field: `[${at.toString(16)}]`, ours: x?.toString(16) ?? 'as before', theirs: y?.toString(16) ?? 'as before' });
  }
  return found;
}
