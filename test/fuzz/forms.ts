/**
 * The instructions that the fuzzer generates: iced-x86's table of encodings, as far as user-level code of this CPU has them.
 *
 * Nothing here comes from the core's decoder: opcode, map, prefix, widths and operand kinds are iced's.
 *
 * @module
 */
import iced from 'iced-x86';
import type { Feature } from '../../vmm/cpu/cpuid.ts';

const {
  Code,
  CpuidFeature,
  EncodingKind,
  MandatoryPrefix,
  Mnemonic,
  OpCodeOperandKind: K,
  OpCodeTableKind,
  MemorySize,
  MemorySizeExt,
} = iced;

/** What the elements of operands are: decides which special values they get. */
export type Domain = 'int' | 'f16' | 'f32' | 'f64' | 'f80';

/** An encoding. */
export interface Form {
  readonly index: number;
  readonly code: number;
  readonly name: string;
  readonly mnemonic: string;
  readonly vex: boolean;
  /** 0 = one byte, 1 = 0F, 2 = 0F38, 3 = 0F3A. */
  readonly map: number;
  readonly opcode: readonly number[];
  /** 0, 0x66, 0xf3, 0xf2. */
  readonly mandatory: number;
  /** 16, 32, 64; 0 where the encoding has none. */
  readonly osz: number;
  readonly asz: number;
  /** REX.W must be set. */
  readonly wide: boolean;
  readonly w: number;
  readonly l: number;
  readonly anyW: boolean;
  readonly anyL: boolean;
  /** ModRM.reg when it belongs to the opcode, or -1. */
  readonly group: number;
  readonly modrm: boolean;
  readonly kinds: readonly number[];
  readonly memory: number;
  /** The register form is another vendor's. */
  readonly onlyMemory: boolean;
  readonly domain: Domain;
  readonly x87: boolean;
  readonly mmx: boolean;
  readonly simd: boolean;
  readonly fwait: boolean;
  readonly canLock: boolean;
  readonly string: boolean;
  readonly stack: boolean;
  readonly branch: boolean;
  readonly unique: boolean;
  readonly flagsRead: number;
  readonly flagsWritten: number;
  readonly features: readonly string[];
  /** Bytes of a memory operand, and the alignment that it must have (0: any). */
  readonly size: number;
  readonly alignment: number;
  readonly shift: boolean;
  /** BT and its like, with the bit's number in a register: they reach beyond the operand. */
  readonly bitString: boolean;
  /** The memory operand is not accessed. */
  readonly noAccess: boolean;
  /** Takes REP or REPNE. */
  readonly repeats: boolean;
  /** Has operands that the encoding does not show, where a segment or address-size prefix means something. */
  readonly implicit: boolean;
  /** What the generator does for it: before the operands are chosen, and after. */
  readonly before: boolean;
  readonly after: boolean;
}

const BEFORE = /^(Xlatb|Div|Idiv|V?maskmov(q|dqu)|Xsave|Xrstor|V?pcmp[ei]str|Sh|Sa|Ro|Rc|Jrcxz|Jecxz|Loop|Xgetbv|Cpuid)/i;
const AFTER =
  /^(Div|Idiv|Cmpxchg|V?ldmxcsr|Fxrstor|Xrstor|Mov_Sreg|Lar|Lsl|Verr|Verw|Lfs|Lgs|Lss|Wr[fg]sbase|Call|Jmp|Fbld|Int|Enter|Ret|Sh[lr]d)/i;

function sizeOf(mnemonic: string, memory: number): number {
  if (/^(Xsave|Xrstor)/.test(mnemonic)) return 832;
  if (/^Fx(save|rstor)/.test(mnemonic)) return 512;
  return memory || 8;
}

function alignmentOf(mnemonic: string, memory: number, legacySimd: boolean): number {
  if (/^(Xsave|Xrstor)/.test(mnemonic)) return 64;
  if (/^Fx(save|rstor)/.test(mnemonic)) return 16;
  if (/^V?(movap|movdqa|movnt|mpsad)/i.test(mnemonic)) return Math.min(32, Math.max(8, memory));
  if (/16b/.test(mnemonic)) return 16;
  return legacySimd && memory === 16 && !/^(Movup|Movdqu|Lddqu|Pcmp.str)/.test(mnemonic) ? 16 : 0;
}

