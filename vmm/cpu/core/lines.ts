/**
 * Decoded code: lines of micro-ops, found by host address and code size.
 *
 * A line is straight-line code inside one page of RAM: up to 32 instructions, 16 bytes each, so that "instructions executed" is a difference
 * of pointers. A header of 16 bytes stands before the first micro-op: host address of the first byte, code size, next line of the same
 * page, next line of the same hash chain. Lines are allocated one after another and freed all at once when the room is
 * used up. A store to a page with code drops that page's lines: they leave the hash and the list, but their bytes stay, so that
 * the line being executed can be left in good order. Links between lines never cross a page, hence die together.
 */
import { decodeLine } from './decode';
import { dropAllJumps, PAGE_CODE, protectCode } from './mmu';
import {
  AREA_JUMPS, CODE_BASE, ENG_INVALIDATIONS, JUMP_GEN, LINE_HASH, MODE, PAGE_FLAGS, PAGE_LINES, RAM_BASE, SEG_LIMIT, UOPS, UOPS_END, VCPU_BASE,
} from './state.gen';

/** Instructions in a line. */
export const LINE_MAX: u32 = 32;
/** The most bytes a line takes: header, instructions, one closing micro-op. */
const LINE_BYTES: usize = 16 * (<usize>LINE_MAX + 2);
const HASH_SIZE: u32 = 0x80000;

let next: usize = UOPS;
/** How often all code was dropped. */
export let epoch: u32 = 0;

// @ts-ignore: decorator
@inline
function hashAt(host: usize, mode: u32): usize {
  return LINE_HASH + ((((<u32>host * 0x9e3779b1) >> 13) ^ (mode << 7)) << 2);
}

/** First micro-op of the line that starts at `host`; decodes it when it is new. */
export function lineAt(cpu: usize, host: usize): usize {
  const mode = load<u32>(cpu, MODE);
  const head = hashAt(host, mode);
  for (let line = <usize>load<u32>(head); line != 0; line = <usize>load<u32>(line, 12)) {
    if (<usize>load<u32>(line) == host && load<u32>(line, 4) == mode) return line + 16;
  }
  return newLine(cpu, host, mode, head);
}

function newLine(cpu: usize, host: usize, mode: u32, head: usize): usize {
  if (next + LINE_BYTES > UOPS_END) dropAllCode();
  const line = next;
  const page = (host - RAM_BASE) >> 12;
  const flags = PAGE_FLAGS + page;
  if ((load<u8>(flags) & PAGE_CODE) == 0) {
    store<u8>(flags, load<u8>(flags) | PAGE_CODE);
    protectCode(host & ~0xfff);
  }
  store<u32>(line, <u32>host);
  store<u32>(line, mode, 4);
  store<u32>(line, load<u32>(PAGE_LINES + (page << 2)), 8);
  store<u32>(PAGE_LINES + (page << 2), <u32>line);
  store<u32>(line, load<u32>(head), 12);
  store<u32>(head, <u32>line);
  next = decodeLine(cpu, host, mode, line + 16);
  return line + 16;
}

/** Drops the decoded code of the page at `host` (page-aligned). */
export function dropPage(host: usize): void {
  const page = (host - RAM_BASE) >> 12;
  const list = PAGE_LINES + (page << 2);
  for (let line = <usize>load<u32>(list); line != 0; line = <usize>load<u32>(line, 8)) {
    const head = hashAt(<usize>load<u32>(line), load<u32>(line, 4));
    let link = head;
    while (<usize>load<u32>(link) != line) link = <usize>load<u32>(link) + 12;
    store<u32>(link, load<u32>(line, 12));
  }
  store<u32>(list, 0);
  const flags = PAGE_FLAGS + page;
  store<u8>(flags, load<u8>(flags) & ~PAGE_CODE);
  dropAllJumps();
  store<u64>(VCPU_BASE, load<u64>(VCPU_BASE, ENG_INVALIDATIONS) + 1, ENG_INVALIDATIONS);
}

/** Drops all decoded code; the only place where its room is used again, so never called while a line runs. */
export function dropAllCode(): void {
  memory.fill(LINE_HASH, 0, <usize>HASH_SIZE << 2);
  for (let page: usize = 0; page < 0xe0000; page++) {
    const flags = load<u8>(PAGE_FLAGS + page);
    if (flags & PAGE_CODE) {
      store<u8>(PAGE_FLAGS + page, flags & ~PAGE_CODE);
      store<u32>(PAGE_LINES + (page << 2), 0);
    }
  }
  next = UOPS;
  epoch++;
  dropAllJumps();
}

/** Enters `rip` into the jump cache. */
export function rememberJump(cpu: usize, rip: u64, uop: usize): void {
  const at = cpu + (<usize>((<u32>rip ^ (<u32>rip >> 12)) & 4095) << 4);
  store<u64>(at, rip, AREA_JUMPS);
  store<u32>(at, load<u32>(cpu, JUMP_GEN), AREA_JUMPS + 8);
  store<u32>(at, <u32>uop, AREA_JUMPS + 12);
}

/**
 * True when all of the page that holds `rip` lies inside the CS limit, so that no fetch from it needs a check; and, of 16-bit
 * code, inside the first 64 KB whatever the limit, so that no branch inside it needs to wrap.
 */
export function pageInsideLimit(cpu: usize, rip: u64): bool {
  const mode = load<u32>(cpu, MODE);
  if (mode == 2) return true;
  const first = rip - (<u64>(<u32>(rip + load<u64>(cpu, CODE_BASE)) & 0xfff));
  if (mode == 0 && first + 4095 >= 0x10000) return false;
  return <i64>first >= 0 && first + 4095 <= <u64>load<u32>(cpu + 32, SEG_LIMIT);
}
