/**
 * What the fuzzer does not compare, by instruction, each with its clause: flags and results that the specification leaves undefined, and what is the
 * processor's or the operating system's own.
 *
 * Clauses without another name are the Intel SDM's, vol. 2, "Flags Affected" of each instruction.
 *
 * @module
 */
import type { Form } from './forms.ts';
import { A, ALL, C, O, type Operands, P, S, UNDEFINED } from '../cpu/host-undefined.ts';

interface Clause {
  readonly flags: (o: Operands) => number;
  readonly text: string;
}

const BMI = {
  and: { flags: () => A | P, text: 'ANDN BLSI BLSMSK BLSR BZHI: AF and PF are undefined' },
  extract: { flags: () => A | S | P, text: 'BEXTR: AF SF PF are undefined' },
  count: { flags: () => O | S | P | A, text: 'LZCNT TZCNT: OF SF PF AF are undefined' },
} as const satisfies Record<string, Clause>;

const CLAUSES: readonly (readonly [Clause, string])[] = [
  [UNDEFINED.logic, 'And Or Xor Test'],
  [UNDEFINED.shift, 'Shl Shr Sal'],
  [UNDEFINED.arithmeticShift, 'Sar'],
  [UNDEFINED.rotate, 'Rol Ror Rcl Rcr'],
  [UNDEFINED.doubleShift, 'Shld Shrd'],
  [UNDEFINED.multiply, 'Mul Imul'],
  [UNDEFINED.divide, 'Div Idiv'],
  [UNDEFINED.bitTest, 'Bt Bts Btr Btc'],
  [UNDEFINED.bitScan, 'Bsf Bsr'],
  [BMI.and, 'Andn Blsi Blsmsk Blsr Bzhi'],
  [BMI.extract, 'Bextr'],
  [BMI.count, 'Lzcnt Tzcnt'],
];

const BY_NAME = new Map(CLAUSES.flatMap(([clause, names]) => names.split(' ').map((name) => [name, clause] as const)));

export function flagClause(mnemonic: string): Clause | undefined {
  return BY_NAME.get(mnemonic);
}

/** Flags that are undefined after an instruction, given its operand size and, for shifts, its count after masking (or -1: not known). */
export function undefinedFlags(mnemonic: string, bits: number, count: number): number {
  const clause = BY_NAME.get(mnemonic);
  if (clause === undefined) return 0;
  if (count >= 0) return clause.flags({ count, bits });
  return clause.flags({ count: 2, bits }) | (bits < 32 ? clause.flags({ count: 31, bits }) & ALL : 0);
}

/** What else is not compared after one instruction. */
export interface Loose {
  /** Bits of general registers, by number. */
  readonly registers?: number;
  /** The register operands too. */
  readonly operands?: boolean;
  readonly flags?: number;
  /** x87 status bits. */
  readonly status?: number;
  /** Results may differ by one unit in the last place. */
  readonly lastPlace?: boolean;
  /** x87 tags too. */
  readonly tags?: boolean;
  /** Only with a memory operand. */
  readonly onlyMemory?: boolean;
  /** Bits of the register operands. */
  readonly bits?: bigint;
  /** Single-precision results agree to about 12 bits. */
  readonly approximate?: boolean;
  /** Bytes of the memory operand: from, to. */
  readonly memory?: readonly (readonly [from: number, to: number])[];
  readonly text: string;
}

const RAX = 1;
const RCX = 2;
const RDX = 4;
const RBX = 8;
const PE = 0x20;
const UE = 0x10;
const C1 = 0x200;

/** FIP, FDP and FOP: SDM vol. 1, 8.1.8; APM vol. 2, 11.4.4: AMD keeps them for unmasked exceptions only, and other addresses than the 32-bit ones. */
const POINTERS = 'the last-instruction pointers: AMD stores them only while an exception is pending (APM vol. 2, 11.4.4.3)';

const LOOSE: Readonly<Record<string, Loose>> = {
  Cpuid: { registers: RAX | RCX | RDX | RBX, text: 'CPUID: another processor' },
  Rdtsc: { registers: RAX | RDX, text: 'RDTSC: the time' },
  Rdtscp: { registers: RAX | RCX | RDX, text: 'RDTSCP: the time, and the number of the processor' },
  Rdpid: { operands: true, text: 'RDPID: the number of the processor' },
  Rdrand: { operands: true, flags: C, text: 'RDRAND: a random number, or none' },
  Rdseed: { operands: true, flags: C, text: 'RDSEED: a random number, or none' },
  Xgetbv: { registers: RAX | RDX, text: 'XGETBV: XCR0 is the operating system’s' },
  Bswap_r16: { operands: true, text: 'BSWAP of a 16-bit register: the result is undefined (SDM vol. 2, BSWAP)' },
  Lar: { bits: 0xf_0000n, text: 'LAR: bits 19:16 are undefined (SDM vol. 2, LAR: 00FxFF00H)' },
  Cvtpi2ps: {
    status: 0x3800,
    tags: true,
    onlyMemory: true,
    text: 'CVTPI2PS from memory: MMX state is entered (SDM vol. 2); AMD enters it for register operands only',
  },
  Rcpps: { approximate: true, text: 'RCPPS: relative error up to 1.5 * 2^-12 (SDM vol. 2, RCPPS)' },
  Rcpss: { approximate: true, text: 'RCPSS: relative error up to 1.5 * 2^-12 (SDM vol. 2, RCPSS)' },
  Rsqrtps: { approximate: true, text: 'RSQRTPS: relative error up to 1.5 * 2^-12 (SDM vol. 2, RSQRTPS)' },
  Rsqrtss: { approximate: true, text: 'RSQRTSS: relative error up to 1.5 * 2^-12 (SDM vol. 2, RSQRTSS)' },
  Vrcpps: { approximate: true, text: 'VRCPPS: relative error up to 1.5 * 2^-12' },
  Vrcpss: { approximate: true, text: 'VRCPSS: relative error up to 1.5 * 2^-12' },
  Vrsqrtps: { approximate: true, text: 'VRSQRTPS: relative error up to 1.5 * 2^-12' },
  Vrsqrtss: { approximate: true, text: 'VRSQRTSS: relative error up to 1.5 * 2^-12' },
  ...Object.fromEntries(
    ['F2xm1', 'Fyl2x', 'Fyl2xp1', 'Fptan', 'Fpatan', 'Fsin', 'Fcos', 'Fsincos'].map((name) => [
      name,
      {
        lastPlace: true,
        // UE is PE's of a denormal: AMD's round where FYL2X is exact.
        status: C1 | PE | UE | 0x8080,
        text: 'transcendentals: one unit in the last place; C1, PE and UE follow the rounding (SDM vol. 1, 8.3.10)',
      },
    ]),
  ),
  Fxsave: {
    memory: [
      [6, 24],
      [28, 32],
      [416, 512],
    ],
    text: `FXSAVE: ${POINTERS}; MXCSR_MASK; bytes 416 to 511 are reserved or software's`,
  },
};

