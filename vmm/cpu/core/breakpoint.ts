/**
 * Breakpoints of the debug registers (SDM vol. 3 sections 17.2.4 to 17.2.6, 17.3.1).
 *
 * Instruction breakpoints are faults, found before the fetch. Data and I/O breakpoints are traps: what an instruction hits is gathered here
 * while it runs, and becomes a pending #DB when it completes. While any breakpoint is enabled, every instruction runs alone (run.ts), and
 * with data breakpoints every access takes the slow path (mmu.ts), so that they cost nothing when there are none.
 * Left out: breakpoints on the processor's own accesses to descriptor tables and task states (permitted by section 17.3.1.2), LE and GE.
 */
import { CR4, DR } from './state.gen';

const DR7_ENABLES: u64 = 0xff;
const CR4_DE: u64 = 8;
/** R/W fields of DR7. */
const ON_FETCH: u32 = 0;
const ON_WRITE: u32 = 1;
const ON_PORT: u32 = 2;
const ON_ACCESS: u32 = 3;

/** DR6 bits that the current instruction has earned. */
let hits: u64 = 0;

// @ts-ignore: decorator
@inline
function dr7(cpu: usize): u64 {
  return load<u64>(cpu, DR + 56);
}

/** Any breakpoint is enabled. */
// @ts-ignore: decorator
@inline
export function breakpointsEnabled(cpu: usize): bool {
  return (dr7(cpu) & DR7_ENABLES) != 0;
}

/** A breakpoint on data is enabled: its R/W field is 1 or 3. */
export function dataBreakpointsEnabled(cpu: usize): bool {
  const d = dr7(cpu);
  for (let i: u64 = 0; i < 4; i++) {
    if (((d >> (2 * i)) & 3) != 0 && ((d >> (16 + 4 * i)) & 1) != 0) return true;
  }
  return false;
}

/** Bits of the enabled breakpoints that cover part of `size` bytes at `address`, for the R/W kinds `a` and `b`. */
function covering(cpu: usize, address: u64, size: u64, a: u32, b: u32): u64 {
  const d = dr7(cpu);
  let bits: u64 = 0;
  for (let i: u64 = 0; i < 4; i++) {
    if (((d >> (2 * i)) & 3) == 0) continue;
    const field = d >> (16 + 4 * i);
    const kind = <u32>field & 3;
    if (kind != a && kind != b) continue;
    // LEN 0 to 3: 1, 2, 8, 4 bytes; the address is aligned to them.
    const len = <u32>(field >> 2) & 3;
    const bytes: u64 = len == 2 ? 8 : <u64>(len + 1);
    const first = load<u64>(cpu + (<usize>i << 3), DR) & ~(bytes - 1);
    if (address < first + bytes && first < address + size) bits |= <u64>1 << i;
  }
  return bits;
}

/** DR6 bits of enabled instruction breakpoints at this linear address; the length field does not count. */
export function instructionBreakpoint(cpu: usize, linear: u64): u64 {
  const d = dr7(cpu);
  let bits: u64 = 0;
  for (let i: u64 = 0; i < 4; i++) {
    const here = ((d >> (2 * i)) & 3) != 0 && (<u32>(d >> (16 + 4 * i)) & 3) == ON_FETCH;
    if (here && load<u64>(cpu + (<usize>i << 3), DR) == linear) bits |= <u64>1 << i;
  }
  return bits;
}

/** Notes a data access. */
export function noteData(cpu: usize, linear: u64, size: u32, write: bool): void {
  hits |= covering(cpu, linear, <u64>size, write ? ON_WRITE : ON_ACCESS, ON_ACCESS);
}

/** Notes a port access; breakpoints on ports need CR4.DE. */
export function notePort(cpu: usize, port: u32, size: u32): void {
  if (breakpointsEnabled(cpu) && (load<u64>(cpu, CR4) & CR4_DE) != 0) hits |= covering(cpu, <u64>port, <u64>size, ON_PORT, ON_PORT);
}

/** What was noted since the last call. */
export function takeHits(): u64 {
  const bits = hits;
  hits = 0;
  return bits;
}
