/**
 * Canonical addresses: the bits that a linear address does not have are copies of its highest (SDM vol. 1 section 3.3.7.1).
 *
 * Two widths matter. What is executed or accessed, and what becomes RIP or RSP, follows the paging in use: 48 bits, 57 with 5-level
 * paging. What is only put into a register for later (bases of segments and tables, MSRs, the operands of INVLPG and INVPCID) follows the
 * processor: 57 bits where CPUID enumerates LA57, whatever CR4.LA57 says (Intel, "5-level paging and 5-level EPT", section 2.5, as processors do it).
 */
import { cpuidValue, ECX } from './cpuid';
import { CANONICAL } from './state.gen';

const CPUID7_ECX_LA57: u32 = 1 << 16;

// @ts-ignore: decorator
@inline
function extends48(address: u64): bool {
  return <u64>((<i64>address << 16) >> 16) == address;
}

/** True for an address that the paging in use can translate. */
// @ts-ignore: decorator
@inline
export function isCanonical(cpu: usize, address: u64): bool {
  const unused = <i64>load<u32>(cpu, CANONICAL);
  return <u64>((<i64>address << unused) >> unused) == address;
}

/** True for an address that a register may hold. */
export function isCanonicalBase(address: u64): bool {
  if (extends48(address)) return true;
  return (cpuidValue(7, 0, ECX) & CPUID7_ECX_LA57) != 0 && <u64>((<i64>address << 7) >> 7) == address;
}
