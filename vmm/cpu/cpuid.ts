/**
 * The CPUID table that a vCPU starts with: what the core executes, and nothing else.
 *
 * Intel SDM vol. 2, CPUID. A GenuineIntel part of family 6 without a hypervisor leaf. Bits that follow machine state (OSXSAVE, the APIC
 * enable, the XCR0 sizes of leaf D) are put in by the core. Time is told in one way: leaf 15h gives a TSC of 1 GHz on a 1 GHz crystal, which
 * is also what the local APIC timer counts, and leaf 16h says the same in MHz; the TSC is invariant.
 *
 * @module
 */
import { ISA, XSAVE } from './layout.ts';
import type { CpuidEntry } from './registers.ts';

/** Feature bits by name: [leaf, register, bit]. The names are Linux's (cpufeatures.h). */
const FEATURES = {
  sse3: [0x1, 'ecx', 0],
  pclmulqdq: [0x1, 'ecx', 1],
  ssse3: [0x1, 'ecx', 9],
  fma: [0x1, 'ecx', 12],
  cx16: [0x1, 'ecx', 13],
  pcid: [0x1, 'ecx', 17],
  sse4_1: [0x1, 'ecx', 19],
  sse4_2: [0x1, 'ecx', 20],
  x2apic: [0x1, 'ecx', 21],
  movbe: [0x1, 'ecx', 22],
  popcnt: [0x1, 'ecx', 23],
  tsc_deadline_timer: [0x1, 'ecx', 24],
  aes: [0x1, 'ecx', 25],
  xsave: [0x1, 'ecx', 26],
  avx: [0x1, 'ecx', 28],
  f16c: [0x1, 'ecx', 29],
  rdrand: [0x1, 'ecx', 30],
  fpu: [0x1, 'edx', 0],
  vme: [0x1, 'edx', 1],
  de: [0x1, 'edx', 2],
  pse: [0x1, 'edx', 3],
  tsc: [0x1, 'edx', 4],
  msr: [0x1, 'edx', 5],
  pae: [0x1, 'edx', 6],
  mce: [0x1, 'edx', 7],
  cx8: [0x1, 'edx', 8],
  apic: [0x1, 'edx', 9],
  sep: [0x1, 'edx', 11],
  mtrr: [0x1, 'edx', 12],
  pge: [0x1, 'edx', 13],
  mca: [0x1, 'edx', 14],
  cmov: [0x1, 'edx', 15],
  pat: [0x1, 'edx', 16],
  pse36: [0x1, 'edx', 17],
  clflush: [0x1, 'edx', 19],
  mmx: [0x1, 'edx', 23],
  fxsr: [0x1, 'edx', 24],
  sse: [0x1, 'edx', 25],
  sse2: [0x1, 'edx', 26],
  ss: [0x1, 'edx', 27],
  arat: [0x6, 'eax', 2],
  fsgsbase: [0x7, 'ebx', 0],
  tsc_adjust: [0x7, 'ebx', 1],
  bmi1: [0x7, 'ebx', 3],
  avx2: [0x7, 'ebx', 5],
  smep: [0x7, 'ebx', 7],
  bmi2: [0x7, 'ebx', 8],
  erms: [0x7, 'ebx', 9],
  invpcid: [0x7, 'ebx', 10],
  rdseed: [0x7, 'ebx', 18],
  adx: [0x7, 'ebx', 19],
  smap: [0x7, 'ebx', 20],
  clflushopt: [0x7, 'ebx', 23],
  clwb: [0x7, 'ebx', 24],
  sha_ni: [0x7, 'ebx', 29],
  umip: [0x7, 'ecx', 2],
  pku: [0x7, 'ecx', 3],
  la57: [0x7, 'ecx', 16],
  rdpid: [0x7, 'ecx', 22],
  fsrm: [0x7, 'edx', 4],
  arch_capabilities: [0x7, 'edx', 29],
  xsaveopt: [0xd, 'eax', 0],
  xsavec: [0xd, 'eax', 1],
  xgetbv1: [0xd, 'eax', 2],
  lahf_lm: [0x80000001, 'ecx', 0],
  abm: [0x80000001, 'ecx', 5],
  prefetchw: [0x80000001, 'ecx', 8],
  syscall: [0x80000001, 'edx', 11],
  nx: [0x80000001, 'edx', 20],
  pdpe1gb: [0x80000001, 'edx', 26],
  rdtscp: [0x80000001, 'edx', 27],
  lm: [0x80000001, 'edx', 29],
  constant_tsc: [0x80000007, 'edx', 8],
} as const satisfies Record<string, readonly [number, 'eax' | 'ebx' | 'ecx' | 'edx', number]>;

