/**
 * Task switches into tasks of which one thing is not as it should be: SDM vol. 3, table 9-1 (exception conditions checked during a task switch), for every
 * access byte of every descriptor that a task needs, by JMP, CALL, a task gate, an interrupt and IRET.
 *
 * The exceptions go through task gates themselves, so that they can be delivered whatever the new task's segments are; the link of the handler's
 * TSS says in which task's context the fault was.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, gate, GDT, HANDLERS, IDT, Machine, SEG, SEL, TSS } from './model/machine.ts';
import * as S from './model/segments.ts';

const TS = 10;
const NEW_TSS = 0x20000;
const HANDLER_TSS = 0x21000;
/** Selectors: the new task, a task gate to it, its LDT, code, stack and data, the handlers' tasks. */
const NEW = SEL.free;
const GATE = SEL.free + 8;
const NEW_LDT = SEL.free + 16;
const NEW_CODE = SEL.free + 24;
const NEW_STACK = SEL.free + 32;
const NEW_DATA = SEL.free + 40;
const HANDLER = SEL.free + 48;
const TARGET = 0x9800;
const STACK_TOP = 0x2_4000;

type Way = 'JMP' | 'CALL' | 'JMP gate' | 'CALL gate' | 'INT' | 'interrupt' | 'IRET';
const WAYS: readonly Way[] = ['JMP', 'CALL', 'JMP gate', 'CALL gate', 'INT', 'interrupt', 'IRET'];
const CODES: Record<Way, string> = {
  JMP: `ea 00 00 00 00 ${NEW.toString(16)} 00`,
  CALL: `9a 00 00 00 00 ${NEW.toString(16)} 00`,
  'JMP gate': `ea 00 00 00 00 ${GATE.toString(16)} 00`,
  'CALL gate': `9a 00 00 00 00 ${GATE.toString(16)} 00`,
  INT: 'cd 50',
  interrupt: '90',
  IRET: 'cf',
};

interface Task {
  readonly wide: boolean;
  readonly tssAccess: number;
  readonly tssLimit: number;
  readonly cs: number;
  readonly csHigh: number;
  readonly csLimit: number;
  readonly ss: number;
  readonly ssHigh: number;
  readonly data: number;
  readonly dataHigh: number;
  /** Which of DS, ES, FS, GS has it. */
  readonly dataIn: number;
  readonly ldt: number;
  readonly ldtHigh: number;
}

const good = (cpl: number): Task => ({
  wide: true,
  tssAccess: 0x89,
  tssLimit: 0x67,
  cs: NEW_CODE | cpl,
  csHigh: 0x40_9b00 | (cpl << 13),
  csLimit: 0xffff,
  ss: NEW_STACK | cpl,
  ssHigh: 0xcf_9300 | (cpl << 13),
  data: NEW_DATA | cpl,
  dataHigh: 0xcf_9300 | (cpl << 13),
  dataIn: SEG.ds,
  ldt: NEW_LDT,
  ldtHigh: 0x8200,
});

const selected = (selector: number, at: number, high: number): S.Selected => ({
  selector,
  descriptor: (selector & 0xfffc) === at ? { low: 0xffff, high } : undefined,
});

/** Table 9-1; one thing at a time is wrong. In the old task's context ('before') or the new one's. */
function model(t: Task, way: Way): (S.Fault & { before: boolean }) | undefined {
  const ext = way === 'interrupt' ? 1 : 0;
  const fault = (vector: number, selector: number, before = false) => ({ vector, error: (selector & 0xfffc) | ext, before });
  const type = t.tssAccess & 0x1f;
  const busy = way === 'IRET';
  const wanted = t.wide ? (busy ? 11 : 9) : busy ? 3 : 1;
  if (type !== wanted) return fault(busy ? TS : S.GP, NEW, true);
  if ((t.tssAccess & 0x80) === 0) return fault(S.NP, NEW, true);
  if (t.tssLimit < (t.wide ? 0x67 : 0x2b)) return fault(TS, NEW, true);
  if (!S.isNull(t.ldt)) {
    const ldt = selected(t.ldt, NEW_LDT, t.ldtHigh);
    if (ldt.descriptor === undefined || (S.accessOf(ldt.descriptor) & 0x1f) !== 2 || !S.presentOf(ldt.descriptor)) return fault(TS, t.ldt);
  }
  const cpl = t.cs & 3;
  const code = selected(t.cs, NEW_CODE, t.csHigh).descriptor;
  if (code === undefined || !S.plainOf(code) || !S.codeOf(code)) return fault(TS, t.cs);
  if (S.conformingOf(code) ? S.dplOf(code) > cpl : S.dplOf(code) !== cpl) return fault(TS, t.cs);
  if (!S.presentOf(code)) return fault(S.NP, t.cs);
  const stack = selected(t.ss, NEW_STACK, t.ssHigh).descriptor;
  if (stack === undefined || !S.plainOf(stack) || S.codeOf(stack) || !S.writableOf(stack)) return fault(TS, t.ss);
  if ((t.ss & 3) !== cpl || S.dplOf(stack) !== cpl) return fault(TS, t.ss);
  if (!S.presentOf(stack)) return fault(S.SS, t.ss);
  const load = S.loadData(selected(t.data, NEW_DATA, t.dataHigh), cpl);
  if (load !== undefined) return fault(load.vector === S.GP ? TS : load.vector, t.data);
  if (TARGET > t.csLimit) return { vector: S.GP, error: ext, before: false };
  return undefined;
}

