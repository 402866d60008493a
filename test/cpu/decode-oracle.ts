/**
 * iced-x86 as the decoder's oracle: which instructions it may have at a SIMD level, and where the two differ on purpose.
 *
 * @module
 */
import { type Code, CpuidFeature as F, Decoder, DecoderOptions, Instruction } from 'iced-x86';
import { type Bits, bytes, CODE, decoder, type MODES, UOPS, view } from './decode-core.ts';
import { disagreement } from './decode-lift.ts';
import { type Encoding, encodingOf, UOP, UOP_NAMES } from './decode-operands.ts';

/** Intel's decoder without what CPUID does not enumerate and older decoders take as something else: CET and MPX, TZCNT, LZCNT, WBNOINVD. */
const OPTIONS = DecoderOptions.ForceReservedNop | DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD | DecoderOptions.NoWbnoinvd;

const BASE: readonly F[] = [
  F.INTEL8086,
  F.INTEL186,
  F.INTEL286,
  F.INTEL386,
  F.INTEL486,
  F.X64,
  F.CLFSH,
  F.CMOV,
  F.CMPXCHG16B,
  F.CPUID,
  F.CX8,
  F.FPU,
  F.FPU287,
  F.FPU387,
  F.FXSR,
  F.MMX,
  F.MSR,
  F.MULTIBYTENOP,
  F.PAUSE,
  F.RDPMC,
  F.RDTSCP,
  F.SEP,
  F.SMM,
  F.SSE,
  F.SSE2,
  F.SYSCALL,
  F.TSC,
];
/** What each SIMD level adds. */
const LEVELS: readonly (readonly F[])[] = [[], [F.SSE3], [F.SSSE3], [F.SSE4_1], [F.SSE4_2, F.POPCNT]];
export const SIMD_LEVELS = LEVELS.length - 1;
const featuresOf = LEVELS.map((_, level) => new Set([...BASE, ...LEVELS.slice(0, level + 1).flat()]));

/** What is compared: our micro-op (its name) and iced's instruction (undefined when it is invalid). */
interface Case {
  readonly uop: string;
  readonly bits: Bits;
  readonly encoding: Encoding | undefined;
}
interface Difference {
  readonly why: string;
  readonly applies: (c: Case) => boolean;
  seen: number;
}
const called = (c: Case, ...names: string[]): boolean => c.encoding !== undefined && names.includes(c.encoding.name);

/** The one table of differences. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: 'UD0, UD1 and UD2 are instructions to a disassembler and #UD to a processor',
    applies: (c) => c.uop === 'UD' && called(c, 'Ud0', 'Ud1', 'Ud2'),
    seen: 0,
  },
  {
    why: 'SYSCALL and SYSRET are #UD outside 64-bit code (SDM vol. 2); iced decodes them for AMD, which has them there',
    applies: (c) => c.uop === 'UD' && c.bits !== 64 && called(c, 'Syscall', 'Sysret', 'Sysretq'),
    seen: 0,
  },
  {
    why: 'reserved x87 opcodes are refused by the instruction, which knows them (x87.ts); compared in a test of its own',
    applies: (c) => c.uop === 'X87' && c.encoding === undefined,
    seen: 0,
  },
  {
    why: 'of XSAVE only XGETBV and XSETBV are decoded: they are #UD while CR4.OSXSAVE is clear, which it stays without XSAVE in CPUID',
    applies: (c) => c.uop === 'SYS' && called(c, 'Xgetbv', 'Xsetbv'),
    seen: 0,
  },
  {
    why: 'of VMX only VMCALL is decoded: it is the hypercall of a guest, for which VMX need not be enumerated',
    applies: (c) => c.uop === 'SYS' && called(c, 'Vmcall'),
    seen: 0,
  },
];

export interface Tally {
  compared: number;
  valid: number;
  /** Disagreements by kind, the first of each in full. */
  readonly wrong: Map<string, string>;
}
export const tally = (): Tally => ({ compared: 0, valid: 0, wrong: new Map() });

export const SLOT = 16;
const ins = new Instruction();

/** Compares the instructions in `count` slots of SLOT bytes at CODE. */
export function compare(count: number, mode: (typeof MODES)[number], level: number, sum: Tally): void {
  const have = featuresOf[level] as Set<F>;
  // iced cannot read shared memory.
  const iced = new Decoder(mode.bits, bytes.slice(CODE, CODE + count * SLOT), OPTIONS);
  for (let i = 0; i < count; i++) {
    iced.position = i * SLOT;
    iced.decodeOut(ins);
    const at = CODE + i * SLOT;
    const whole = decoder.decodeAlone(at, SLOT - 1, at & 0xfff, mode.mode, UOPS);
    const wrong = judge(whole !== 0, mode.bits, have);
    sum.compared++;
    if (wrong === undefined) continue;
    if (wrong === '') sum.valid++;
    else {
      const kind = wrong.replace(/: .*/, '').replace(/\d+/g, '#');
      if (!sum.wrong.has(kind)) sum.wrong.set(kind, `${mode.bits}-bit ${hex(at)}: ${wrong}`);
    }
  }
  iced.free();
}

/** '' when both are the same instruction, undefined when both are none, else the disagreement. */
function judge(whole: boolean, bits: Bits, have: ReadonlySet<F>): string | undefined {
  const uop = view.getUint16(UOPS, true);
  const valid = whole && uop !== UOP['UD'] && uop !== UOP['GP'];
  const encoding = ins.code === (0 as Code) ? undefined : encodingOf(ins);
  const expected = encoding?.features.every((f) => have.has(f)) === true;
  if (!valid && !expected) return undefined;
  if (valid && expected) return disagreement(UOPS, ins, bits) ?? '';
  const name = UOP_NAMES[uop] ?? `${uop}`;
  const known = DIFFERENCES.find((d) => d.applies({ uop: name, bits, encoding }));
  if (known === undefined) return `${whole ? name : 'not whole'}, iced ${encoding?.name ?? 'invalid'}`;
  known.seen++;
  return valid && encoding !== undefined ? (disagreement(UOPS, ins, bits) ?? '') : undefined;
}

export function hex(at: number, count = SLOT - 1): string {
  return [...bytes.slice(at, at + count)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
}

/** Puts `code` into slot `slot`, the rest of it filled from `rest`. */
export function place(slot: number, code: readonly number[], rest: (i: number) => number): void {
  const at = CODE + slot * SLOT;
  for (let i = 0; i < SLOT; i++) bytes[at + i] = code[i] ?? rest(i);
}
