/**
 * Compares an outcome of the core with the host's, and says what differs beyond undefined.ts.
 *
 * Nearly all outcomes agree word for word; only where they do not, the clauses of the instruction are looked up.
 *
 * @module
 */
import { disassemble } from '../cpu/host-compare.ts';
import type { Form } from './forms.ts';
import type { Cases } from './generate.ts';
import { AT, ENDED, WINDOWS } from './record.ts';
import { ANY_PART, looseOf, type Loose, MMX_FAULT, otherOutcome } from './undefined.ts';

export const GENERAL = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const PAGE_FAULT = 14;
const RF = 0x10000;
/** End of what Linux gives to programs, high word. */
const KERNEL = 0x7fff;

/** What one comparison looks at: bytes of the case, and of both outcomes. */
export interface Sides {
  /** Everything of the core: cases and its outcomes. */
  readonly core: Uint8Array;
  readonly coreWords: Uint32Array;
  readonly host: Uint8Array;
  readonly hostWords: Uint32Array;
}

/** Bits and cases that were not compared, by instruction. */
export class Masked {
  readonly flags = new Map<string, number>();
  readonly loose = new Map<string, number>();
  count(map: Map<string, number>, name: string): void {
    map.set(name, (map.get(name) ?? 0) + 1);
  }
}

/** Words of the windows of a case. */
function memoryWords(words: Uint32Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < WINDOWS; i++) sum += words[(at + AT.WINDOW + 8 * i + 4) >> 2] as number;
  return sum >> 2;
}

/** Word-for-word comparison: case at byte `input` and outcome at byte `output` of the core, outcome at byte `host` of the host. */
export function same(s: Sides, input: number, output: number, host: number, undefinedAtEnd: number): boolean {
  const a = s.hostWords;
  const b = s.coreWords;
  const h = host >> 2;
  const c = output >> 2;
  for (let i = 0; i < 34; i++) if (a[h + i] !== b[c + i]) return false;
  const vector = a[h + 35] as number;
  const mask = vector === ENDED ? ~(undefinedAtEnd | RF) : -1;
  if ((((a[h + 34] as number) ^ (b[c + 34] as number)) & mask) !== 0) return false;
  for (let i = 35; i < 46; i++) if (a[h + i] !== b[c + i]) return false;
  for (let i = 48; i < 208; i++) if (a[h + i] !== b[c + i]) return false;
  const end = 224 + memoryWords(b, input);
  for (let i = 224; i < end; i++) if (a[h + i] !== b[c + i]) return false;
  return true;
}

const hex = (v: bigint | number): string => v.toString(16);
const view = (b: Uint8Array, at: number) => new DataView(b.buffer, b.byteOffset + at);

function close32(x: number, y: number): boolean {
  if (x === y) return true;
  const f = new Float32Array(new Uint32Array([x, y]).buffer);
  const [a = 0, b = 0] = f;
  // Tiny results are zeros, where the processor's own bound has it.
  if ((a === 0 || b === 0) && Math.abs(a + b) <= 2 ** -126) return x >>> 31 === y >>> 31;
  return Math.abs(a - b) <= Math.abs(a) * 2 * 1.5 * 2 ** -12;
}

function closeExtended(a: DataView, b: DataView, at: number): boolean {
  const [x, y] = [a, b].map((v) => {
    const se = v.getUint16(at + 8, true);
    const magnitude = (BigInt(se & 0x7fff) << 63n) + (v.getBigUint64(at, true) & 0x7fffffffffffffffn);
    return se >> 15 ? -magnitude : magnitude;
  }) as [bigint, bigint];
  return x - y <= 1n && y - x <= 1n;
}

/** A status word's bits in which the vendors differ, for an instruction. */
const COMPARE = /^Fu?com(p|pp)?$|^Fi?com(p|pp)?$|^Ftst$/;
const COMPARE_FLAGS = /^Fu?comip?$/;