/** Environments with the pointers in them: by name, what is stored of them. */
const ENVIRONMENT = (name: string): Loose | undefined => {
  if (/^Fn?(stenv|save)_m(14|94)byte/.test(name)) return { memory: [[6, 14]], text: `${name}: ${POINTERS}` };
  if (/^Fn?(stenv|save)_m(28|108)byte/.test(name))
    return {
      memory: [
        [2, 4],
        [6, 8],
        [10, 28],
      ],
      text: `${name}: ${POINTERS}; the reserved halves`,
    };
  return undefined;
};

/** XSAVE and its like: as FXSAVE, and the header's reserved part. */
const SAVE = (name: string): Loose | undefined =>
  /^(Fxsave|Xsave)/.test(name) ? { memory: LOOSE['Fxsave']?.memory ?? [], text: LOOSE['Fxsave']?.text ?? '' } : undefined;

export function looseOf(form: { readonly name: string; readonly mnemonic: string }): Loose | undefined {
  return LOOSE[form.name] ?? LOOSE[form.mnemonic] ?? ENVIRONMENT(form.name) ?? SAVE(form.mnemonic);
}

/** Instructions that access much memory, or under a mask, may fault at any part of it: the order of an instruction's accesses is the processor's own. */
export const ANY_PART = /^(F?xsave|Fn?save|Fn?stenv|Fldenv|Frstor|F?xrstor|Enter|V?p?maskmov|V?p?gather|Retf|Iret)/i;

/** Outcomes that differ altogether, and may: the vectors on the host and the core, or 256 for none. */
export function otherOutcome(f: Form, host: number, core: number): string {
  const { name, mnemonic } = f;
  // SDM vol. 2, MASKMOVQ and MASKMOVDQU: under a mask, faults of the bytes that are not stored are implementation-dependent.
  if (/^V?maskmov(q|dqu)$/i.test(mnemonic) && host >= 12 && host <= 17 && core !== host)
    return 'MASKMOVQ MASKMOVDQU: faults of bytes that are masked off';
  // SDM vol. 3, table 6-7: save areas are aligned to 2 or 4 bytes under alignment checking; AMD does not check them.
  // Where a part of them faults as well, the order of the parts decides.
  if (/^(Fn?save|Frstor|Fn?stenv|Fldenv)$/.test(mnemonic) && (core === 17 || host === 17))
    return 'x87 save areas: alignment checks (SDM vol. 3, table 6-7)';
  // SDM vol. 2, FXSAVE: whether #AC comes instead of #GP, and for which misalignment, varies with the implementation.
  if (/^(F?xsave|F?xrstor)/i.test(mnemonic) && host === 17 && core === 13) return 'FXSAVE FXRSTOR: #AC instead of #GP (SDM vol. 2, FXSAVE)';
  if (name === 'Movsxd_r16_rm16' && core !== host) return 'MOVSXD r16: AMD reads four bytes, Intel two (SDM vol. 2, MOVSXD)';
  if (/^(Iret|Retf)/.test(mnemonic) && host !== core && Math.min(host, core) === 13 && Math.max(host, core) <= 17)
    return 'far returns: a bad selector, and a stack that faults behind it';
  // SDM vol. 2, CVTPI2PS: a pending x87 exception comes first; AMD looks for one with register operands only.
  if (mnemonic === 'Cvtpi2ps' && core === 16 && host !== 16) return 'CVTPI2PS from memory: a pending x87 exception';
  // SDM vol. 2, CALL: the target is checked before anything is pushed; AMD pushes first.
  if (mnemonic === 'Call' && core === 13 && (host === 14 || host === 12 || host === 17))
    return 'CALL: a target that is not canonical, and a stack that faults';
  // SDM vol. 2, SHA1MSG1 and the others: exceptions of type 4, so operands are aligned; AMD's do not care.
  if (/^Sha(1|256)/.test(mnemonic) && core === 13 && host !== 13) return 'SHA: operands that are not aligned (SDM vol. 2, table 2-21)';
  return '';
}

/** TOP and tags when an MMX instruction faults: AMD has entered MMX state before (SDM vol. 3, 6.5: a fault leaves the state as it was). */
export const MMX_FAULT = 0x3800;