export type Feature = keyof typeof FEATURES;

/** The baseline of x86-64 and what of the system architecture every model has. */
const V1: readonly Feature[] = [
  'fpu',
  'vme',
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'mce',
  'cx8',
  'apic',
  'sep',
  'mtrr',
  'pge',
  'mca',
  'cmov',
  'pat',
  'pse36',
  'clflush',
  'mmx',
  'fxsr',
  'sse',
  'sse2',
  'x2apic',
  'tsc_deadline_timer',
  'arat',
  'tsc_adjust',
  'arch_capabilities',
  'syscall',
  'nx',
  'pdpe1gb',
  'rdtscp',
  'lm',
  'constant_tsc',
];

/** What each model adds to the one before it: the levels of the x86-64 psABI (section 3.1.1), with the system features of their processors. */
const ADDED = {
  v1: V1,
  v2: ['cx16', 'lahf_lm', 'popcnt', 'sse3', 'ssse3', 'sse4_1', 'sse4_2'],
  v3: [
    'abm',
    'aes',
    'avx',
    'avx2',
    'bmi1',
    'bmi2',
    'erms',
    'f16c',
    'fma',
    'fsgsbase',
    'invpcid',
    'movbe',
    'pcid',
    'pclmulqdq',
    'rdrand',
    'smap',
    'smep',
    'umip',
    'xsave',
    'xsaveopt',
  ],
  max: ['adx', 'clflushopt', 'clwb', 'fsrm', 'la57', 'pku', 'prefetchw', 'rdpid', 'rdseed', 'sha_ni', 'xgetbv1', 'xsavec'],
} as const satisfies Record<string, readonly Feature[]>;

/** A processor to be: `v1`, `v2`, `v3` are the levels of the x86-64 psABI, `max` has all that the core executes. */
export type CpuModel = keyof typeof ADDED;
export const CPU_MODELS = Object.keys(ADDED) as readonly CpuModel[];

/** The features of a model. */
export function modelFeatures(model: CpuModel): readonly Feature[] {
  return CPU_MODELS.slice(0, CPU_MODELS.indexOf(model) + 1).flatMap((name): readonly Feature[] => ADDED[name]);
}

/** All that the core executes. */
export const CORE_FEATURES: readonly Feature[] = modelFeatures('max');

/** VM_AREA.ISA for a table: what the decoder may take. */
export function isaOf(table: readonly CpuidEntry[]): bigint {
  let bits = 0n;
  for (const [name, isa] of Object.entries(ISA)) {
    const [leaf, register, bit] = FEATURES[name as keyof typeof ISA];
    if (table.some((e) => e.leaf === leaf && (e.subleaf ?? 0) === (leaf === 0xd ? 1 : 0) && ((e[register] >>> bit) & 1) !== 0))
      bits |= BigInt(isa);
  }
  return bits;
}

/** TSC and crystal frequency in Hz. */
export const TSC_HZ = 1_000_000_000;

/**
 * IA32_ARCH_CAPABILITIES (MSR 10Ah): a CPU that executes nothing ahead leaks nothing. RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO,
 * TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO.
 */
export const ARCH_CAPABILITIES = 0x0d10_e179;

/** Family 6, model 15, stepping 11. */
const SIGNATURE = 0x0000_06fb;
export const PHYSICAL_BITS = 40;
const BRAND = 'Lucid x86-64 CPU at 1.00GHz';

function text(s: string): [number, number, number, number] {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = s.charCodeAt(i) || 0;
  const words = new DataView(bytes.buffer);
  return [words.getUint32(0, true), words.getUint32(4, true), words.getUint32(8, true), words.getUint32(12, true)];
}

function row(leaf: number, subleaf: number | undefined, [eax, ebx, ecx, edx]: readonly [number, number, number, number]): CpuidEntry {
  return { leaf, subleaf, eax, ebx, ecx, edx };
}

