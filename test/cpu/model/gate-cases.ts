/**
 * Interrupts, exceptions and calls through gates of every kind on the core, compared with gates.ts: the fault, or where it arrives and what it pushed.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import {
  CODE,
  gate,
  HANDLERS,
  IDT,
  INNER_STACK,
  Machine,
  type Mode,
  random,
  REG,
  SEG,
  SEL,
  TSS,
  USER_CODE,
  USER_STACK,
} from './machine.ts';
import * as G from './gates.ts';
import * as S from './segments.ts';

/** What the gate leads to: a NOP in the user's page. */
const TARGET = USER_CODE + 0x800;
const CODE_AT = SEL.free;
const STACK_AT = SEL.free + 0x20;
const GATE_AT = SEL.free + 0x40;
const OPERAND = USER_STACK - 0xf00;

export type Source = 'INT n' | 'INT3' | 'INT1' | '#UD' | '#GP' | 'interrupt';
export const SOURCES: readonly Source[] = ['INT n', 'INT3', 'INT1', '#UD', '#GP', 'interrupt'];

const SOURCE: Record<Source, { code: string; vector: number; software: boolean; ext: number; error?: number; length: number }> = {
  'INT n': { code: 'cd 50', vector: 0x50, software: true, ext: 0, length: 2 },
  INT3: { code: 'cc', vector: 3, software: true, ext: 0, length: 1 },
  // INT1 is a debug exception: privilege is not checked, EXT is set.
  INT1: { code: 'f1', vector: 1, software: false, ext: 1, length: 1 },
  '#UD': { code: '0f 0b', vector: 6, software: false, ext: 1, length: 0 },
  // MOV to ES of a selector beyond every table.
  '#GP': { code: '8e c0', vector: 13, software: false, ext: 1, error: 0xeff8, length: 0 },
  interrupt: { code: '90', vector: 0x50, software: false, ext: 1, length: 0 },
};

export interface Case {
  readonly source: Source;
  readonly gateAccess: number;
  readonly codeSelector: number;
  readonly codeHigh: number;
  readonly codeLimit: number;
  readonly stackSelector: number;
  readonly stackHigh: number;
  readonly stackLimit: number;
  readonly innerSp: number;
  readonly tssLimit: number;
  readonly inTable: boolean;
  readonly ist: number;
  readonly target: number;
  /** The stacks are in a 16-bit TSS. */
  readonly tss16: boolean;
}

export const GOOD: Case = {
  source: 'INT n',
  gateAccess: 0xee,
  codeSelector: CODE_AT,
  codeHigh: 0x40_9b00,
  codeLimit: 0xffff,
  stackSelector: STACK_AT,
  stackHigh: 0x40_9302,
  stackLimit: 0xffff,
  innerSp: INNER_STACK,
  tssLimit: 0xfff,
  inTable: true,
  ist: 0,
  target: TARGET,
  tss16: false,
};

export class GateBench {
  readonly m = new Machine();
  readonly mode: Mode;
  readonly random = random(77);
  cases = 0;
  cpl: 0 | 1 | 2 | 3 = 0;
  #start: Uint8Array = new Uint8Array(0);

  constructor(mode: Mode) {
    this.mode = mode;
    this.m.put(TARGET, '90 90');
  }

  get long(): boolean {
    return this.mode === 'long' || this.mode === 'compat';
  }

  choose(code: string, cpl: 0 | 1 | 2 | 3): void {
    const { m } = this;
    this.cpl = this.mode === 'vm86' ? 3 : cpl;
    m.enter(this.mode, this.cpl);
    m.put(CODE, code);
    m.put(USER_CODE, code);
    // Every combination of the flags that delivery clears.
    m.flags(m.readFlags() | 0x7202);
    m.set('REGS', OPERAND, REG.bx);
    m.set('REGS', USER_STACK - 0x80, REG.sp);
    m.settle();
    this.#start = m.save();
  }

