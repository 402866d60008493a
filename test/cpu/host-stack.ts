/**
 * Cases of one instruction that uses the stack, or goes elsewhere: PUSH POP ENTER LEAVE PUSHF POPF PUSHA POPA, near branches, LOOP.
 *
 * Not generated: 66h before near branches in 64-bit code, whose operand size Intel ignores and AMD obeys (design/cpu-engine.md, 12).
 *
 * @module
 */
import { type Address, type Bytes, RBP, RCX, RSP, SS, type Writer } from './host-code.ts';
import { CODE, CODE_BYTES, DATA, STACK } from './host-layout.ts';
import { interesting } from './host-random.ts';
import { linearOf } from './host-singles.ts';

type Size = 2 | 4 | 8;

/** The long window: room below the stack pointer for the deepest ENTER. */
const DEEP = STACK + 0x700;
const PLAIN = DEEP + 0x100;
type Kind = (w: Writer) => void;

/** Operand size of PUSH and the like: in 64-bit code 64 or 16 bits. */
function pushSize(w: Writer): Size {
  return w.mode.bits === 64 ? (w.random.oneIn(4) ? 2 : 8) : w.random.pick([2, 4]);
}

/** Operand size of near branches. */
function branchSize(w: Writer): Size {
  return w.mode.bits === 64 ? 8 : w.random.oneIn(4) ? (w.word === 4 ? 2 : 4) : w.word;
}

function stackBase(w: Writer): number {
  return w.mode.bits === 64 ? 0 : (w.mode.segments[SS]?.base ?? 0);
}

/**
 * Sets the stack pointer: `bytes` above it, or below it, lie in a window. Returns the linear address of the lowest of them. `safe`: nothing
 * that the instruction pushes or pops faults.
 */
function stack(w: Writer, bytes: number, below: boolean, safe = false): number {
  const base = stackBase(w);
  const small = w.mode.stackBits === 16;
  const t = safe
    ? PLAIN + 8 * w.random.below(8)
    : (w.target(bytes, (at) => at >= base && (!small || at - base < 0x10000)) ?? w.nowhere(SS));
  const sp = BigInt(t - base + (below ? bytes : 0));
  const wild = !safe && w.mode.bits === 64 && w.random.oneIn(64);
  w.set(RSP, wild ? (1n << 47n) - BigInt(w.random.below(2 * bytes)) : sp, small ? 2 : 8);
  w.fixed.add(RSP);
  return t;
}

/** A memory operand beside the stack pointer that `stack` set; POP computes its address after the pointer moved. */
function besideStack(w: Writer, bytes: number, moved: number): Address {
  const sp = w.get(RSP);
  w.set(RSP, sp + BigInt(moved), w.mode.stackBits / 8);
  const a = w.memory(bytes);
  w.set(RSP, sp);
  return a;
}

function pushes(w: Writer): void {
  const r = w.random;
  const osz = pushSize(w);
  stack(w, osz, true);
  switch (r.below(5)) {
    case 0:
    case 1:
      w.instruction({ opcode: [0x50], osz, wide: true, low: r.oneIn(6) ? RSP : w.register() });
      return;
    case 2:
      w.instruction({ opcode: [0x68], osz, wide: true, imm: interesting(r), immBytes: osz === 2 ? 2 : 4 });
      return;
    case 3:
      w.instruction({ opcode: [0x6a], osz, wide: true, imm: interesting(r), immBytes: 1 });
      return;
    default:
      w.instruction({ opcode: [0xff], osz, wide: true, reg: 6, rm: r.oneIn(4) ? w.register() : besideStack(w, osz, 0) });
  }
}

function pops(w: Writer): void {
  const r = w.random;
  const osz = pushSize(w);
  stack(w, osz, false);
  if (r.oneIn(2)) w.instruction({ opcode: [0x58], osz, wide: true, low: r.oneIn(6) ? RSP : w.register() });
  else w.instruction({ opcode: [0x8f], osz, wide: true, reg: 0, rm: r.oneIn(4) ? w.register() : besideStack(w, osz, osz) });
}

function flags(w: Writer): void {
  const r = w.random;
  const osz = pushSize(w);
  if (r.oneIn(3)) {
    stack(w, osz, true);
    w.instruction({ opcode: [0x9c], osz, wide: true });
    return;
  }
  const t = stack(w, osz, false);
  w.poke(t, BigInt(r.oneIn(8) ? r.u32() : r.u32() & ~0x100), osz);
  w.instruction({ opcode: [0x9d], osz, wide: true });
}

/** PUSHA, POPA, PUSH of segment registers. */
function legacy(w: Writer): void {
  const r = w.random;
  const osz = w.random.pick([2, 4] as const);
  switch (r.below(3)) {
    case 0:
      stack(w, 8 * osz, true);
      w.instruction({ opcode: [0x60], osz });
      return;
    case 1:
      // What POPA loaded before a fault stays in the registers on AMD; here nothing does.
      stack(w, 8 * osz, false, true);
      w.instruction({ opcode: [0x61], osz });
      return;
    default:
      stack(w, osz, true);
      w.instruction({ opcode: r.pick([[0x06], [0x0e], [0x16], [0x1e], [0x0f, 0xa0], [0x0f, 0xa8]]), osz });
  }
}

function pushSegment(w: Writer): void {
  const osz = pushSize(w);
  stack(w, osz, true);
  w.instruction({ opcode: [0x0f, w.random.pick([0xa0, 0xa8])], osz, wide: true });
}

