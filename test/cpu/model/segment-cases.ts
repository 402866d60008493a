/**
 * Loads of segment registers and far transfers on the core, for every access byte of a descriptor, compared with segments.ts.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import { CODE, GDT, HANDLERS, LDT, Machine, type Mode, random, REG, SEG, SEL, USER_CODE, USER_STACK } from './machine.ts';
import * as S from './segments.ts';

/** Where descriptors under test stand in their table. */
const AT = SEL.free;
/** Memory operands: in the user's own page. */
const OPERAND = USER_STACK - 0xf00;
/** Stack images of returns. */
const IMAGE = USER_STACK - 0x100;

export type Load = 'MOV' | 'POP' | 'Lxx';
const NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const POPS: Record<number, string> = { 0: '07', 2: '17', 3: '1f', 4: '0f a1', 5: '0f a9' };
const FAR: Record<number, string> = { 0: 'c4 03', 2: '0f b2 03', 3: 'c5 03', 4: '0f b4 03', 5: '0f b5 03' };

export type Level = 0 | 1 | 2 | 3;
export const LEVELS: readonly Level[] = [0, 1, 2, 3];

export class SegmentBench {
  readonly m = new Machine();
  readonly mode: Mode;
  cases = 0;
  #start: Uint8Array = new Uint8Array(0);
  #code = '';
  readonly random = random(99);

  readonly #every: number;

  /** Takes one case in `every` of the largest tables. */
  constructor(mode: Mode, every = 1) {
    this.mode = mode;
    this.#every = every;
  }

  chosen(): boolean {
    return this.#every === 1 || this.random.below(this.#every) === 0;
  }

  get longMode(): boolean {
    return this.mode === 'long' || this.mode === 'compat';
  }

  /** The code and level of the cases that follow; `setUp` changes the registers they start with. */
  choose(code: string, cpl: Level, setUp: (m: Machine) => void = () => undefined): void {
    const { m } = this;
    m.enter(this.mode, cpl);
    if (code !== this.#code) {
      this.#code = code;
      m.put(CODE, code);
      m.put(USER_CODE, code);
    }
    setUp(m);
    m.settle();
    this.#start = m.save();
  }