class Bench {
  readonly m = new Machine();
  cases = 0;

  #tss(at: number, wide: boolean, words: Record<string, number>): void {
    const { m } = this;
    const places = wide
      ? { link: 0, sp0: 4, ss0: 8, eip: 0x20, flags: 0x24, sp: 0x38, es: 0x48, cs: 0x4c, ss: 0x50, ds: 0x54, fs: 0x58, gs: 0x5c, ldt: 0x60 }
      : { link: 0, sp0: 2, ss0: 4, eip: 14, flags: 16, sp: 26, es: 34, cs: 36, ss: 38, ds: 40, fs: -1, gs: -1, ldt: 42 };
    for (let i = 0; i < 0x68; i += 4) m.put32(at + i, 0);
    for (const [name, value] of Object.entries(words)) {
      const place = places[name as keyof typeof places];
      if (place < 0) continue;
      if (wide) m.put32(at + place, value);
      else m.put16(at + place, value);
    }
  }

  #descriptor(at: number, base: number, limit: number, high: number): void {
    this.m.put32(GDT + at, (limit & 0xffff) | ((base & 0xffff) << 16));
    this.m.put32(GDT + at + 4, high | ((base >>> 16) & 0xff));
  }

  check(t: Task, way: Way): void {
    const { m } = this;
    m.enter('prot32');
    m.put(CODE, CODES[way]);
    m.put(TARGET, '90 90');
    this.#descriptor(NEW, NEW_TSS, t.tssLimit, t.tssAccess << 8);
    m.put64(GDT + GATE, gate(0xe5, NEW, 0));
    this.#descriptor(NEW_LDT, 0xc000, 0xfff, t.ldtHigh);
    this.#descriptor(NEW_CODE, 0, t.csLimit, t.csHigh);
    this.#descriptor(NEW_STACK, 0, 0xffff, t.ssHigh);
    this.#descriptor(NEW_DATA, 0, 0xffff, t.dataHigh);
    const names: Record<number, string> = { [SEG.ds]: 'ds', [SEG.es]: 'es', [SEG.fs]: 'fs', [SEG.gs]: 'gs' };
    this.#tss(NEW_TSS, t.wide, {
      sp0: 0x7c00,
      ss0: SEL.data,
      eip: TARGET,
      flags: 2,
      sp: t.wide ? STACK_TOP : 0x5000,
      cs: t.cs,
      ss: t.ss,
      ldt: t.ldt,
      [names[t.dataIn] as string]: t.data,
    });
    for (const [i, vector] of [TS, S.NP, S.SS, S.GP].entries()) {
      const at = HANDLER_TSS + 0x100 * i;
      this.#tss(at, true, { eip: HANDLERS + 16 * vector, flags: 2, sp: 0x7800, cs: SEL.code32, ss: SEL.data, ds: SEL.data, es: SEL.data });
      this.#descriptor(HANDLER + 8 * i, at, 0x67, 0x8900);
      m.put64(IDT + 8 * vector, gate(0xe5, HANDLER + 8 * i, 0));
    }
    m.put64(IDT + 8 * 0x50, gate(0xe5, NEW, 0));
    if (way === 'interrupt') {
      m.flags(0x202);
      m.set('EVENT', 1);
      m.interrupt = 0x50;
    }
    if (way === 'IRET') {
      m.flags(0x4002);
      m.put16(TSS, NEW);
    }
    m.settle();
    this.cases++;
    m.run(1);
    const wanted = model(t, way);
    const what = (): string => `${way} ${JSON.stringify(t, (_, v) => (typeof v === 'number' ? v.toString(16) : v))}`;
    const at = m.get('RIP') - HANDLERS;
    const found = at >= 0 && at < 0x1000 ? at >> 4 : undefined;
    if (found !== wanted?.vector) assert.unreachable(`${what()}: vector ${found}, not ${wanted?.vector} (${wanted?.error.toString(16)})`);
    if (wanted !== undefined) {
      const error = m.read32(m.sp);
      if (error !== wanted.error) assert.unreachable(`${what()}: error ${error.toString(16)}, not ${wanted.error.toString(16)}`);
      const link = m.read16(Number(m.state.get('SEG_BASE', SEG.tr)));
      const from = wanted.before ? SEL.tss : NEW;
      if (link !== from) assert.unreachable(`${what()}: fault in the context of task ${link.toString(16)}, not ${from.toString(16)}`);
      return;
    }
    this.#arrived(t, way, what);
  }

  #arrived(t: Task, way: Way, what: () => string): void {
    const { m } = this;
    const nested = way === 'CALL' || way === 'CALL gate' || way === 'INT' || way === 'interrupt';
    const busyAt = (selector: number): boolean => (m.read8(GDT + selector + 5) & 2) !== 0;
    const rip = m.get('RIP') - (way === 'interrupt' ? 1 : 0);
    assert.equal([m.get('SEG_SEL', SEG.tr), rip, m.get('CPL'), m.get('SEG_SEL', SEG.ldtr)], [NEW, TARGET, t.cs & 3, t.ldt], what());
    assert.equal([m.get('SEG_SEL', SEG.cs), m.get('SEG_SEL', SEG.ss)], [t.cs, t.ss], what());
    // Table 9-2: busy, NT and the link.
    assert.is(busyAt(NEW), true, `${what()}: new task busy`);
    assert.is(busyAt(SEL.tss), nested, `${what()}: old task busy`);
    assert.is((m.readFlags() & 0x4000) !== 0, nested, `${what()}: NT`);
    assert.is(m.read16(NEW_TSS), nested ? SEL.tss : 0, `${what()}: link`);
    assert.is((m.get('CR0') & 8) !== 0, true, `${what()}: CR0.TS`);
    const saved = m.read32(TSS + 0x20);
    assert.is(saved, CODE + (way === 'interrupt' ? 0 : CODES[way].replaceAll(' ', '').length / 2), `${what()}: saved EIP`);
    if (way === 'IRET') assert.is(m.read32(TSS + 0x24) & 0x4000, 0, `${what()}: NT in the old image`);
  }
}