/** What differs between two outcomes, in words; '' when it is all undefined. */
export function difference(s: Sides, input: number, output: number, host: number, cases: Cases, n: number, masked?: Masked): string {
  const a = view(s.host, host);
  const b = view(s.core, output);
  const found: string[] = [];
  const differ = (what: string, x: bigint | number, y: bigint | number): void => {
    if (x !== y) found.push(`${what} ${hex(x)}, core ${hex(y)}`);
  };
  const list = cases.forms[n] as Form[];
  const one = list.length === 1 ? list[0] : undefined;
  const clause = one === undefined ? undefined : looseOf(one);
  const target = cases.targets[n] as number;
  const loose = clause?.onlyMemory && target === 0 ? undefined : clause;
  const vector = a.getUint32(AT.VECTOR, true);
  const ended = vector === ENDED;
  const other = one === undefined ? '' : otherOutcome(one, vector, b.getUint32(AT.VECTOR, true));
  if (other !== '') {
    masked?.count(masked.loose, other);
    return '';
  }
  differ('vector', vector, b.getUint32(AT.VECTOR, true));
  differ('rip', a.getBigUint64(AT.RIP, true), b.getBigUint64(AT.RIP, true));
  const skip = ended && loose ? (loose.registers ?? 0) | (loose.operands ? (cases.operands[n] as number) : 0) : 0;
  const keep = ~(loose?.bits ?? 0n);
  for (let i = 0; i < 16; i++)
    if (((skip >> i) & 1) === 0) differ(GENERAL[i] as string, a.getBigUint64(8 * i, true) & keep, b.getBigUint64(8 * i, true) & keep);
  flags(a, b, ended, (ended ? cases.undefinedEnd[n] : cases.undefinedAny[n]) as number, loose, one, differ);
  faults(a, b, vector, one, differ);
  differ('mxcsr', a.getUint32(AT.MXCSR, true), b.getUint32(AT.MXCSR, true));
  fpu(
    a,
    b,
    ended,
    loose,
    one,
    list.some((f) => f.mmx),
    differ,
  );
  for (let i = 0; i < 16; i++)
    for (let k = 0; k < 32; k += 8) {
      const at = AT.YMM + 32 * i + k;
      const x = a.getBigUint64(at, true);
      const y = b.getBigUint64(at, true);
      if (x === y) continue;
      if (
        loose?.approximate &&
        close32(a.getUint32(at, true), b.getUint32(at, true)) &&
        close32(a.getUint32(at + 4, true), b.getUint32(at + 4, true))
      )
        continue;
      differ(`ymm${i}[${k / 8}]`, x, y);
    }
  memory(s, input, a, b, loose, target, differ);
  if (found.length === 0 && masked && one) {
    const kernel = vector === PAGE_FAULT && a.getUint32(AT.CR2 + 4, true) >= KERNEL;
    if (kernel) masked.count(masked.loose, 'page faults at addresses of the kernel: Linux says "present" of all');
    else masked.count(loose ? masked.loose : masked.flags, loose?.text ?? one.mnemonic);
  }
  return found.slice(0, 10).join('; ');
}

type Differ = (what: string, x: bigint | number, y: bigint | number) => void;

function flags(
  a: DataView,
  b: DataView,
  ended: boolean,
  open: number,
  loose: Loose | undefined,
  one: Form | undefined,
  differ: Differ,
): void {
  let known = ~open;
  if (ended) known &= ~RF & ~(loose?.flags ?? 0);
  // SDM, FCOMI: an unmasked invalid operation leaves EFLAGS; AMD sets them.
  if (one && COMPARE_FLAGS.test(one.mnemonic) && unmasked(a)) known &= ~0x8d5;
  differ('flags', (a.getUint32(AT.FLAGS, true) & known) >>> 0, (b.getUint32(AT.FLAGS, true) & known) >>> 0);
}

const unmasked = (a: DataView): boolean => (a.getUint16(AT.FSW, true) & ~a.getUint16(AT.FCW, true) & 1) !== 0;

function faults(a: DataView, b: DataView, vector: number, one: Form | undefined, differ: Differ): void {
  let error = a.getUint32(AT.ERROR, true);
  let coreError = b.getUint32(AT.ERROR, true);
  if (vector === PAGE_FAULT) {
    const [x, y] = [a, b].map((v) => v.getBigUint64(AT.CR2, true)) as [bigint, bigint];
    const part = one && ANY_PART.test(one.mnemonic) && BigInt.asIntN(64, x - y) ** 2n < 2n ** 20n;
    if (!part) differ('cr2', x, y);
    // Parts on other pages: missing or not to be written.
    else if (x !== y) {
      error &= ~1;
      coreError &= ~1;
    }
    // Linux says "present" of every address of its own; another part of the operand may be in another page.
    if (part || a.getUint32(AT.CR2 + 4, true) >= KERNEL) {
      error &= ~1;
      coreError &= ~1;
    }
  }
  if (vector === b.getUint32(AT.VECTOR, true)) differ('error code', error, coreError);
  differ('fs base', a.getBigUint64(AT.FS_BASE, true), b.getBigUint64(AT.FS_BASE, true));
  differ('gs base', a.getBigUint64(AT.GS_BASE, true), b.getBigUint64(AT.GS_BASE, true));
}

