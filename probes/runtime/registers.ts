/** Guest registers that are computed; `registers.gen.ts` has those that are read where they stand. */
import {
  ARENA_CONTEXT, FAULT_ILLOP, FLAG_A, FLAG_B, FLAG_OP, FLAG_RES, ICOUNT, NMI_BLOCKED, RFLAGS, SHADOW_AT, SHADOW_KIND,
} from './constants.gen';
import { userRegister, vmcsField } from './registers.gen';
import { arena, cpu, cpuIndex, raise } from './state';

/** A VPID is never 0. */
export function vpid(c: usize): u64 {
  return <u64>cpuIndex(c) + 1;
}

/** CF PF AF ZF SF OF. */
const ARITH: u32 = 0x8d5;

/**
 * RFLAGS. The arithmetic bits follow from the last operation that set them, as `vmm/cpu/core/flags.ts` describes: FLAG_OP 0 = they stand in RFLAGS,
 * 1 logic, 2 ADD, 3 ADC, 4 SUB, 5 SBB, 6 = CF, AF and OF stand in FLAG_A.
 */
export function rflags(c: usize): u64 {
  const flags = load<u32>(c, RFLAGS);
  const operation = load<u32>(c, FLAG_OP);
  if (operation == 0) return <u64>(flags | 2);
  const r = load<u64>(c, FLAG_RES);
  const a = load<u64>(c, FLAG_A);
  const b = load<u64>(c, FLAG_B);
  let carries: u32 = 0;
  if (operation == 6) carries = <u32>a & 0x811;
  else if (operation >= 2) {
    const subtract = operation >= 4;
    const carry = operation == 2 ? r < a : operation == 3 ? r <= a : operation == 4 ? a < b : a <= b;
    const overflow = <i64>(subtract ? (a ^ b) & (a ^ r) : (a ^ r) & (b ^ r)) < 0;
    carries = u32(carry) | (<u32>(a ^ b ^ r) & 0x10) | (u32(overflow) << 11);
  }
  const parity = u32((popcnt<u32>(<u32>r & 0xff) & 1) == 0);
  return <u64>((flags & ~ARITH) | carries | (parity << 2) | (u32(r == 0) << 6) | (u32(<i64>r < 0) << 7) | 2);
}

/** Interruptibility state (SDM vol. 3, 25.4.2): blocking by STI, by MOV SS, by NMI. */
export function interruptibility(c: usize): u64 {
  const shadow: u64 = load<u64>(c, SHADOW_AT) == load<u64>(c, ICOUNT) ? <u64>load<u32>(c, SHADOW_KIND) : 0;
  return shadow | (<u64>load<u32>(c, NMI_BLOCKED) << 3);
}

/** vmregs[index]. */
export function vmreg(index: u64): u64 {
  if (load<u32>(arena, ARENA_CONTEXT) == 0 || index >> 32 != 0) {
    raise(FAULT_ILLOP, 0);
    return 0;
  }
  return vmcsField(cpu, <u32>index);
}

/** uregs[index]. */
export function ureg(index: u64): u64 {
  if (load<u32>(arena, ARENA_CONTEXT) == 0 || index >> 32 != 0) {
    raise(FAULT_ILLOP, 0);
    return 0;
  }
  return userRegister(cpu, <u32>index);
}
