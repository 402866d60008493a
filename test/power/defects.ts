/**
 * Defects for the core, one idea each: what the tests of the processor must find.
 *
 * `good` is a piece of the source that stands once in `file` (after `after`, where that is given), `bad` what a tired hand might have written.
 * A piece that ends in `;` is one or more statements, any other one an expression.
 *
 * @module
 */

export interface Defect {
  readonly what: string;
  readonly file: string;
  readonly after?: string;
  readonly good: string;
  readonly bad: string;
}

const OPERATIONS = 'operations.ts';
const INTERPRETER = 'interp.gen.ts';
const SSE = 'sse.ts';
const SOFTFLOAT = 'softfloat.ts';

export const DEFECTS: readonly Defect[] = [
  // Flags.
  {
    what: 'CF of ADC misses the carry of an operand of all ones',
    file: 'flags.ts',
    after: 'function getCF',
    good: 'u32(res <= load<u64>(cpu, FLAG_A))',
    bad: 'u32(res < load<u64>(cpu, FLAG_A))',
  },
  {
    what: 'OF of a subtraction compares with the wrong operand',
    file: 'flags.ts',
    good: '((load<i64>(cpu, FLAG_A) ^ load<i64>(cpu, FLAG_B)) & (load<i64>(cpu, FLAG_A) ^ res)) < 0',
    bad: '((load<i64>(cpu, FLAG_A) ^ load<i64>(cpu, FLAG_B)) & (load<i64>(cpu, FLAG_B) ^ res)) < 0',
  },
  {
    what: 'AF of INC and DEC is taken from the wrong bit',
    file: OPERATIONS,
    good: '(a ^ r ^ 1) & 16',
    bad: '(a ^ r) & 16 & 0',
  },
  {
    what: 'PF looks at nine bits',
    file: 'flags.ts',
    good: '(popcnt<u32>(load<u8>(cpu, FLAG_RES)) & 1) == 0',
    bad: '(popcnt<u32>(<u32>load<u16>(cpu, FLAG_RES) & 0x1ff) & 1) == 0',
  },
  {
    what: 'SAHF also sets OF',
    file: OPERATIONS,
    good: '(getArith(cpu) & OF) | (<u32>load<u8>(cpu, 1) & 0xd5)',
    bad: '<u32>load<u8>(cpu, 1) & 0xd5',
  },
  {
    what: 'a rotate that keeps its flags loses ZF of a multiplication before it',
    file: 'flags.ts',
    after: 'if (op == FLAGS_BITS) carries = ',
    good: 'load<u32>(cpu, FLAG_A)',
    bad: '0',
  },
  // Shifts, multiplication, division, bits.
  {
    what: 'RCL of 16 bits takes its count modulo 16',
    file: OPERATIONS,
    good: 'index == 3 || index == 2 ? count : count % (width + 1)',
    bad: 'index == 3 || index == 2 ? count : count % width',
  },
  {
    what: 'a shift by CL of 64 bits masks the count with 31',
    file: OPERATIONS,
    after: 'function shiftFn',
    good: 'raw & (index == 3 ? 63 : 31)',
    bad: 'raw & 31',
  },
  {
    what: 'a shift by CL of zero sets flags',
    file: OPERATIONS,
    after: 'function shiftFn',
    good: 'if (count == 0) return put(cpu, pc, at, index, a);',
    bad: 'if (count == 0) { bitsFlags(cpu, a, 0); return put(cpu, pc, at, index, a); }',
  },
  {
    what: 'SHRD of 64 bits drops a bit',
    file: OPERATIONS,
    good: '(a >> n) | (b << (width - n))',
    bad: '(a >> n) | (index == 3 && n == 63 ? 0 : b << (width - n))',
  },
  {
    what: 'a signed high product forgets one correction',
    file: OPERATIONS,
    good: 'if (b < 0) h -= a;',
    bad: 'if (b < 0 && a >= 0) h -= a;',
  },
  {
    what: 'MUL of bytes leaves AH alone',
    file: OPERATIONS,
    good: 'store<u16>(cpu, <u16>product, RAX);',
    bad: 'store<u8>(cpu, <u8>product, RAX);',
  },
  {
    what: 'IDIV lets a quotient of 80 hex bytes through unsigned',
    file: OPERATIONS,
    after: 'function divideSigned',
    good: 'q != sign(q, index)',
    bad: 'q != sign(q, index) && !(index == 0 && q == 128)',
  },
  {
    what: 'DIV of 64 bits allows a high half equal to the divisor',
    file: OPERATIONS,
    after: 'function divideUnsigned',
    good: 'd == 0 || high >= d',
    bad: 'd == 0 || high > d',
  },
  {
    what: 'BT by register masks the displacement of a 16-bit operand',
    file: OPERATIONS,
    good: '(bit >> <i64>(index + 3)) << <i64>index',
    bad: 'index == 1 ? 0 : (bit >> <i64>(index + 3)) << <i64>index',
  },
  {
    what: 'LZCNT of 16 bits counts as of 32',
    file: OPERATIONS,
    good: 'clz<u64>(v) - (64 - width)',
    bad: 'clz<u64>(v) - (width == 16 ? 32 : 64 - width)',
  },
  {
    what: 'IMUL of 16 bits reports no overflow of negative products',
    file: OPERATIONS,
    good: 'product != <i64><i16>product ? CF | OF : 0',
    bad: 'product > 0x7fff ? CF | OF : 0',
  },
  // Widths and operands.
  {
    what: 'CMOV of 32 bits whose condition is false leaves the upper half',
    file: OPERATIONS,
    after: 'function cmovFn',
    good: 'setReg(reg, index, condition(cpu, kind(pc)) ? get(at, index) : get(reg, index));',
    bad: 'if (condition(cpu, kind(pc))) setReg(reg, index, get(at, index));',
  },
  {
    what: 'CMPXCHG that fails zero-extends nothing',
    file: OPERATIONS,
    good: 'if (!equal) setReg(cpu + RAX, index, b);',
    bad: 'if (!equal) store<u32>(cpu + RAX, <u32>b);',
  },
  {
    what: 'XADD of a register with itself keeps the old value',
    file: OPERATIONS,
    after: 'function xaddFn',
    good: 'setReg(at, index, r);',
    bad: 'if (at != reg) setReg(at, index, r);',
  },
  {
    what: 'the condition of a signed less-or-equal ignores ZF',
    file: OPERATIONS,
    after: 'function condition',
    good: 'r = less(cpu) || getZF(cpu) != 0;',
    bad: 'r = less(cpu);',
  },
  {
    what: 'CWDE sign-extends a byte',
    file: OPERATIONS,
    good: '<u64><u32><i32>load<i16>(cpu, RAX)',
    bad: '<u64><u32><i32>load<i8>(cpu, RAX)',
  },
  {
    what: 'LOOP with 32-bit addresses tests all of RCX',
    file: OPERATIONS,
    good: 'asz == 2 ? 0xffff : asz == 4 ? 0xffffffff : 0xffffffffffffffff',
    bad: 'asz == 2 ? 0xffff : 0xffffffffffffffff',
  },
  {
    what: 'POP to memory computes its address with the old stack pointer',
    file: OPERATIONS,
    after: 'function popFn',
    good: 'setStackPointer(cpu, old + <u64>bytes);',
    bad: 'if (kind(pc) == 1) setStackPointer(cpu, old + <u64>bytes);',
  },
  {
    what: 'REPNE SCAS stops one element late',
    file: 'string.ts',
    after: 'function scan',
    good: '(load<u64>(cpu, FLAG_RES) == 0) != (rep == 0xf3)',
    bad: '(load<u64>(cpu, FLAG_RES) == 0) != (rep == 0xf3) && done > 1',
  },
  {
    what: 'CMPS swaps its operands',
    file: 'string.ts',
    good: 'compare(cpu, signed(a), signed(b));',
    bad: 'compare(cpu, signed(b), signed(a));',
  },
  // The interpreter's own forms.
  {
    what: 'SBB of a memory operand of 16 bits forgets the borrow',
    file: INTERPRETER,
    after: '// SBB_RM_16\n',
    good: 'const c = getCF(cpu);',
    bad: 'const c: u32 = 0;',
  },
  {
    what: 'MOVSX from a byte to 16 bits zero-extends',
    file: INTERPRETER,
    after: '// MOVSX_R_8_16\n',
    good: '<i64>load<i8>(cpu + load<u8>(pc, 5))',
    bad: '<i64>load<u8>(cpu + load<u8>(pc, 5))',
  },
  {
    what: 'LEA with a 32-bit address keeps the upper half',
    file: INTERPRETER,
    after: '// LEA_64\n',
    good: 'if (f & 0xc0) lin &= f & 0x80 ? 0xffff : 0xffffffff;',
    bad: 'if (f & 0x80) lin &= 0xffff;',
  },
  {
    what: 'ROR by an immediate takes OF from the wrong bits',
    file: INTERPRETER,
    after: '// ROR_RI_32\n',
    good: '<u32>((r >> 31) ^ (r >> 30)) & 1',
    bad: '<u32>((r >> 31) ^ r) & 1',
  },
  {
    what: 'a fused compare and jump-if-above is a jump-if-above-or-equal',
    file: INTERPRETER,
    after: '// CMP_RR_64_J7\n',
    good: '<u64>a > <u64>b',
    bad: '<u64>a >= <u64>b',
  },
  {
    what: 'DEC of 64 bits takes the overflow from the wrong edge',
    file: INTERPRETER,
    after: '// DEC_R_64\n',
    good: 'r == i64.MAX_VALUE',
    bad: 'r == i64.MIN_VALUE',
  },
  // SIMD.
  {
    what: 'PSRAW by more than 15 clears instead of filling with the sign',
    file: SSE,
    after: 'function shift(',
    good: 'i16x8.shr_s(a, n > 15 ? 15 : n)',
    bad: 'n > 15 ? zero : i16x8.shr_s(a, n)',
  },
  {
    what: 'PUNPCKHWD takes the low words',
    file: SSE,
    after: 'function packed(',
    good: 'i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)',
    bad: 'i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 14)',
  },
  {
    what: 'ANDNPS negates the second operand',
    file: SSE,
    after: 'function logic(',
    good: 'v128.andnot(b, a)',
    bad: 'v128.andnot(a, b)',
  },
  {
    what: 'UCOMISD of equal values clears ZF',
    file: SSE,
    after: 'function compareFlags(',
    good: 'setArith(cpu, x < y ? CF : x == y ? ZF : 0);',
    bad: 'setArith(cpu, x < y ? CF : 0);',
  },
  {
    what: 'PCMPISTRI reports SF from the wrong operand',
    file: SSE,
    after: 'function compareStrings(',
    good: '(la < n ? SF : 0)',
    bad: '(lb < n ? SF : 0)',
  },
  {
    what: 'MINPS of a NaN gives the first operand',
    file: SOFTFLOAT,
    after: 'export function softMin',
    good: 'return flushDenormal<T>(b);',
    bad: 'return flushDenormal<T>(a);',
  },
  {
    what: 'tininess is detected before rounding',
    file: SOFTFLOAT,
    good: 'e < 0 || i64(s + inc) >= 0',
    bad: 'e <= 0',
  },
  {
    what: 'x - x is +0 in every rounding mode',
    file: SOFTFLOAT,
    after: 'export function softAdd',
    good: 'rounding == RC_DOWN ? signBit<T>() : 0',
    bad: '<u64>0',
  },
  {
    what: 'an unmasked invalid operation does not hide the precision flag',
    file: SSE,
    after: 'function settle(',
    good: 'if (unmasked & 7) raised &= 7;',
    bad: 'if (unmasked & 7) raised &= 0x3f;',
  },
  {
    what: 'the conversion to a doubleword accepts 2^31',
    file: SOFTFLOAT,
    after: 'export function softToInt32',
    good: 'r <= 2147483647.0',
    bad: 'r <= 2147483648.0',
  },
  {
    what: 'SHUFPD takes both halves by bit 0',
    file: SSE,
    after: 'function shuffleFloats(',
    good: 'load<u64>(src + ((imm & 2) << 2))',
    bad: 'load<u64>(src + ((imm & 1) << 3))',
  },
  // Memory and faults.
  {
    what: 'CMPXCHG16B takes any address',
    file: OPERATIONS,
    good: 'bytes == 16 && (lin & 15) != 0',
    bad: 'bytes == 16 && (lin & 7) != 0',
  },
  {
    what: 'an aligned SSE operand need only be aligned to 8',
    file: OPERATIONS,
    after: 'function sseFn',
    good: '(word & SSE_ALIGNED) != 0 && (lin & 15) != 0',
    bad: '(word & SSE_ALIGNED) != 0 && (lin & 7) != 0',
  },
  {
    what: 'a read of two pages looks at the first one only',
    file: 'mmu.ts',
    after: 'export function readSlow',
    good: 'const room: u32 = 4096 - (<u32>linear & 0xfff);',
    bad: 'const room: u32 = 4100 - (<u32>linear & 0xfff);',
  },
  {
    what: 'the error code of a protection fault lacks its present bit',
    file: 'mmu.ts',
    after: 'if (!permitted)',
    good: 'raisePageFault(cpu, linear, error | 1);',
    bad: 'raisePageFault(cpu, linear, error);',
  },
  {
    what: 'a user write to a read-only page passes',
    file: 'mmu.ts',
    after: 'function allowed',
    good: 'if (access == A_WRITE) return (rights & PTE_W) != 0;',
    bad: 'if (access == A_WRITE) return true;',
  },
  // AVX, BMI, FMA, XSAVE and kin.
  {
    what: 'VEX.128 leaves the upper half of its destination alone',
    file: 'avx.ts',
    after: 'function put(',
    good: 'v128.store(d, wide ? v128.load(from, 16) : zero(), 16);',
    bad: 'if (wide) v128.store(d, v128.load(from, 16), 16);',
  },
  {
    what: 'VSHUFPD takes the bits of the low lane in both',
    file: 'avx.ts',
    after: 'case 0x1c6: case 0x90d: return ',
    good: 'imm >> 2',
    bad: 'imm',
  },
  {
    what: 'VPTEST of 256 bits looks at the upper half for CF only',
    file: 'avx.ts',
    after: 'function test(',
    good: 'both = v128.or(both, v128.and(a1, b1));',
    bad: 'both = v128.or(both, zero());',
  },
  {
    what: 'VZEROUPPER clears only eight registers',
    file: 'avx.ts',
    after: 'function clear(',
    good: 'load<u32>(cpu, MODE) == 2 ? 16 : 8',
    bad: '8',
  },
  {
    what: 'VBLENDVPD chooses by the sign of each half of a lane',
    file: 'avx.ts',
    after: 'function chosen(',
    good: 'i64x2.shr_s(mask, 63)',
    bad: 'i32x4.shr_s(mask, 31)',
  },
  {
    what: 'a fused multiply-add of order 213 multiplies the wrong operands',
    file: 'fma.ts',
    good: 'order == 9 ? vvvv : order == 10 ? rm : dst',
    bad: 'order == 9 ? vvvv : order == 10 ? vvvv : dst',
  },
  {
    what: 'FMADDSUB begins with an addition',
    file: 'fma.ts',
    good: 'op == 6 || (op >= 8 && bool(op & 2))',
    bad: 'op == 7 || (op >= 8 && bool(op & 2))',
  },
  {
    what: 'BZHI masks its position with the size of the operand',
    file: 'bmi.ts',
    after: 'case BMI_BZHI',
    good: '<u32>other & 0xff',
    bad: '<u32>other & (index == 3 ? 63 : 31)',
  },
  {
    what: 'PDEP drops the top bit of its mask',
    file: 'bmi.ts',
    after: 'function deposit(',
    good: 'm != 0',
    bad: 'm != 0 && m != 0x8000000000000000',
  },
  {
    what: 'MULX with one register twice keeps the low half',
    file: 'bmi.ts',
    after: 'function multiply(',
    good: 'setReg(high, index, <i64>top);',
    bad: 'if (high != low) setReg(high, index, <i64>top);',
  },
  {
    what: 'ADOX adds the carry flag',
    file: 'bmi.ts',
    after: 'function adxFn(',
    good: '<u64>(overflow ? getOF(cpu) : getCF(cpu))',
    bad: '<u64>getCF(cpu)',
  },
  {
    what: 'SHA-256 rotates by 17 in place of 18',
    file: 'sha.ts',
    after: 'function sigma0(',
    good: 'rotr<u32>(x, 18)',
    bad: 'rotr<u32>(x, 17)',
  },
  {
    what: 'XRSTOR takes components that XCR0 does not have',
    file: 'xsave.ts',
    after: 'function checkHeader(',
    good: 'compBv != 0 || (stateBv & ~xcr0) != 0',
    bad: 'compBv != 0',
  },
];
