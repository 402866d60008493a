/**
 * The decoder: guest bytes to micro-ops, once per line (SDM vol. 2, chapter 2 and appendix A).
 *
 * A micro-op has 16 bytes:
 *   0 u16 operation (uop.gen.ts)          8 i32 displacement; of a branch: link to the target's line
 *   2 u16 page offset (12), length (4)   12 i32 immediate; of a branch: target relative to the page. Or
 *   4 u8  register operand                  12 u8 kind, 13 u8 operand size, 14 u16 immediate
 *   5 u8  base, or register operand 2
 *   6 u8  index, or REGISTER
 *   7 u8  scale (1:0), address needs completing (2), segment (5:3), address size (7:6)
 * Register operands are byte offsets into the vCPU's registers, so AH is RAX's offset plus 1; vector and other registers are numbers.
 * One micro-op per instruction keeps counting exact; compare and branch are fused by giving the compare's micro-op a number that does
 * both, while the branch keeps its own slot.
 *
 * `instruction.ts` holds the instruction at hand (prefixes, ModRM, the micro-op being written), `opcodes.ts` and `opcodes-0f.ts` know the
 * opcodes, `sse-table.ts` those of SIMD; here instructions become lines.
 *
 * Instructions are decoded from one page; one that crosses its end becomes ALONE and is decoded from a copy of its bytes; so does one that may be
 * watched (`watch.ts`). Faults of
 * decoding are micro-ops too (UD, GP): what is decoded may never be executed. An instruction of more than 15 bytes is #GP(0) before
 * anything else is said about it (SDM vol. 3, table 7-2).
 *
 * Not here: EVEX, 3DNow!, XOP. Where AMD differs, Intel's way is taken: near branches ignore 66h in
 * 64-bit code, UD0 has a ModRM byte, far indirect branches take REX.W, SYSCALL is #UD outside 64-bit code, LOCK MOV CR0 is #UD.
 */
import {
  badLock, branchLocal, ends, info, LENGTH_MAX, mode, nearSize, opcodeAfterPrefixes, open, out, osz, over, p, PAGE_SLOT, put, REGISTER, RIP_SLOT,
  ripRelative, setOut, tooLong, ud,
} from './instruction';
import { LINE_MAX } from './lines';
import { oneByte } from './opcodes';
import { twoByte } from './opcodes-0f';
import * as U from './uop.gen';
import { ENG_LINES, ENG_UOPS } from './state.gen';
import { offsetWatched } from './watch';

export { REGISTER } from './instruction';
export { SSE_ALIGNED, SSE_MMX, SSE_SPECIAL, SSE_STORE, SSE_WIDE, SSE_XMM } from './opcodes-0f';

/** Offset of the instruction at hand in its page. */
let pageOffset: u32 = 0;
/** It is run alone, perhaps because the CS limit or the wrap of IP cuts its page: a branch's target is always checked. */
let alone: bool = false;

/** Decodes one instruction into `out`; nothing is there when bytes are missing (`over`). */
function decodeOne(): void {
  const start = p;
  const op = opcodeAfterPrefixes();
  if (over) return;
  if (p - start <= LENGTH_MAX) {
    if (op == 0x0f) twoByte();
    else oneByte(op);
    if (over) return;
  }
  const length = <u32>(p - start);
  if (length > <u32>LENGTH_MAX) {
    tooLong(pageOffset);
    return;
  }
  if (badLock()) ud();
  store<u16>(out, <u16>((pageOffset & 0xfff) | (length << 12)), 2);
  const after = pageOffset + length;
  if (branchLocal != 0) finishBranch(after);
  else if (ripRelative) finishAddress(after);
}

/** A RIP-relative displacement is made relative to the page; one that then does not fit takes a page of its 4096 from a slot. */
function finishAddress(after: u32): void {
  if (<u32>load<u8>(out, 5) != RIP_SLOT) return;
  const disp = <i64>load<i32>(out, 8) + <i64>after;
  if (disp > 0x7fffffff) {
    store<u8>(out, <u8>PAGE_SLOT, 6);
    store<i32>(out, <i32>(disp - 4096), 8);
  } else store<i32>(out, <i32>disp, 8);
}

