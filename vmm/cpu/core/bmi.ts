/**
 * BMI1, BMI2 (VEX-encoded, decoded by vex-general.ts) and ADX: execution (SDM vol. 2, each instruction).
 *
 * Undefined flags are those of one family of processors, consistently: AF is clear, PF and, where it is undefined, SF follow the result.
 */
import { raise, VEC_UD } from './fault';
import { CF, FLAGS_BITS, getCF, getOF, OF, setCarries } from './flags';
import { bitsFlags, imm16, kind, mulHigh, operand, READ, setReg, size, valueAt, zero } from './operations';
import { PROT } from './state.gen';

/** Byte 12 of U.BMI. */
export const BMI_ANDN: u32 = 0;
export const BMI_BLSR: u32 = 1;
export const BMI_BLSMSK: u32 = 2;
export const BMI_BLSI: u32 = 3;
export const BMI_BZHI: u32 = 4;
export const BMI_BEXTR: u32 = 5;
export const BMI_PDEP: u32 = 6;
export const BMI_PEXT: u32 = 7;
export const BMI_MULX: u32 = 8;
export const BMI_SHLX: u32 = 9;
export const BMI_SHRX: u32 = 10;
export const BMI_SARX: u32 = 11;
export const BMI_RORX: u32 = 12;

const RDX: usize = 16;

/** Byte 4: destination; bytes 14 and 15: offset of the register that vvvv names, or the immediate. */
export function bmiFn(cpu: usize, pc: usize): bool {
  // Real and virtual-8086 mode have no VEX (2.3.2).
  if (load<u32>(cpu, PROT) != 1) {
    raise(cpu, VEC_UD);
    return false;
  }
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const k = kind(pc);
  const to = cpu + <usize>load<u8>(pc, 4);
  const v = valueAt(at, index);
  if (k == BMI_RORX) {
    setReg(to, index, index == 3 ? rotr<i64>(v, imm16(pc)) : <i64>rotr<u32>(<u32>v, imm16(pc)));
    return true;
  }
  const other = valueAt(cpu + <usize>imm16(pc), index);
  switch (k) {
    case BMI_ANDN: result(cpu, to, index, ~other & v, 0); break;
    case BMI_BLSR: result(cpu, to, index, v & (v - 1), v == 0 ? CF : 0); break;
    case BMI_BLSMSK: result(cpu, to, index, v ^ (v - 1), v == 0 ? CF : 0); break;
    case BMI_BLSI: result(cpu, to, index, v & -v, v != 0 ? CF : 0); break;
    case BMI_BZHI: zeroHigh(cpu, to, index, v, <u32>other & 0xff); break;
    case BMI_BEXTR: result(cpu, to, index, <i64>extract(zero(v, index), <u32>other), 0); break;
    case BMI_PDEP: setReg(to, index, <i64>deposit(<u64>other, zero(v, index))); break;
    case BMI_PEXT: setReg(to, index, <i64>gather(<u64>other, zero(v, index))); break;
    case BMI_MULX: multiply(cpu, to, cpu + <usize>imm16(pc), index, zero(v, index)); break;
    default: setReg(to, index, shift(k, index, v, <u32>other));
  }
  return true;
}

/** Result with its flags: ZF and SF follow it, OF and AF are clear. */
function result(cpu: usize, to: usize, index: u32, r: i64, cf: u32): void {
  const signed = index == 3 ? r : <i64><i32>r;
  setReg(to, index, r);
  bitsFlags(cpu, signed, cf);
}

/** CF: the position lies behind the operand's end, and nothing is cleared. */
function zeroHigh(cpu: usize, to: usize, index: u32, v: i64, from: u32): void {
  const beyond = from > (index == 3 ? 63 : 31);
  result(cpu, to, index, beyond ? v : v & (((<i64>1) << <i64>from) - 1), beyond ? CF : 0);
}

/** `control`: first bit in 7:0, number of bits in 15:8. */
function extract(v: u64, control: u32): u64 {
  const start = control & 0xff;
  const length = (control >> 8) & 0xff;
  const shifted = start > 63 ? 0 : v >> <u64>start;
  return length > 63 ? shifted : shifted & ((<u64>1 << <u64>length) - 1);
}

/** The low bits of `v`, one to each bit of `mask`. */
function deposit(v: u64, mask: u64): u64 {
  let r: u64 = 0;
  for (let m = mask; m != 0; m &= m - 1) {
    if (v & 1) r |= m & -m;
    v >>= 1;
  }
  return r;
}

/** The bits of `v` at those of `mask`, gathered. */
function gather(v: u64, mask: u64): u64 {
  let r: u64 = 0;
  let bit: u64 = 1;
  for (let m = mask; m != 0; m &= m - 1) {
    if (v & m & -m) r |= bit;
    bit <<= 1;
  }
  return r;
}

/** By rDX; with both destinations the same register the high half stays. */
function multiply(cpu: usize, high: usize, low: usize, index: u32, v: u64): void {
  const a = zero(valueAt(cpu + RDX, index), index);
  const product = a * v;
  const top = index == 3 ? mulHigh(a, v) : product >> 32;
  setReg(low, index, <i64>product);
  setReg(high, index, <i64>top);
}

function shift(k: u32, index: u32, v: i64, count: u32): i64 {
  const n = <i64>(count & (index == 3 ? 63 : 31));
  if (k == BMI_SHLX) return v << n;
  return k == BMI_SHRX ? <i64>(zero(v, index) >> <u64>n) : v >> n;
}

/** ADCX (0) and ADOX (1): the one carries by CF and the other by OF, and no other flag changes. */
export function adxFn(cpu: usize, pc: usize): bool {
  const index = size(pc);
  const at = operand(cpu, pc, 1 << index, READ);
  if (at == 0) return false;
  const to = cpu + <usize>load<u8>(pc, 4);
  const overflow = kind(pc) != 0;
  const carry = <u64>(overflow ? getOF(cpu) : getCF(cpu));
  const a = zero(valueAt(to, index), index);
  const b = zero(valueAt(at, index), index);
  const sum = a + b + carry;
  const out = index == 3 ? u32(sum < a || (carry != 0 && sum == a)) : <u32>(sum >> 32);
  setReg(to, index, <i64>sum);
  if (overflow) setCarries(cpu, OF, out << 11);
  else setCarries(cpu, CF, out);
  return true;
}