/** Names of CPUID features; those without one belong to every x86-64 processor. */
const FEATURE: Readonly<Record<string, Feature | ''>> = {
  INTEL8086: '',
  INTEL186: '',
  INTEL286: '',
  INTEL386: '',
  INTEL486: '',
  X64: '',
  FPU: '',
  FPU287: '',
  FPU387: '',
  CMOV: '',
  CX8: '',
  FXSR: '',
  MMX: '',
  MSR: '',
  CPUID: '',
  TSC: '',
  RDPMC: '',
  PAUSE: '',
  MULTIBYTENOP: '',
  SSE: '',
  SSE2: '',
  CLFSH: '',
  SMM: '',
  ADX: 'adx' as Feature,
  AES: 'aes' as Feature,
  AVX: 'avx' as Feature,
  AVX2: 'avx2' as Feature,
  BMI1: 'bmi1' as Feature,
  BMI2: 'bmi2' as Feature,
  CLFLUSHOPT: 'clflushopt' as Feature,
  CLWB: 'clwb' as Feature,
  CMPXCHG16B: 'cx16' as Feature,
  F16C: 'f16c' as Feature,
  FMA: 'fma' as Feature,
  FSGSBASE: 'fsgsbase' as Feature,
  INVPCID: 'invpcid' as Feature,
  LZCNT: 'abm' as Feature,
  MOVBE: 'movbe' as Feature,
  PCLMULQDQ: 'pclmulqdq' as Feature,
  PKU: 'pku' as Feature,
  POPCNT: 'popcnt' as Feature,
  PREFETCHW: 'prefetchw' as Feature,
  RDPID: 'rdpid' as Feature,
  RDRAND: 'rdrand' as Feature,
  RDSEED: 'rdseed' as Feature,
  RDTSCP: 'rdtscp' as Feature,
  SHA: 'sha_ni' as Feature,
  SMAP: 'smap' as Feature,
  SSE3: 'sse3' as Feature,
  SSSE3: 'ssse3' as Feature,
  SSE4_1: 'sse4_1' as Feature,
  SSE4_2: 'sse4_2' as Feature,
  XSAVE: 'xsave' as Feature,
  XSAVEOPT: 'xsaveopt' as Feature,
  XSAVEC: 'xsavec' as Feature,
};

