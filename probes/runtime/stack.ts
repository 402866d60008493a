/**
 * Stacks of the guest, by frame pointer: stack() of its kernel, ustack() of its user code, and what follows from them.
 *
 * The vCPU runs one of both, by its privilege; the other's stack is empty here, because where it was left only the guest's kernel knows. A frame is two words at
 * RBP: the caller's RBP and the return address. The walk ends at the first that cannot be: not readable, not above the one before, on the other
 * side of the canonical hole, or misaligned, or a return to no canonical address; it never faults. Code without frame pointers has short stacks.
 */
import { ARENA_CONTEXT, CANONICAL, CPL, MODE, REGS, RIP, SEG_BASE } from './constants.gen';
import { guestRead } from './guest';
import { arena, cpu } from './state';

const RBP: usize = REGS + 5 * 8;
const CS_BASE: usize = SEG_BASE + 32;
const SS_BASE: usize = SEG_BASE + 2 * 32;
const FRAMES_MAX: u32 = 2048;

/** The word at a linear address, of `bytes`; sets `readable`. */
let readable: bool = false;
function word(address: u64, bytes: u32): u64 {
  const at = (<u32>address & 0xfff) + bytes <= 4096 ? guestRead(address) : 0;
  readable = at != 0;
  if (at == 0) return 0;
  return bytes == 8 ? load<u64>(at) : bytes == 4 ? <u64>load<u32>(at) : <u64>load<u16>(at);
}

/** Walks at most `frames` frames of the side `user`; writes program counters to `to` unless it is 0. Returns how many there are. */
function walk(to: usize, frames: u32, user: bool): u32 {
  if (load<u32>(arena, ARENA_CONTEXT) == 0 || (load<u32>(cpu, CPL) == 3) != user || frames == 0) return 0;
  const mode = load<u32>(cpu, MODE);
  const bytes: u32 = mode == 2 ? 8 : mode == 1 ? 4 : 2;
  const base: u64 = mode == 2 ? 0 : load<u64>(cpu, SS_BASE);
  const mask: u64 = bytes == 8 ? 0xffffffffffffffff : (<u64>1 << (bytes << 3)) - 1;
  let count: u32 = 1;
  if (to != 0) store<u64>(to, load<u64>(cpu, RIP) + (mode == 2 ? 0 : load<u64>(cpu, CS_BASE)));
  let frame = load<u64>(cpu, RBP) & mask;
  const side = frame >> 63;
  const unused = <u64>load<u32>(cpu, CANONICAL);
  while (count < frames && frame != 0 && (frame & <u64>(bytes - 1)) == 0 && frame >> 63 == side) {
    const next = word(base + frame, bytes);
    if (!readable) break;
    const pc = word(base + frame + <u64>bytes, bytes);
    if (!readable || pc == 0 || (bytes == 8 && <u64>(<i64>(pc << unused) >> unused) != pc)) break;
    if (to != 0) store<u64>(to + (count << 3), pc);
    count++;
    if (next <= frame) break;
    frame = next;
  }
  return count;
}

/** Program counters of at most `frames` frames at a place of as many words; the rest is 0. */
export function stack(to: usize, frames: u32, user: bool): void {
  const count = walk(to, frames, user);
  memory.fill(to + (count << 3), 0, (frames - count) << 3);
}

/** stackdepth and ustackdepth. */
export function stackDepth(user: bool): u64 {
  return walk(0, FRAMES_MAX, user);
}

/** Two program counters: where the vCPU is, and who called that. */
const TWO: usize = memory.data(16, 8);

/** caller and ucaller; 0 when there is none. */
export function caller(user: bool): u64 {
  return walk(TWO, 2, user) == 2 ? load<u64>(TWO, 8) : 0;
}
