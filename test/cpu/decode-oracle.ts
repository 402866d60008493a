/**
 * iced-x86 as the decoder's oracle: which instructions it may have with which extensions, and where the two differ on purpose.
 *
 * @module
 */
import { type Code, CpuidFeature as F, Decoder, DecoderOptions, Instruction } from 'iced-x86';
import { CORE_FEATURES } from '../../vmm/cpu/cpuid.ts';
import { ISA } from '../../vmm/cpu/layout.ts';
import { type Bits, bytes, CODE, decoder, type Isa, type MODES, setIsa, UOPS, view } from './decode-core.ts';
import { disagreement } from './decode-lift.ts';
import { type Encoding, encodingOf, UOP, UOP_NAMES } from './decode-operands.ts';

/** Intel's decoder without what CPUID never enumerates and older decoders take as something else: CET and MPX, WBNOINVD. */
const OPTIONS = DecoderOptions.ForceReservedNop | DecoderOptions.NoWbnoinvd;

const BASE: readonly F[] = [
  F.INTEL8086,
  F.INTEL186,
  F.INTEL286,
  F.INTEL386,
  F.INTEL486,
  F.X64,
  F.CLFSH,
  F.CMOV,
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
  F.SEP,
  F.SMM,
  F.SSE,
  F.SSE2,
  F.SYSCALL,
  F.TSC,
];

/** What iced calls the extensions that the decoder asks CPUID for. */
const ADDS: Record<Isa, readonly F[]> = {
  sse2: [],
  sse3: [F.SSE3],
  ssse3: [F.SSSE3],
  sse4_1: [F.SSE4_1],
  sse4_2: [F.SSE4_2],
  aes: [F.AES],
  pclmulqdq: [F.PCLMULQDQ],
  sha_ni: [F.SHA],
  popcnt: [F.POPCNT],
  movbe: [F.MOVBE],
  adx: [F.ADX],
  bmi1: [F.BMI1],
  bmi2: [F.BMI2],
  abm: [F.LZCNT],
  rdrand: [F.RDRAND],
  rdseed: [F.RDSEED],
  fsgsbase: [F.FSGSBASE],
  rdpid: [F.RDPID],
  clflushopt: [F.CLFLUSHOPT],
  clwb: [F.CLWB],
  xsave: [F.XSAVE],
  xsaveopt: [F.XSAVEOPT],
  xsavec: [F.XSAVEC],
  avx: [F.AVX],
  avx2: [F.AVX2],
  fma: [F.FMA],
  f16c: [F.F16C],
  pku: [F.PKU],
  invpcid: [F.INVPCID],
  rdtscp: [F.RDTSCP],
  cx16: [F.CMPXCHG16B],
  smap: [F.SMAP],
  lahf_lm: [],
};
/** Extensions that are nothing without another. */
const NEEDS: Partial<Record<Isa, Isa>> = { avx: 'xsave', avx2: 'avx', fma: 'avx', f16c: 'avx', xsaveopt: 'xsave', xsavec: 'xsave' };

const ISA_NAMES = Object.keys(ISA) as Isa[];
/** The decoder's extensions that a list of CPUID features has. */
export const isaIn = (features: readonly string[]): Isa[] => ISA_NAMES.filter((name) => features.includes(name));
/** All that the core executes. */
export const SHOWN: readonly Isa[] = isaIn(CORE_FEATURES);
/** What cannot be hidden. */
export const ALWAYS: readonly Isa[] = ['sse2'];

/** Which extensions both decoders have. */
export interface Extensions {
  readonly isa: readonly Isa[];
  readonly have: ReadonlySet<F>;
  readonly options: number;
}

/** `wanted` but for what lacks its foundation. */
export function extensions(wanted: readonly Isa[]): Extensions {
  const has = (name: Isa): boolean => (ALWAYS.includes(name) || wanted.includes(name)) && (NEEDS[name] === undefined || has(NEEDS[name]));
  const isa = ISA_NAMES.filter(has);
  // Without BMI1 and LZCNT, F3 changes nothing of BSF and BSR; LAHF and SAHF in 64-bit code have a feature bit of their own.
  const without =
    (has('lahf_lm') ? 0 : DecoderOptions.NoLahfSahf64) |
    (has('bmi1') ? 0 : DecoderOptions.NoMPFX_0FBC) |
    (has('abm') ? 0 : DecoderOptions.NoMPFX_0FBD);
  return { isa, have: new Set([...BASE, ...isa.flatMap((name) => ADDS[name])]), options: OPTIONS | without };
}

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
    why: 'reserved x87 opcodes of registers are refused by the instruction, which knows them (x87.ts); compared in a test of its own',
    applies: (c) => c.uop === 'X87' && c.encoding === undefined,
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
  /** iced's encodings that were met and are valid. */
  readonly codes: Set<Code>;
}
export const tally = (): Tally => ({ compared: 0, valid: 0, wrong: new Map(), codes: new Set() });

export const SLOT = 16;
const ins = new Instruction();

/** Compares the instructions in `count` slots of SLOT bytes at CODE. */
export function compare(count: number, mode: (typeof MODES)[number], { isa, have, options }: Extensions, sum: Tally): void {
  setIsa(isa);
  // iced cannot read shared memory.
  const iced = new Decoder(mode.bits, bytes.slice(CODE, CODE + count * SLOT), options);
  for (let i = 0; i < count; i++) {
    iced.position = i * SLOT;
    iced.decodeOut(ins);
    const at = CODE + i * SLOT;
    const whole = decoder.decodeAlone(at, SLOT - 1, at & 0xfff, mode.mode, UOPS);
    const wrong = judge(whole !== 0, mode.bits, have, sum);
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
function judge(whole: boolean, bits: Bits, have: ReadonlySet<F>, sum: Tally): string | undefined {
  const uop = view.getUint16(UOPS, true);
  const valid = whole && uop !== UOP['UD'] && uop !== UOP['GP'];
  const encoding = ins.code === (0 as Code) ? undefined : encodingOf(ins);
  const expected = encoding?.features.every((f) => have.has(f)) === true;
  if (!valid && !expected) return undefined;
  if (expected) sum.codes.add(ins.code);
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