function fpu(
  a: DataView,
  b: DataView,
  ended: boolean,
  loose: Loose | undefined,
  one: Form | undefined,
  mmx: boolean,
  differ: Differ,
): void {
  differ('fcw', a.getUint16(AT.FCW, true), b.getUint16(AT.FCW, true));
  let known = ended ? ~(loose?.status ?? 0) : -1;
  // SDM, FCOM: an unmasked invalid operation leaves the codes; AMD sets them to unordered. FCOMI: C1 is cleared; AMD leaves it.
  if (one && COMPARE.test(one.mnemonic) && unmasked(a)) known &= ~0x4700;
  if (one && COMPARE_FLAGS.test(one.mnemonic)) known &= ~0x200;
  if (!ended && mmx) known &= ~MMX_FAULT;
  differ('fsw', a.getUint16(AT.FSW, true) & known & 0xffff, b.getUint16(AT.FSW, true) & known & 0xffff);
  if (!(ended ? loose?.tags : mmx)) differ('ftw', a.getUint16(AT.FTW, true), b.getUint16(AT.FTW, true));
  for (let i = 0; i < 8; i++) {
    const at = AT.ST + 16 * i;
    const x = (a.getBigUint64(at + 8, true) << 64n) | a.getBigUint64(at, true);
    const y = (b.getBigUint64(at + 8, true) << 64n) | b.getBigUint64(at, true);
    if (x !== y && !(ended && loose?.lastPlace && closeExtended(a, b, at))) differ(`r${i}`, x, y);
  }
}

function memory(s: Sides, input: number, a: DataView, b: DataView, loose: Loose | undefined, target: number, differ: Differ): void {
  const w = view(s.core, input + AT.WINDOW);
  let at = AT.MEMORY as number;
  for (let i = 0; i < WINDOWS; i++) {
    const address = w.getUint32(8 * i, true);
    const length = w.getUint32(8 * i + 4, true);
    for (let k = 0; k < length; k++) {
      const x = a.getUint8(at + k);
      const y = b.getUint8(at + k);
      if (x === y) continue;
      const offset = address + k - target;
      if (loose?.memory?.some(([from, to]) => offset >= from && offset < to)) continue;
      differ(`[${hex(address + k)}]`, x, y);
    }
    at += length;
  }
}

const le = (b: Uint8Array, at: number, n: number): string =>
  Buffer.from(b.subarray(at, at + n))
    .reverse()
    .toString('hex')
    .replace(/^0+(?=.)/, '');

function state(b: Uint8Array, at: number, windows: readonly (readonly [number, number])[]): string {
  const registers = GENERAL.map((name, i) => `${name}=${le(b, at + 8 * i, 8)}`).join(' ');
  const x87 = `fcw=${le(b, at + AT.FCW, 2)} fsw=${le(b, at + AT.FSW, 2)} ftw=${le(b, at + AT.FTW, 1)} ${Array.from({ length: 8 }, (_, i) => `r${i}=${le(b, at + AT.ST + 16 * i, 10)}`).join(' ')}`;
  const ymm = Array.from({ length: 16 }, (_, i) => `ymm${i}=${le(b, at + AT.YMM + 32 * i, 32)}`).join(' ');
  let from = at + AT.MEMORY;
  const memory = windows.map(([address, length]) => {
    const text = `${hex(address)}: ${Buffer.from(b.subarray(from, from + length)).toString('hex')}`;
    from += length;
    return text;
  });
  return `mxcsr=${le(b, at + AT.MXCSR, 4)} ${registers}\n         ${x87}\n         ${ymm}\n         ${memory.join('\n         ')}`;
}

/** A case in words: code, state, and what came of it. */
export function describe(s: Sides, input: number, output: number, host: number): string {
  const w = view(s.core, input);
  const length = w.getUint32(AT.LENGTH, true);
  const code = s.core.slice(input + AT.CODE, input + AT.CODE + length);
  const windows = Array.from(
    { length: WINDOWS },
    (_, i) => [w.getUint32(AT.WINDOW + 8 * i, true), w.getUint32(AT.WINDOW + 8 * i + 4, true)] as const,
  ).filter(([, n]) => n > 0);
  const end = (b: Uint8Array, at: number) =>
    `rip=${le(b, at + AT.RIP, 8)} flags=${le(b, at + AT.FLAGS, 4)} vector=${view(b, at).getUint32(AT.VECTOR, true)} error=${le(b, at + AT.ERROR, 4)} cr2=${le(b, at + AT.CR2, 8)}`;
  return [
    `  ${disassemble(code, 64, w.getBigUint64(AT.RIP, true))}   (${Buffer.from(code).toString('hex')})`,
    `  before rip=${le(s.core, input + AT.RIP, 8)} flags=${le(s.core, input + AT.FLAGS, 4)} ${state(s.core, input, windows)}`,
    `  host   ${end(s.host, host)} ${state(s.host, host, windows)}`,
    `  core   ${end(s.core, output)} ${state(s.core, output, windows)}`,
  ].join('\n');
}