  /** Runs the one instruction: the fault that it raised, or undefined. */
  step(prepare: (m: Machine) => void): S.Fault | undefined {
    const { m } = this;
    m.u8.set(this.#start, m.state.base);
    prepare(m);
    m.load(m.save());
    this.cases++;
    m.run(1);
    const at = m.get('RIP') - HANDLERS;
    if (at < 0 || at >= 0x1000 || m.get('SEG_SEL', SEG.cs) !== this.#handlerCode) return undefined;
    const vector = at >> 4;
    return {
      vector,
      error: this.mode !== 'real' && (vector === 8 || (vector >= 10 && vector <= 14) || vector === 17) ? m.read32(m.sp) : 0,
    };
  }

  get #handlerCode(): number {
    return this.mode === 'real' ? 0 : this.longMode ? SEL.code64 : SEL.code32;
  }

  /** Puts a descriptor into its table; what a selector to it selects. */
  describe(high: number, low: number, ti: 0 | 1, rpl: number, at: number = AT): S.Selected {
    const table = ti === 1 ? LDT : GDT;
    this.m.put32(table + at, low);
    this.m.put32(table + at + 4, high);
    this.m.put64(table + at + 8, 0n);
    return { selector: at | (ti << 2) | rpl, descriptor: { low: low >>> 0, high: high >>> 0 } };
  }

  descriptorHigh(ti: 0 | 1, at: number = AT): number {
    return this.m.read32((ti === 1 ? LDT : GDT) + at + 4);
  }
}

export const same = (a: S.Fault | undefined, b: S.Fault | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.vector === b.vector && a.error === b.error);

export const text = (f: S.Fault | undefined): string => (f === undefined ? 'no fault' : `vector ${f.vector} error ${f.error.toString(16)}`);

/** Every access byte into every data segment register, from every level with every RPL, by one instruction. */
export function dataLoads(bench: SegmentBench, load: Load): void {
  const { m, mode } = bench;
  const mode64 = mode === 'long';
  for (const seg of [SEG.es, SEG.ss, SEG.ds, SEG.fs, SEG.gs]) {
    if (load !== 'MOV' && mode64 && (seg === SEG.es || seg === SEG.ds)) continue;
    if (load === 'POP' && mode64 && seg === SEG.ss) continue;
    const code = load === 'MOV' ? `8e ${(0xc0 | (seg << 3)).toString(16)}` : (load === 'POP' ? POPS : FAR)[seg];
    for (const cpl of LEVELS) {
      bench.choose(code as string, cpl, () => {
        m.set('REGS', OPERAND, REG.bx);
        m.set('REGS', IMAGE, REG.sp);
      });
      for (let access = 0; access < 256; access++) {
        for (let pick = 0; pick < 8; pick++) if (bench.chosen()) oneLoad(bench, load, seg, cpl, access, (pick & 1) as 0 | 1, pick >> 1);
      }
      for (const selector of [0, 1, 2, 3]) nullLoad(bench, load, seg, cpl, selector);
      beyond(bench, load, seg, cpl);
    }
  }
}

function put(m: Machine, load: Load, selector: number): void {
  if (load === 'MOV') m.set('REGS', 0xdead_0000 | selector, REG.ax);
  else if (load === 'POP') m.put32(IMAGE, 0xbeef_0000 | selector);
  else {
    m.put32(OPERAND, 0x1234_5678);
    m.put16(OPERAND + 4, selector);
  }
}

function oneLoad(bench: SegmentBench, load: Load, seg: number, cpl: Level, access: number, ti: 0 | 1, rpl: number): void {
  const { m, random: r } = bench;
  const low = r.next();
  const high = ((r.next() & 0xffff_00ff) | (access << 8)) >>> 0;
  const s = bench.describe(high, low, ti, rpl);
  const d = s.descriptor as S.Descriptor;
  const expected = seg === SEG.ss ? S.loadStack(s, cpl, bench.mode === 'long') : S.loadData(s, cpl);
  const found = bench.step(() => put(m, load, s.selector));
  const what = `${bench.mode} ${load} ${NAMES[seg]} CPL ${cpl} selector ${s.selector.toString(16)} descriptor ${high.toString(16)} ${low.toString(16)}`;
  if (!same(found, expected)) assert.unreachable(`${what}: ${text(found)}, not ${text(expected)}`);
  const marked = expected === undefined ? high | 0x100 : high;
  if (bench.descriptorHigh(ti) !== marked >>> 0)
    assert.unreachable(`${what}: descriptor ${bench.descriptorHigh(ti).toString(16)} afterwards`);
  if (expected !== undefined) {
    // SS is the handler's by now.
    if (seg !== SEG.ss && m.get('SEG_SEL', seg) === s.selector) assert.unreachable(`${what}: loaded in spite of the fault`);
    if (seg !== SEG.ss && m.get('SEG_BASE', seg) !== 0) assert.unreachable(`${what}: base changed in spite of the fault`);
    return;
  }
  const rights = ((marked >>> 8) & 0xff) | ((marked >>> 8) & 0xf000);
  const hidden = [m.get('SEG_SEL', seg), m.get('SEG_BASE', seg), m.get('SEG_LIMIT', seg), m.get('SEG_AR', seg)];
  const wanted = [s.selector, S.baseOf(d), S.limitOf(d), rights];
  if (hidden.some((v, i) => v !== wanted[i])) assert.equal(hidden, wanted, what);
}

function nullLoad(bench: SegmentBench, load: Load, seg: number, cpl: Level, selector: number): void {
  const { m } = bench;
  const s = { selector, descriptor: undefined };
  const expected = seg === SEG.ss ? S.loadStack(s, cpl, bench.mode === 'long') : S.loadData(s, cpl);
  const found = bench.step(() => put(m, load, selector));
  const what = `${bench.mode} ${load} ${NAMES[seg]} CPL ${cpl} null selector ${selector}`;
  assert.equal(found, expected, what);
  if (expected === undefined) {
    assert.is(m.get('SEG_SEL', seg), selector, what);
    if (bench.mode !== 'long') assert.is((m.get('SEG_AR', seg) >> 16) & 1, 1, `${what}: unusable`);
  }
}

/** The last byte of the descriptor must be within its table. */
function beyond(bench: SegmentBench, load: Load, seg: number, cpl: Level): void {
  const { m } = bench;
  const rights = (cpl << 5) | 0x93;
  for (const ti of [0, 1] as const) {
    for (const short of [0, 1, 7, 8]) {
      const s = bench.describe(0xcf_0000 | (rights << 8), 0xffff, ti, cpl);
      const gone: S.Selected = { selector: s.selector, descriptor: short > 0 ? undefined : s.descriptor };
      const expected = seg === SEG.ss ? S.loadStack(gone, cpl, bench.mode === 'long') : S.loadData(gone, cpl);
      const found = bench.step(() => {
        put(m, load, s.selector);
        if (ti === 0) m.set('GDTR_LIMIT', AT + 7 - short);
        else m.set('SEG_LIMIT', AT + 7 - short, SEG.ldtr);
      });
      assert.equal(found, expected, `${bench.mode} ${load} ${NAMES[seg]} CPL ${cpl} TI ${ti}: ${short} bytes short`);
    }
  }
  // No LDT: every selector of it is beyond.
  const s = bench.describe(0xcf_0000 | (rights << 8), 0xffff, 1, cpl);
  const found = bench.step(() => {
    put(m, load, s.selector);
    m.segment(SEG.ldtr, 0, 0x1_0000, 0, 0n);
  });
  assert.equal(found, { vector: S.GP, error: s.selector & 0xfffc }, `${bench.mode} ${load} ${NAMES[seg]} CPL ${cpl}: no LDT`);
}

export type Transfer = 'JMP' | 'CALL' | 'RETF' | 'IRET';
const TRANSFERS: Record<Transfer, string> = { JMP: 'ff 2b', CALL: 'ff 1b', RETF: 'cb', IRET: 'cf' };

/** Every access byte as the code segment of a far transfer; with returns to outer levels a good stack segment of that level. */
export function codeLoads(bench: SegmentBench, transfer: Transfer): void {
  const { m } = bench;
  for (const cpl of LEVELS) {
    bench.choose(TRANSFERS[transfer], cpl, () => {
      m.set('REGS', OPERAND, REG.bx);
      m.set('REGS', IMAGE, REG.sp);
    });
    for (let access = 0; access < 256; access++) {
      for (let pick = 0; pick < 8; pick++) if (bench.chosen()) oneTransfer(bench, transfer, cpl, access, (pick & 1) as 0 | 1, pick >> 1);
    }
    for (const selector of [0, 1, 2, 3]) {
      const found = bench.step(() => image(bench, transfer, selector, USER_CODE, cpl));
      assert.equal(found, { vector: S.GP, error: 0 }, `${bench.mode} ${transfer} CPL ${cpl} to null selector ${selector}`);
    }
  }
}

/** Operand or stack image of a transfer to selector:offset, whose stack is the user's data segment at the level of the selector. */
function image(bench: SegmentBench, transfer: Transfer, selector: number, offset: number, cpl: number): void {
  const { m } = bench;
  if (transfer === 'JMP' || transfer === 'CALL') {
    m.put32(OPERAND, offset);
    m.put16(OPERAND + 4, selector);
    return;
  }
  const rpl = selector & 3;
  // IRET in 64-bit code without REX.W pops 32 bits, too.
  const stack = bench.describe(0xcf_9300 | (rpl << 13), 0xffff, 0, rpl, AT + 0x40);
  const words = transfer === 'IRET' ? [offset, selector, 2] : [offset, selector];
  if (rpl > cpl || (transfer === 'IRET' && bench.mode === 'long')) words.push(IMAGE, stack.selector);
  for (const [i, w] of words.entries()) m.put32(IMAGE + 4 * i, w);
}

function oneTransfer(bench: SegmentBench, transfer: Transfer, cpl: Level, access: number, ti: 0 | 1, rpl: number): void {
  const { m, random: r } = bench;
  const limit = r.below(4) === 0 ? USER_CODE - 1 : r.below(4) === 0 ? USER_CODE : 0xffff;
  const high = ((r.next() & 0x0070_0000) | (access << 8)) >>> 0;
  const s = bench.describe(high, limit, ti, rpl);
  const back = transfer === 'RETF' || transfer === 'IRET';
  let expected = back ? S.returnCode(s, cpl, bench.longMode) : S.jumpCode(s, cpl, bench.longMode);
  if (expected === 'system') return;
  const to64 = bench.longMode && (high & 0x20_0000) !== 0;
  // What is executed next must be within the limit, but for 64-bit code.
  if (expected === undefined && !to64 && limit < USER_CODE) expected = { vector: S.GP, error: 0 };
  const found = bench.step(() => image(bench, transfer, s.selector, USER_CODE, cpl));
  const what = `${bench.mode} ${transfer} CPL ${cpl} selector ${s.selector.toString(16)} descriptor ${high.toString(16)} ${limit.toString(16)}`;
  if (!same(found, expected)) assert.unreachable(`${what}: ${text(found)}, not ${text(expected)}`);
  if (expected !== undefined) {
    return;
  }
  const level = back ? rpl : cpl;
  const marked = high | 0x100;
  if (bench.descriptorHigh(ti) !== marked >>> 0)
    assert.unreachable(`${what}: descriptor ${bench.descriptorHigh(ti).toString(16)} afterwards`);
  const rights = ((marked >>> 8) & 0xff) | ((marked >>> 8) & 0xf000);
  assert.equal(
    [m.get('SEG_SEL', SEG.cs), m.get('SEG_AR', SEG.cs), m.get('CPL'), m.get('RIP')],
    [(s.selector & ~3) | level, rights, level, USER_CODE],
    what,
  );
}

/** Every access byte as the stack segment of a return to an outer level. */
export function stackReturns(bench: SegmentBench, transfer: 'RETF' | 'IRET'): void {
  const { m, mode } = bench;
  for (const cpl of [0, 1, 2] as const) {
    bench.choose(TRANSFERS[transfer], cpl, () => {
      m.set('REGS', IMAGE, REG.sp);
    });
    for (let to = cpl + 1; to <= 3; to++) {
      for (const flags of mode === 'prot32' ? [4] : [4, 2]) {
        const code = bench.describe((flags << 20) | 0x9b00 | (to << 13) | 0xf_0000, 0xffff, 0, to, AT + 0x20);
        for (let access = 0; access < 256; access++) {
          for (let rpl = 0; rpl < 4; rpl++) {
            if (!bench.chosen()) continue;
            const s = bench.describe(0xcf_0000 | (access << 8), 0xffff, 0, rpl);
            outward(bench, transfer, cpl, code.selector, flags === 2, s, to);
          }
        }
        for (const selector of [0, 1, 2, 3])
          outward(bench, transfer, cpl, code.selector, flags === 2, { selector, descriptor: undefined }, to);
      }
    }
  }
}

function outward(bench: SegmentBench, transfer: Transfer, cpl: Level, code: number, to64: boolean, s: S.Selected, to: number): void {
  const { m } = bench;
  const expected = S.returnStack(s, to, to64);
  const found = bench.step(() => {
    const words = transfer === 'IRET' ? [USER_CODE, code, 2] : [USER_CODE, code];
    for (const [i, w] of [...words, IMAGE, s.selector].entries()) m.put32(IMAGE + 4 * i, w);
    m.segment(SEG.ds, SEL.data, 0xc093);
    m.segment(SEG.es, SEL.userData, 0xc0f3);
    m.segment(SEG.fs, SEL.code32, 0xc09f);
    m.segment(SEG.gs, SEL.code32, 0xc0bb);
  });
  const what = `${bench.mode} ${transfer} CPL ${cpl} to ${to} SS ${s.selector.toString(16)} descriptor ${s.descriptor?.high.toString(16)}`;
  if (!same(found, expected)) assert.unreachable(`${what}: ${text(found)}, not ${text(expected)}`);
  if (expected !== undefined) return;
  assert.equal([m.get('SEG_SEL', SEG.ss), m.get('CPL'), m.get('REGS', REG.sp)], [s.selector, to, IMAGE], what);
  for (const [seg, rights] of [
    [SEG.ds, 0xc093],
    [SEG.es, 0xc0f3],
    [SEG.fs, 0xc09f],
    [SEG.gs, 0xc0bb],
  ] as const) {
    const dropped = S.droppedOnReturn(rights, false, to);
    assert.is(m.get('SEG_SEL', seg) === 0, dropped, `${what}: segment register ${seg}`);
  }
}

const QUESTIONS: Record<S.Question, string> = { LAR: '0f 02 c8', LSL: '0f 03 c8', VERR: '0f 00 e0', VERW: '0f 00 e8' };

/** LAR, LSL, VERR, VERW about every descriptor; with the 16-bit and 64-bit forms. */
export function questions(bench: SegmentBench, q: S.Question): void {
  const { m, random: r, longMode } = bench;
  const forms = q === 'LAR' || q === 'LSL' ? (bench.mode === 'long' ? ['', '66', '48'] : ['', '66']) : [''];
  for (const prefix of forms) {
    for (const cpl of LEVELS) {
      bench.choose(`${prefix} ${QUESTIONS[q]}`, cpl);
      const ask = (s: S.Selected, what: string): void => {
        const expected = S.answers(q, s, cpl, longMode);
        const found = bench.step(() => {
          m.set('REGS', 0xabcd_0000 | s.selector, REG.ax);
          m.set('REGS', 0x1122_3344_5566_7788n, REG.cx);
          m.flags(expected ? 2 : 0x42);
        });
        if (found !== undefined) assert.unreachable(`${what}: ${text(found)}`);
        if (((m.readFlags() & 0x40) !== 0) !== expected) assert.unreachable(`${what}: ZF is not ${expected}`);
        if (q === 'VERR' || q === 'VERW') return;
        // Bits 19:16 of LAR's answer are undefined.
        const value = m.state.get('REGS', REG.cx);
        const d = s.descriptor as S.Descriptor;
        const full = !expected ? 0 : q === 'LAR' ? d.high & 0xf0_ff00 : S.limitOf(d);
        const wanted = !expected
          ? 0x1122_3344_5566_7788n
          : prefix === '66'
            ? 0x1122_3344_5566_0000n | BigInt(full & 0xffff)
            : BigInt(full >>> 0);
        const mask = expected && q === 'LAR' && prefix !== '66' ? ~0xf_0000n : ~0n;
        if ((value & mask) !== (wanted & mask)) assert.unreachable(`${what}: ${value.toString(16)}, not ${wanted.toString(16)}`);
      };
      for (let access = 0; access < 256; access++) {
        for (let pick = 0; pick < 8; pick++) {
          if (!bench.chosen()) continue;
          const low = r.next();
          const high = ((r.next() & 0xffff_00ff) | (access << 8)) >>> 0;
          const s = bench.describe(high, low, (pick & 1) as 0 | 1, pick >> 1);
          ask(
            s,
            `${bench.mode} ${prefix} ${q} CPL ${cpl} selector ${s.selector.toString(16)} descriptor ${high.toString(16)} ${low.toString(16)}`,
          );
        }
      }
      for (const selector of [0, 3, 0xfff8 | 4])
        ask({ selector, descriptor: undefined }, `${bench.mode} ${q} CPL ${cpl} selector ${selector}`);
    }
  }
}