/** Leaf 4 rows: type, level, ways, sets of a cache with 64-byte lines. */
function cache(subleaf: number, type: number, level: number, ways: number, sets: number): CpuidEntry {
  const selfInitializing = 1 << 8;
  return row(4, subleaf, [type | (level << 5) | selfInitializing, ((ways - 1) << 22) | 63, sets - 1, 0]);
}

/** Leaf 0DH: the state components that XSAVE manages follow from the features. EBX of the first two subleafs follows XCR0 (the core's part). */
function xsaveLeaf(features: readonly Feature[]): CpuidEntry[] {
  if (!features.includes('xsave')) return [];
  const avx = features.includes('avx');
  const pku = features.includes('pku');
  const end = pku ? XSAVE.PKRU_OFFSET + XSAVE.PKRU_SIZE : avx ? XSAVE.AVX_OFFSET + XSAVE.AVX_SIZE : 576;
  const rows = [row(0xd, 0, [3 | (avx ? 4 : 0) | (pku ? 0x200 : 0), 0, end, 0]), row(0xd, 1, [0, 0, 0, 0])];
  if (avx) rows.push(row(0xd, 2, [XSAVE.AVX_SIZE, XSAVE.AVX_OFFSET, 0, 0]));
  if (pku) rows.push(row(0xd, 9, [XSAVE.PKRU_SIZE, XSAVE.PKRU_OFFSET, 0, 0]));
  return rows;
}

/** The table of vCPU `apicId` among `vcpus`, with `features`. */
export function defaultCpuid(apicId = 0, vcpus = 1, features: readonly Feature[] = CORE_FEATURES): CpuidEntry[] {
  const vendor = text('GenuineIntel');
  const idBits = 32 - Math.clz32(vcpus - 1);
  const clflushUnits = 8;
  const table = [
    row(0, undefined, [0x16, vendor[0], vendor[2], vendor[1]]),
    row(1, undefined, [SIGNATURE, ((apicId << 24) | (vcpus << 16) | (clflushUnits << 8)) >>> 0, 0, vcpus > 1 ? 1 << 28 : 0]),
    // Descriptor FFh: see leaf 4.
    row(2, undefined, [0x00ff_0001, 0, 0, 0]),
    cache(0, 1, 1, 8, 64),
    cache(1, 2, 1, 8, 64),
    cache(2, 3, 2, 16, 2048),
    row(4, undefined, [0, 0, 0, 0]),
    row(6, undefined, [0, 0, 0, 0]),
    row(7, 0, [0, 0, 0, 0]),
    row(0xb, 0, [0, 1, 0x100, apicId]),
    row(0xb, 1, [idBits, vcpus, 0x201, apicId]),
    row(0xb, 2, [0, 0, 2, apicId]),
    ...xsaveLeaf(features),
    row(0x15, undefined, [1, 1, TSC_HZ, 0]),
    row(0x16, undefined, [TSC_HZ / 1e6, TSC_HZ / 1e6, 100, 0]),
    row(0x80000000, undefined, [0x80000008, 0, 0, 0]),
    row(0x80000001, undefined, [0, 0, 0, 0]),
    row(0x80000002, undefined, text(BRAND.padEnd(48, '\0').slice(0, 16))),
    row(0x80000003, undefined, text(BRAND.padEnd(48, '\0').slice(16, 32))),
    row(0x80000004, undefined, text(BRAND.padEnd(48, '\0').slice(32))),
    // L2: 2 MiB, 16 ways (encoding 8), 64-byte lines.
    row(0x80000006, undefined, [0, 0, (2048 << 16) | (8 << 12) | 64, 0]),
    row(0x80000007, undefined, [0, 0, 0, 0]),
    row(0x80000008, undefined, [PHYSICAL_BITS | ((features.includes('la57') ? 57 : 48) << 8), 0, 0, 0]),
  ];
  for (const name of features) {
    const [leaf, register, bit] = FEATURES[name];
    const entry = table.find((e) => e.leaf === leaf && (leaf !== 0xd || e.subleaf === 1)) as CpuidEntry;
    entry[register] = (entry[register] | (1 << bit)) >>> 0;
  }
  return table;
}