const run = (name: string, each: (check: (t: Task) => void, cpl: number) => void): void => {
  test(`task switches: ${name}`, () => {
    const bench = new Bench();
    for (const way of WAYS) {
      const busy = way === 'IRET' ? 2 : 0;
      for (const cpl of [0, 1, 3]) {
        each((t) => bench.check(t.tssAccess === 0x89 || t.tssAccess === 0x81 ? { ...t, tssAccess: t.tssAccess | busy } : t, way), cpl);
      }
    }
    process.stdout.write(`${bench.cases} cases\n`);
  });
};

run('the TSS', (check, cpl) => {
  if (cpl !== 3) return;
  // Only 32-bit types and what is no TSS: 1 and 3 are 16-bit TSSs, a task of another shape. DPL 3, so that JMP and CALL may name it.
  for (let access = 0; access < 256; access++) {
    const type = access & 0x1f;
    if (type === 1 || type === 3 || access === 0x89) continue;
    // Gates and code are transfers of another kind for JMP and CALL.
    if (type === 4 || type === 5 || type === 12 || type >= 0x18) continue;
    check({ ...good(3), tssAccess: access });
  }
  for (const tssLimit of [0, 0x2b, 0x66, 0x67, 0x68, 0xfff]) check({ ...good(3), tssLimit });
});
run('the code segment', (check, cpl) => {
  for (let access = 0; access < 256; access++) check({ ...good(cpl), csHigh: 0x40_0000 | (access << 8) });
  for (const cs of [0, 3, 0xff8 | cpl]) check({ ...good(cpl), cs });
  for (const csLimit of [TARGET - 1, TARGET]) check({ ...good(cpl), csLimit });
});
run('the stack segment', (check, cpl) => {
  for (let access = 0; access < 256; access++) check({ ...good(cpl), ssHigh: 0xcf_0000 | (access << 8) });
  for (const ss of [0, 3, 0xff8 | cpl, NEW_STACK, NEW_STACK | 1, NEW_STACK | 2, NEW_STACK | 3]) check({ ...good(cpl), ss });
});
run('data segments', (check, cpl) => {
  for (const dataIn of [SEG.ds, SEG.es, SEG.fs, SEG.gs]) {
    for (let access = 0; access < 256; access += dataIn === SEG.ds ? 1 : 3) {
      for (const rpl of [0, 3]) check({ ...good(cpl), dataIn, data: NEW_DATA | rpl, dataHigh: 0xcf_0000 | (access << 8) });
    }
    for (const data of [0, 1, 0xff8, NEW_DATA]) check({ ...good(cpl), dataIn, data });
  }
});
run('the LDT', (check, cpl) => {
  if (cpl === 1) return;
  for (let access = 0; access < 256; access++) check({ ...good(cpl), ldtHigh: access << 8 });
  for (const ldt of [0, NEW_LDT | 4, 0xff8]) check({ ...good(cpl), ldt });
});
run('a 16-bit TSS', (check, cpl) => {
  const small = { ...good(cpl), wide: false, tssAccess: 0x81, tssLimit: 0x2b };
  for (const tssLimit of [0x29, 0x2a, 0x2b, 0x2c, 0x67]) check({ ...small, tssLimit });
  for (let access = 0; access < 256; access += 5) {
    check({ ...small, csHigh: 0x40_0000 | (access << 8) });
    check({ ...small, ssHigh: 0xcf_0000 | (access << 8) });
    check({ ...small, dataHigh: 0xcf_0000 | (access << 8) });
    check({ ...small, dataIn: SEG.es, dataHigh: 0xcf_0000 | (access << 8) });
    check({ ...small, ldtHigh: access << 8 });
  }
});
test.run();