/** Encodings that are not run, and why. By mnemonic or by name. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  Syscall: 'enters the operating system',
  Sysenter: 'enters the operating system',
  Sgdt: 'shows the operating system (or is refused by UMIP)',
  Sidt: 'shows the operating system (or is refused by UMIP)',
  Sldt: 'shows the operating system (or is refused by UMIP)',
  Str: 'shows the operating system (or is refused by UMIP)',
  Smsw: 'shows the operating system (or is refused by UMIP)',
  Rdpkru: 'the host kernel does not switch protection keys on',
  Wrpkru: 'the host kernel does not switch protection keys on',
  Fstdw: 'an alias that only the 387SL has',
  Fstsg: 'an alias that only the 387SL has',
  Frstpm: 'an alias that only the 287XL has',
  'Ud0 alone': 'an alias without ModRM that only AMD has',
  Call_m1664: 'AMD has no far pointers with 64-bit offsets (APM vol. 3, CALL far)',
  Jmp_m1664: 'AMD has no far pointers with 64-bit offsets (APM vol. 3, JMP far)',
  Lss_r64_m1664: 'AMD has no far pointers with 64-bit offsets (APM vol. 3, LSS)',
  Lfs_r64_m1664: 'AMD has no far pointers with 64-bit offsets (APM vol. 3, LFS)',
  Lgs_r64_m1664: 'AMD has no far pointers with 64-bit offsets (APM vol. 3, LGS)',
};

function fits(o: iced.OpCodeInfo, name: string): boolean {
  if (!o.isInstruction || !o.mode64 || !(o.encoding === EncodingKind.Legacy || o.encoding === EncodingKind.VEX)) return false;
  // What iced decodes on request only: undocumented aliases of other encodings.
  if (o.decoderOption !== 0) return false;
  // Near branches with a 16-bit operand size: AMD's 64-bit mode has them, Intel's not (SDM vol. 2, Jcc: the prefix is ignored).
  if (/_rel16|rel32_16|rel8_16|^Retnw|^Call_rm16|^Jmp_rm16/.test(name)) return false;
  return o.table <= OpCodeTableKind.T0F3A;
}

function domainOf(size: number): Domain {
  if (size === MemorySize.Unknown) return 'int';
  const element = MemorySize[MemorySizeExt.elementType(size)] ?? '';
  return /Float32/.test(element)
    ? 'f32'
    : /Float64/.test(element)
      ? 'f64'
      : /Float80/.test(element)
        ? 'f80'
        : /Float16/.test(element)
          ? 'f16'
          : 'int';
}

const MODRM = new Set<number>([
  K.mem,
  K.mem_mib,
  K.mem_vsib32x,
  K.mem_vsib64x,
  K.mem_vsib32y,
  K.mem_vsib64y,
  K.r8_or_mem,
  K.r16_or_mem,
  K.r32_or_mem,
  K.r64_or_mem,
  K.mm_or_mem,
  K.xmm_or_mem,
  K.ymm_or_mem,
  K.r8_reg,
  K.r16_reg,
  K.r16_reg_mem,
  K.r16_rm,
  K.r32_reg,
  K.r32_reg_mem,
  K.r32_rm,
  K.r64_reg,
  K.r64_reg_mem,
  K.r64_rm,
  K.seg_reg,
  K.mm_reg,
  K.mm_rm,
  K.xmm_reg,
  K.xmm_rm,
  K.ymm_reg,
  K.ymm_rm,
  K.cr_reg,
  K.dr_reg,
]);

const PREFIX: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};

function form(code: number, name: string, o: iced.OpCodeInfo, i: iced.Instruction, index: number): Form {
  const kinds = Array.from({ length: o.opCount }, (_, n) => o.opKind(n));
  const mnemonic = Mnemonic[o.mnemonic] as string;
  const group = o.groupIndex;
  const features = Array.from(i.cpuidFeatures(), (f) => CpuidFeature[f] as string);
  const size = o.memorySize;
  const unknownOperandSize = o.operandSize === 64 && !(o.defaultOpSize64 || o.forceOpSize64 || o.intelForceOpSize64);
  const opcode = o.opCodeLength === 2 ? [o.opCode >> 8, o.opCode & 0xff] : [o.opCode];
  const fpu = features.some((f) => f.startsWith('FPU'));
  const vex = o.encoding === EncodingKind.VEX;
  const memory = size === MemorySize.Unknown ? 0 : MemorySizeExt.size(size);
  const simd = kinds.some((k) => k >= K.xmm_or_mem && k <= K.ymm_or_mem) || kinds.some((k) => k >= K.xmm_reg && k <= K.ymm_is5);
  const string = i.isStringInstruction || kinds.some((k) => k >= K.seg_rSI && k <= K.es_rDI);
  return {
    size: sizeOf(mnemonic, memory),
    alignment: alignmentOf(mnemonic, memory, simd && !vex),
    shift: /^(Sh|Sa|Ro|Rc)/.test(mnemonic),
    bitString: /^Bt[src]?$/.test(mnemonic) && group < 0,
    noAccess: /^(Lea|Nop|Prefetch)/.test(mnemonic),
    repeats: string && /^(Movs|Cmps|Stos|Lods|Scas)/.test(mnemonic),
    implicit: string || /^(Xlat|V?maskmov|Loop|J[er]cxz|Monitor)/i.test(mnemonic),
    before: BEFORE.test(mnemonic) || kinds.includes(K.imm8_const_1),
    after: AFTER.test(name) || AFTER.test(mnemonic),
    index,
    code,
    name,
    mnemonic,
    vex,
    map: o.table,
    opcode,
    mandatory: PREFIX[o.mandatoryPrefix] ?? 0,
    osz: o.operandSize,
    asz: o.addressSize,
    wide: unknownOperandSize,
    w: o.W,
    l: o.L,
    anyW: o.isWIG,
    anyL: o.isLIG,
    group,
    modrm: o.opCodeLength === 1 && (group >= 0 || kinds.some((k) => MODRM.has(k))),
    kinds,
    memory,
    // PREFETCH with a register: #UD at AMD (APM vol. 3, PREFETCHlevel), a reserved NOP at Intel.
    onlyMemory: /^Reservednop_.*_0F0D$/.test(name),
    domain: fpu ? 'f80' : domainOf(size),
    x87: fpu || mnemonic === 'Wait',
    mmx: kinds.some((k) => k === K.mm_reg || k === K.mm_rm || k === K.mm_or_mem) || mnemonic === 'Emms',
    simd,
    fwait: o.fwait,
    canLock: o.canUseLockPrefix,
    string,
    stack: o.isStackInstruction,
    branch: kinds.some((k) => k >= K.br16_1 && k <= K.br64_4) || /^(Jmp|Call|Ret|Retf|Iret)/.test(mnemonic),
    unique: o.requiresUniqueRegNums,
    flagsRead: i.rflagsRead,
    flagsWritten: i.rflagsModified,
    features,
  };
}

/** An instruction of each feature that a host may lack or hide: whether it has them is tried. */
export const PROBES: Readonly<Partial<Record<Feature, readonly number[]>>> = {
  adx: [0x66, 0x0f, 0x38, 0xf6, 0xc0],
  aes: [0x66, 0x0f, 0x38, 0xdc, 0xc0],
  pclmulqdq: [0x66, 0x0f, 0x3a, 0x44, 0xc0, 0],
  sha_ni: [0x0f, 0x38, 0xc8, 0xc0],
  movbe: [0x0f, 0x38, 0xf0, 0x00],
  avx: [0xc5, 0xf8, 0x58, 0xc0],
  avx2: [0xc5, 0xfd, 0xfc, 0xc0],
  fma: [0xc4, 0xe2, 0x79, 0x98, 0xc0],
  f16c: [0xc4, 0xe2, 0x79, 0x13, 0xc0],
  bmi1: [0xc4, 0xe2, 0x78, 0xf2, 0xc0],
  bmi2: [0xc4, 0xe2, 0xfb, 0xf6, 0xc0],
  fsgsbase: [0xf3, 0x48, 0x0f, 0xae, 0xc0],
  rdrand: [0x0f, 0xc7, 0xf0],
  rdseed: [0x0f, 0xc7, 0xf8],
  rdpid: [0xf3, 0x0f, 0xc7, 0xf8],
  rdtscp: [0x0f, 0x01, 0xf9],
  clflushopt: [0x66, 0x0f, 0xae, 0x38],
  clwb: [0x66, 0x0f, 0xae, 0x30],
};

export interface Table {
  readonly forms: readonly Form[];
  /** Encodings of this CPU's level that are not run, and why. */
  readonly missing: ReadonlyMap<string, string>;
}

/** All forms of a processor with `features`. */
export function formsOf(features: readonly Feature[]): Table {
  const forms: Form[] = [];
  const missing = new Map<string, string>();
  const have = new Set<string>(features);
  for (const [name, value] of Object.entries(Code)) {
    if (typeof value !== 'number' || value === 0) continue;
    const o = iced.CodeExt.opCode(value);
    const i = new iced.Instruction();
    i.code = value;
    if (fits(o, name) && !/^(DeclareByte|Zero_bytes)/.test(name)) {
      const needed = Array.from(i.cpuidFeatures(), (f) => FEATURE[CpuidFeature[f] as string]);
      if (needed.every((f) => f !== undefined && (f === '' || have.has(f)))) {
        const why = LEFT_OUT[Mnemonic[o.mnemonic] as string] ?? LEFT_OUT[name === 'Ud0' ? 'Ud0 alone' : name];
        if (why !== undefined) missing.set(name, why);
        else forms.push(form(value, name, o, i, forms.length));
      }
    }
    i.free();
    o.free();
  }
  return { forms, missing };
}