  #selected(selector: number, at: number, high: number, limit: number): S.Selected {
    return { selector, descriptor: (selector & 0xfff8) === at ? { low: limit & 0xffff, high } : undefined };
  }

  through(c: Case, ext: number, offset: number, level: number): G.Through {
    const { m } = this;
    const codeLimit = S.limitOf({ low: c.codeLimit & 0xffff, high: c.codeHigh });
    return {
      longMode: this.long,
      cpl: this.cpl,
      vm86: this.mode === 'vm86',
      code: this.#selected(c.codeSelector, CODE_AT, c.codeHigh, c.codeLimit),
      codeLimit,
      offset,
      now: { rights: m.get('SEG_AR', SEG.ss), limit: m.get('SEG_LIMIT', SEG.ss), sp: m.get('REGS', REG.sp) },
      inner: {
        selected: this.#selected(c.stackSelector, STACK_AT, c.stackHigh, c.stackLimit),
        limit: S.limitOf({ low: c.stackLimit & 0xffff, high: c.stackHigh }),
        sp: c.innerSp,
        inTss: this.#end(c, level) <= c.tssLimit,
        tssSelector: SEL.tss,
      },
      ist: this.long && c.ist > 0,
      ext,
    };
  }

  /** Tables, TSS and registers of a case. */
  arrange(c: Case, ext: number, offset: number): G.Through {
    const { m } = this;
    m.u8.set(this.#start, m.state.base);
    m.put64(0x1000 + CODE_AT, BigInt(c.codeLimit & 0xffff) | (BigInt(c.codeHigh >>> 0) << 32n));
    m.put64(0x1000 + STACK_AT, BigInt(c.stackLimit & 0xffff) | (BigInt(c.stackHigh >>> 0) << 32n));
    const d = { low: 0, high: c.codeHigh };
    const inward = S.plainOf(d) && S.codeOf(d) && !S.conformingOf(d) && S.dplOf(d) < this.cpl;
    const level = inward ? S.dplOf(d) : 0;
    // The handlers of what goes wrong run at level 0 on a stack of their own unless it is level 0's that is under test.
    for (let l = 0; l < 3; l++) {
      if (this.long) m.put64(TSS + 4 + 8 * l, BigInt(INNER_STACK - 0x100 * l));
      else this.#stack(l, SEL.data, INNER_STACK - 0x100 * l, c.tss16);
    }
    const t = this.through(c, ext, offset, level);
    m.set('SEG_LIMIT', c.tssLimit, SEG.tr);
    if (c.tss16) m.set('SEG_AR', 0x83, SEG.tr);
    if (this.long && (inward || c.ist > 0)) {
      const at = c.ist > 0 ? 28 + 8 * c.ist : 4 + 8 * level;
      m.put64(TSS + at, BigInt.asUintN(64, BigInt(c.innerSp)));
    } else if (!this.long && level > 0) {
      this.#stack(level, c.stackSelector, c.innerSp, c.tss16);
    }
    return t;
  }

  #stack(level: number, selector: number, sp: number, tss16: boolean): void {
    const { m } = this;
    if (tss16) {
      m.put16(TSS + 2 + 4 * level, sp);
      m.put16(TSS + 4 + 4 * level, selector);
    } else {
      m.put32(TSS + 4 + 8 * level, sp);
      m.put16(TSS + 8 + 8 * level, selector);
    }
  }

  /** The last byte of a level's stack in the TSS. */
  #end(c: Case, level: number): number {
    if (this.long) return (c.ist > 0 ? 28 + 8 * c.ist : 4 + 8 * level) + 7;
    return c.tss16 ? 2 + 4 * level + 3 : 4 + 8 * level + 5;
  }

  go(): void {
    const { m } = this;
    m.load(m.save());
  }

  /** The fault that a handler below HANDLERS + 1000h stands for, or undefined. */
  fault(): S.Fault | undefined {
    const { m } = this;
    const at = m.get('RIP') - HANDLERS;
    if (at < 0 || at >= 0x1000) return undefined;
    const vector = at >> 4;
    const coded = vector === 8 || (vector >= 10 && vector <= 14) || vector === 17;
    return { vector, error: coded ? m.read32(m.sp) : 0 };
  }
}

export function describe(bench: GateBench, c: Case): string {
  const words = Object.entries(c).map(([k, v]) => `${k}=${typeof v === 'number' ? v.toString(16) : v}`);
  return `${bench.mode} CPL ${bench.cpl} ${words.join(' ')}`;
}

