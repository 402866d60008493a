/**
 * What the fuzzer found, and what processors do: each case ran on the host, and its outcome is written down, so it needs no host.
 *
 * @module
 */
import { DATA, MISSING } from './record.ts';

export interface Found {
  readonly name: string;
  /** Hexadecimal; a jump to EXIT follows. */
  readonly code: string;
  readonly features?: readonly string[];
  readonly before: State;
  readonly after: State & { readonly vector?: number; readonly cr2?: bigint };
}

export interface State {
  /** By name. */
  readonly registers?: Readonly<Record<string, bigint>>;
  readonly flags?: number;
  readonly fcw?: number;
  readonly fsw?: number;
  readonly mxcsr?: number;
  /** Low halves and more, by number. */
  readonly ymm?: Readonly<Record<number, bigint>>;
}

/** #PF, #AC, and the end of the code. */
const PF = 14;
const ENDED = 256;

export const FOUND: readonly Found[] = [
  {
    name: 'FISTP: a missing page comes before an unmasked invalid operation that stores nothing',
    code: 'db5f00',
    before: { registers: { rdi: BigInt(DATA + MISSING) }, fcw: 0x37e, fsw: 0 },
    after: { vector: PF, fsw: 0 },
  },
  {
    name: 'FST m64: a page that cannot be written comes before an unmasked overflow that stores nothing',
    code: 'dd17',
    before: { registers: { rdi: BigInt(DATA + 0x2000) }, fcw: 0x367, fsw: 0 },
    after: { vector: PF, fsw: 0 },
  },
  {
    name: 'VMASKMOVPS makes no alignment checks',
    code: 'c4e2712e07',
    features: ['avx'],
    before: { registers: { rdi: BigInt(DATA + 0x401) }, flags: 0x40202, ymm: { 1: (1n << 128n) - 1n, 0: 7n } },
    after: { vector: ENDED },
  },
  {
    name: 'VPMASKMOVQ makes no alignment checks',
    code: 'c4e2f18c07',
    features: ['avx2'],
    before: { registers: { rdi: BigInt(DATA + 0x401) }, flags: 0x40202, ymm: { 1: (1n << 128n) - 1n } },
    after: { vector: ENDED },
  },
  {
    name: 'VPGATHERDD makes no alignment checks',
    code: 'c4e26990040f',
    features: ['avx2'],
    before: { registers: { rdi: BigInt(DATA + 0x401) }, flags: 0x40202, ymm: { 2: (1n << 128n) - 1n } },
    after: { vector: ENDED },
  },
  {
    name: 'VMASKMOVPS with a 32-bit address at 4 GiB goes on behind it',
    code: '67c4e2712e07',
    features: ['avx'],
    before: { registers: { rdi: 0xffff_fffcn }, ymm: { 1: 0x80000000n << 32n } },
    after: { vector: PF, cr2: 0x1_0000_0000n },
  },
];