function enter(w: Writer): void {
  const r = w.random;
  const osz = pushSize(w);
  const level = r.oneIn(3) ? r.below(32) : r.below(3);
  const base = stackBase(w);
  const pointer = (w.mode.stackBits / 8) as Bytes;
  if (level < 3 && r.oneIn(2)) stack(w, 3 * osz, true);
  else w.set(RSP, BigInt(DEEP + 272 + r.below(16) - base), pointer === 2 ? 2 : 8);
  w.set(RBP, BigInt(DEEP + (r.oneIn(2) ? 256 : 0) + r.below(240) - base), pointer === 2 ? 2 : 8);
  if (r.oneIn(4)) w.set(RBP, w.get(RSP) - BigInt(r.below(8)));
  const room = r.oneIn(2) ? r.below(64) : r.oneIn(2) ? r.below(0x10000) : r.pick([0x700, 0x800, 0x8000, 0xffff]);
  w.instruction({ opcode: [0xc8], osz, wide: true, imm: BigInt(room) | (BigInt(level | (r.below(8) << 5)) << 16n), immBytes: 3 });
}

function leave(w: Writer): void {
  const osz = pushSize(w);
  stack(w, osz, false);
  w.set(RBP, w.get(RSP));
  if (!w.random.oneIn(4)) w.set(RSP, interesting(w.random));
  w.instruction({ opcode: [0xc9], osz, wide: true });
}

/** Bytes that may be a case's own code: a branch into them could loop, or run anything. */
const OWN = 24;

/** Somewhere to go, as it is after the operand size cut it: mostly into the code pages, never into the case's own code. */
function destination(w: Writer, osz: Size): bigint {
  for (;;) {
    const to = BigInt.asUintN(8 * osz, anywhere(w));
    if (!isOwn(w, to)) return to;
  }
}

function isOwn(w: Writer, to: bigint): boolean {
  const own = BigInt(w.rip - w.length);
  return to >= own && to < own + BigInt(OWN);
}

function anywhere(w: Writer): bigint {
  const r = w.random;
  const base = w.codeBase;
  switch (r.below(16)) {
    case 0:
      return interesting(r);
    case 1:
      return BigInt(DATA - base);
    case 2:
      return (1n << 47n) - BigInt(r.below(3));
    default:
      return BigInt(CODE - base + r.below(CODE_BYTES));
  }
}

function relative(w: Writer, opcode: readonly number[], osz: Size, short: boolean, asz?: Size, near = false): void {
  const r = w.random;
  const bytes = short ? 1 : osz === 2 ? 2 : 4;
  const i = { opcode, osz, wide: true, immBytes: bytes, ...(asz === undefined ? {} : { asz }) } as const;
  const any = short ? r.below(256) - 128 : r.oneIn(8) && !near ? r.u32() | 0 : r.below(0x3000) - 0x1800;
  const distance = BigInt.asIntN(8 * bytes, BigInt(any));
  w.instruction({ ...i, imm: BigInt.asUintN(8 * bytes, distance < 0n && distance >= -OWN ? 0n : distance) });
}

function jumps(w: Writer): void {
  const r = w.random;
  const osz = branchSize(w);
  const c = r.below(16);
  const [opcode, short] = r.pick([
    [[0xeb], true],
    [[0xe9], false],
    [[0x70 + c], true],
    [[0x70 + c], true],
    [[0x0f, 0x80 + c], false],
    [[0x0f, 0x80 + c], false],
  ] as const);
  relative(w, opcode, osz, short);
}

function loops(w: Writer): void {
  const r = w.random;
  const asz = r.oneIn(3) ? (w.word === 4 ? 2 : 4) : w.word;
  if (!r.oneIn(3)) w.set(RCX, r.pick([0n, 1n, 2n, 0x10000n, 0x10001n, 0x1_0000_0000n, 0x1_0000_0001n]), r.oneIn(2) ? asz : 8);
  relative(w, [0xe0 + r.below(4)], branchSize(w), true, asz);
}

function indirect(w: Writer): void {
  const r = w.random;
  const osz = branchSize(w);
  const call = r.oneIn(2);
  // A bad target is refused before anything is pushed (SDM vol. 2, CALL); AMD pushes first.
  if (call) stack(w, osz, true, true);
  const to = destination(w, osz);
  if (r.oneIn(2)) {
    let n = w.register();
    if (n === RSP && isOwn(w, BigInt.asUintN(8 * osz, w.get(RSP)))) n = RBP;
    if (n !== RSP) w.set(n, to, osz);
    w.instruction({ opcode: [0xff], osz, wide: true, reg: call ? 2 : 4, rm: n });
    return;
  }
  const a = call ? besideStack(w, osz, 0) : w.memory(osz);
  w.poke(linearOf(w, a), to, osz);
  w.instruction({ opcode: [0xff], osz, wide: true, reg: call ? 2 : 4, rm: a });
}

function calls(w: Writer): void {
  const r = w.random;
  const osz = branchSize(w);
  if (r.oneIn(2)) {
    const safe = w.mode.bits === 16 || r.oneIn(2);
    stack(w, osz, true, safe);
    relative(w, [0xe8], osz, false, undefined, !safe);
    return;
  }
  const t = stack(w, osz, false);
  w.poke(t, destination(w, osz), osz);
  if (r.oneIn(2)) w.instruction({ opcode: [0xc3], osz, wide: true });
  else w.instruction({ opcode: [0xc2], osz, wide: true, imm: BigInt(r.oneIn(2) ? r.below(64) : r.below(0x10000)), immBytes: 2 });
}

const KINDS: readonly Kind[] = [pushes, pushes, pops, pops, flags, flags, enter, leave, jumps, jumps, loops, indirect, calls];

export const STACK_KINDS = (bits: 64 | 32 | 16): readonly Kind[] => [...KINDS, ...(bits === 64 ? [pushSegment] : [legacy, legacy])];

/** A case of one such instruction. */
export function stacking(w: Writer, kind: Kind): void {
  w.begin();
  kind(w);
  w.end(0);
}