/** One interrupt or exception. `bench.choose` was called with its source's code. */
export function interrupt(bench: GateBench, c: Case): void {
  const { m, long } = bench;
  const source = SOURCE[c.source];
  const wide = long ? 8 : (c.gateAccess & 8) !== 0 ? 4 : 2;
  const errorBytes = source.error === undefined ? 0 : wide;
  const segments = bench.mode === 'vm86' ? 4 : 0;
  const t = bench.arrange(c, source.ext, c.target);
  // Level 0's stack carries the frames of faults, too: only the other levels' is varied in legacy modes.
  const code = t.code.descriptor;
  const inward = code !== undefined && S.plainOf(code) && S.codeOf(code) && !S.conformingOf(code) && S.dplOf(code) < bench.cpl;
  const inner = inward && !long && S.dplOf(code) === 0 ? level0(t) : t;
  const idtAt = IDT + (long ? 16 : 8) * source.vector;
  const kept = [m.read64(idtAt), m.read64(idtAt + 8)] as const;
  m.put64(idtAt, gate(c.gateAccess, c.codeSelector, c.target, c.ist));
  if (long) m.put64(idtAt + 8, BigInt(Math.floor(c.target / 2 ** 32)));
  m.set('REGS', c.source === '#GP' ? 0xeffb : 0, REG.ax);
  const flags = m.readFlags();
  const start = m.get('RIP');
  const sp = m.get('REGS', REG.sp);
  const old = [m.get('SEG_SEL', SEG.cs), m.get('SEG_SEL', SEG.ss)] as const;
  bench.go();
  if (c.source === 'interrupt') {
    m.interrupt = source.vector;
    m.set('EVENT', 1);
  }
  bench.cases++;
  m.run(1);
  m.put64(idtAt, kept[0]);
  m.put64(idtAt + 8, kept[1]);
  let expected: G.Outcome | undefined = G.idtGate(c.gateAccess, source.vector, source.software, c.inTable, inner);
  expected ??= G.throughIdt(inner, wide * (5 + segments) + errorBytes, wide * 3 + errorBytes);
  if (expected === 'task') return;
  // A contributory fault on the way to #GP is a double fault; vector 13's own gate is the one under test.
  if (G.isFault(expected) && c.source === '#GP') expected = { vector: 8, error: 0 };
  const what = (): string => describe(bench, c);
  const found = bench.fault();
  if (G.isFault(expected)) {
    if (found === undefined || found.vector !== expected.vector || found.error !== expected.error) {
      assert.unreachable(
        `${what()}: ${found === undefined ? `no fault, RIP ${m.get('RIP').toString(16)}` : `vector ${found.vector} error ${found.error.toString(16)}`}, not vector ${expected.vector} error ${expected.error.toString(16)}`,
      );
    }
    return;
  }
  if (found !== undefined) assert.unreachable(`${what()}: vector ${found.vector} error ${found.error.toString(16)}, not a transfer`);
  // INT retires; what it leads to does not run yet. The others do not retire, and the NOP has run.
  const retired = c.source === 'INT n' || c.source === 'INT3' || c.source === 'INT1';
  const switched = expected.switched || (long && c.ist > 0);
  const top = switched ? (expected.switched || long ? c.innerSp : sp) : sp;
  const pushed: number[] = [];
  if (errorBytes > 0) pushed.push(bench.mode === 'vm86' ? 0 : (source.error as number));
  const image = (flags | (c.source === '#UD' || c.source === '#GP' ? 0x1_0000 : 0)) & (wide === 2 ? 0xffff : 0xffff_ffff);
  pushed.push(start + source.length, old[0], image >>> 0);
  if (expected.switched || long) pushed.push(sp, old[1]);
  if (segments > 0) for (const seg of [SEG.es, SEG.ds, SEG.fs, SEG.gs]) pushed.push(m.get('SEG_SEL', seg) & 0);
  // Upper halves of pushed selectors are whatever they are.
  const first = errorBytes > 0 ? 2 : 1;
  const selectors = [first, first + 3, ...[4, 5, 6, 7].map((n) => first + n)];
  const innerTop = expected.switched && !long && expected.cpl === 0 ? INNER_STACK : top;
  const frame = (long ? innerTop & ~15 : innerTop) - wide * pushed.length;
  // The inner levels' stack has a base.
  const at = frame + (expected.switched && !long && expected.cpl > 0 ? S.baseOf({ low: 0, high: c.stackHigh }) : 0);
  const cleared = (c.gateAccess & 1) === 0 ? 0x3_4300 | 0x1_0000 : 0x3_4100 | 0x1_0000;
  const got = [
    m.get('RIP'),
    m.get('SEG_SEL', SEG.cs),
    m.get('CPL'),
    m.get('REGS', REG.sp),
    m.readFlags(),
    ...pushed.map((_, i) => (wide === 2 ? m.read16(at + 2 * i) : m.read32(at + wide * i)) & (selectors.includes(i) ? 0xffff : 0xffff_ffff)),
  ].map((v) => v >>> 0);
  const wanted = [
    c.target + (retired ? 0 : 1),
    (c.codeSelector & ~3) | expected.cpl,
    expected.cpl,
    frame,
    flags & ~cleared,
    ...pushed.map((v) => (wide === 2 ? v & 0xffff : v)),
  ].map((v) => v >>> 0);
  if (got.some((v, i) => v !== wanted[i])) {
    assert.equal(
      got.map((v) => v.toString(16)),
      wanted.map((v) => v.toString(16)),
      what(),
    );
  }
}

/** Level 0's stack is a good one. */
function level0(t: G.Through): G.Through {
  return {
    ...t,
    inner: {
      selected: { selector: SEL.data, descriptor: { low: 0xffff, high: 0xcf_9300 } },
      limit: 0xffff_ffff,
      sp: INNER_STACK,
      inTss: true,
      tssSelector: SEL.tss,
    },
  };
}

export function sourceCode(source: Source, mode: Mode): string {
  // In virtual-8086 mode any selector may be loaded; HLT is for level 0.
  return source === '#GP' && mode === 'vm86' ? 'f4' : SOURCE[source].code;
}

export { GATE_AT, OPERAND, STACK_AT, TARGET, CODE_AT };