/** A relative branch is made relative to the page; it is local when its target lies in the same page and needs no truncation. */
function finishBranch(after: u32): void {
  const rel = load<i32>(out, 12);
  const target = <i64>rel + <i64>after;
  if (target > 0x7fffffff) {
    // Next to 2^31 that overflows: such a branch is left to a function.
    const kind: u32 = branchLocal == U.CALL_LOCAL ? 3 : branchLocal == U.JMP_LOCAL ? 8 : 0x10 | (branchLocal - U.JCC_LOCAL);
    put(U.BRANCH_FN, 0, 0, REGISTER, 0, rel, info(kind, nearSize(), 0));
    return;
  }
  // With 66h 32-bit code jumps to the first 64 KB; 16-bit code is decoded as lines there only.
  const local = target >= 0 && target < 4096 && !(mode == 1 && osz == 2) && !alone;
  if (local) store<u16>(out, <u16>branchLocal);
  store<i32>(out, <i32>target, 12);
}

/**
 * Decodes the line at host address `host` into `at`; returns the end of what it wrote. The line ends with an unconditional branch, at the page's
 * end, or when it is full.
 */
export function decodeLine(cpu: usize, host: usize, codeMode: u32, at: usize): usize {
  const page = host & ~0xfff;
  const end = page + 4096;
  open(host, end, codeMode);
  setOut(at);
  alone = false;
  let previous: usize = 0;
  let setter: usize = 0;
  let n: u32 = 0;
  while (true) {
    pageOffset = <u32>(p - page);
    if (p == end) {
      close(U.PAGE_END, 0);
      break;
    }
    if (n == LINE_MAX) {
      close(U.CHECK, <i32>pageOffset);
      break;
    }
    if (offsetWatched(pageOffset)) {
      close(U.ALONE, 0);
      break;
    }
    decodeOne();
    if (over) {
      close(U.ALONE, 0);
      break;
    }
    n++;
    const op = <u32>load<u16>(out);
    if (previous != 0) fuse(previous, op);
    // Flags that nobody can see before they are replaced need not be kept: only register operations stand in between, and a line is
    // entered at its first micro-op alone.
    const use = U.flagUse(op);
    if (use == 1 && setter != 0) store<u16>(setter, <u16>U.quietOp(<u32>load<u16>(setter)));
    if (use != 2) setter = U.quietOp(op) != 0 ? out : 0;
    previous = out;
    setOut(out + 16);
    if (ends) break;
  }
  store<u64>(cpu, load<u64>(cpu, ENG_LINES) + 1, ENG_LINES);
  store<u64>(cpu, load<u64>(cpu, ENG_UOPS) + <u64>n, ENG_UOPS);
  return out;
}

/** Gives the compare at `previous` the number that does the conditional branch `op` behind it as well. */
// @ts-ignore: decorator
@inline
function fuse(previous: usize, op: u32): void {
  if (op < U.JCC_LOCAL || op >= U.JCC_LOCAL + 16) return;
  const both = U.fusedOp(<u32>load<u16>(previous), op - U.JCC_LOCAL);
  if (both) store<u16>(previous, <u16>both);
}

/** Ends a line with a micro-op that is no instruction. */
function close(op: u32, imm: i32): void {
  put(op, 0, 0, 0, 0, 0, imm);
  store<u16>(out, <u16>(pageOffset & 0xfff), 2);
  setOut(out + 16);
}

/** Decodes one instruction from `bytes` (of which `n` are there) for page offset `offset`, and a STOP after it; false when bytes are missing. */
export function decodeAlone(bytes: usize, n: u32, offset: u32, codeMode: u32, at: usize): bool {
  open(bytes, bytes + n, codeMode);
  setOut(at);
  pageOffset = offset;
  alone = true;
  decodeOne();
  if (over) return false;
  setOut(at + 16);
  put(U.STOP, 0, 0, 0, 0, 0, 0);
  return true;
}
