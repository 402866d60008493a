/**
 * Exceptions during the delivery of exceptions: which are handled one after another, which make a double fault, which shut the processor down (SDM vol. 3,
 * tables 7-4 and 7-5, "Interrupt 8"), with gates that are bad in every way and in every combination.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CODE,
  gate,
  GDT,
  HANDLERS,
  IDT,
  Machine,
  type Mode,
  random,
  REG,
  SEG,
  SEL,
  TABLES,
  TSS,
  USER_CODE,
  USER_STACK,
} from './model/machine.ts';

/** How the delivery through a gate goes wrong: a type that is none, not present, no stack in the TSS, a bad stack, a page that is not there. */
const WAYS = ['good', 'GP', 'NP', 'TS', 'SS', 'PF'] as const;
type Way = (typeof WAYS)[number];

const DF = 8;
const SHUTDOWN = 256;
const CONTRIBUTORY = new Set([0, 10, 11, 12, 13]);
const PAGE_FAULT = 14;

/** What follows when `second` arises while `first` is delivered. */
function combined(first: number, second: number): number {
  const serious = CONTRIBUTORY.has(second) || second === PAGE_FAULT;
  if (!serious) return second;
  if (first === DF) return SHUTDOWN;
  if (first === PAGE_FAULT) return DF;
  return CONTRIBUTORY.has(first) && CONTRIBUTORY.has(second) ? DF : second;
}

interface Source {
  readonly name: string;
  readonly vector: number;
  readonly code: string;
  readonly error?: number;
  /** INT n and INT3: the instruction is not an event of the outside. */
  readonly software?: boolean;
  readonly cpl?: 0 | 3;
  readonly prepare?: (m: Machine) => void;
  readonly event?: 1 | 2;
}

const HOLE = 0x18_0000;
const NOWHERE = 0x9000_0000_0000n;
const NOT_PRESENT = SEL.free;

const SOURCES: readonly Source[] = [
  { name: '#DE', vector: 0, code: 'f7 f1' },
  { name: 'INT1', vector: 1, code: 'f1' },
  { name: 'NMI', vector: 2, code: '90', event: 2 },
  { name: 'INT3', vector: 3, code: 'cc', software: true },
  { name: '#UD', vector: 6, code: '0f 0b' },
  { name: '#NM', vector: 7, code: 'd9 d0', prepare: (m) => m.set('CR0', m.state.get('CR0') | 8n) },
  { name: '#NP', vector: 11, code: '8e c0', error: NOT_PRESENT, prepare: (m) => m.set('REGS', NOT_PRESENT | 3, REG.ax) },
  { name: '#SS', vector: 12, code: '8a 45 00', error: 0, prepare: (m) => beyond(m) },
  { name: '#GP', vector: 13, code: '8e c0', error: 0xeff8, prepare: (m) => m.set('REGS', 0xeffb, REG.ax) },
  { name: '#PF', vector: 14, code: '8a 03', prepare: (m) => m.set('REGS', HOLE, REG.bx) },
  {
    name: '#MF',
    vector: 16,
    code: '9b',
    prepare: (m) => {
      m.set('FCW', 0x37e);
      m.set('FSW', 0x8081);
    },
  },
  {
    name: '#AC',
    vector: 17,
    code: '8b 03',
    error: 0,
    cpl: 3,
    prepare: (m) => {
      m.set('CR0', m.state.get('CR0') | 0x4_0000n);
      m.flags(m.readFlags() | 0x4_0000);
      m.set('REGS', USER_STACK - 0x7f, REG.bx);
    },
  },
  { name: '#XM', vector: 19, code: '0f 5e c1', prepare: (m) => divideByZero(m) },
  { name: 'INT n', vector: 0x50, code: 'cd 50', software: true },
  { name: 'interrupt', vector: 0x50, code: '90', event: 1, prepare: (m) => m.flags(m.readFlags() | 0x200) },
];

/** RBP where no stack is: not canonical, or beyond the limit. */
function beyond(m: Machine): void {
  if (m.wide) m.set('REGS', NOWHERE, REG.bp);
  else {
    m.set('REGS', 0xf000_0000, REG.bp);
    m.set('SEG_LIMIT', 0xfff_ffff, SEG.ss);
  }
}

function divideByZero(m: Machine): void {
  m.set('MXCSR', 0x1d80);
  for (let i = 0; i < 4; i++) {
    m.set('XMM', 0x3f80_0000_3f80_0000n, i & 1);
    m.set('XMM', 0n, 4 + (i & 1));
  }
}

class Bench {
  readonly m = new Machine();
  readonly mode: Mode;
  cases = 0;

  constructor(mode: Mode) {
    this.mode = mode;
  }

  get long(): boolean {
    return this.mode === 'long';
  }

  /** The error code of what a gate that is bad in this way raises. */
  error(way: Way, vector: number, ext: number): number {
    if (way === 'GP' || way === 'NP') return 8 * vector + 2 + ext;
    if (way === 'TS') return (this.long ? SEL.tss : 0xff0) | ext;
    if (way === 'SS') return this.long ? ext : (SEL.free + 0x20) | ext;
    return this.long ? 2 : 0;
  }

  gate(vector: number, way: Way): void {
    const { m } = this;
    const to = HANDLERS + 16 * vector;
    if (this.long) {
      const ist = way === 'TS' ? 7 : way === 'SS' ? 1 : way === 'PF' ? 2 : 0;
      m.put64(IDT + 16 * vector, gate(way === 'GP' ? 0xe0 : way === 'NP' ? 0x6e : 0xee, SEL.code64, to, ist));
      m.put64(IDT + 16 * vector + 8, 0n);
      return;
    }
    // Code of level 1, whose stack cannot be had; level 2's is not present; a descriptor in an LDT that is not mapped.
    const code = way === 'TS' ? SEL.free + 0x30 : way === 'SS' ? SEL.free + 0x40 : way === 'PF' ? 0x14 : SEL.code32;
    m.put64(IDT + 8 * vector, gate(way === 'GP' ? 0xe0 : way === 'NP' ? 0x6e : 0xee, code, to));
  }

  run(source: Source, cpl: 0 | 3, ways: ReadonlyMap<number, Way>): number {
    const { m } = this;
    m.enter(this.mode, cpl);
    m.set('CR0', m.state.get('CR0') | 0x22n);
    m.put(cpl === 0 ? CODE : USER_CODE, source.code);
    m.put64(GDT + NOT_PRESENT, 0x00cf_7300_0000_ffffn);
    m.put64(GDT + SEL.free + 0x20, 0x00cf_5300_0000_ffffn);
    m.put64(GDT + SEL.free + 0x30, 0x00cf_bb00_0000_ffffn);
    m.put64(GDT + SEL.free + 0x40, 0x00cf_db00_0000_ffffn);
    if (this.long) {
      m.put64(TSS + 36, NOWHERE);
      m.put64(TSS + 44, BigInt(HOLE + 0x800));
      m.put64(TABLES + 0x3000 + 8 * (HOLE >> 12), 0n);
      // IST7 ends at byte 91.
      m.set('SEG_LIMIT', 90, SEG.tr);
    } else {
      m.put16(TSS + 16, 0xff1);
      m.put16(TSS + 24, (SEL.free + 0x20) | 2);
      m.put32(TABLES + 0x1000 + 4 * (HOLE >> 12), 0);
      m.set('SEG_BASE', HOLE, SEG.ldtr);
    }
    for (const [vector, way] of ways) this.gate(vector, way);
    source.prepare?.(m);
    if (source.event !== undefined) {
      m.set('EVENT', source.event);
      m.interrupt = source.vector;
    }
    m.settle();
    this.cases++;
    return m.vector(3);
  }
}

const VECTORS = [...new Set([...SOURCES.map((s) => s.vector), DF, 10])];

for (const [mode, levels] of [
  ['long', [0, 3]],
  ['paged32', [3]],
] as const) {
  test(`nested faults: every first exception, ${mode}, gates bad in every way`, () => {
    const bench = new Bench(mode);
    const { below } = random(11);
    for (const source of SOURCES) {
      for (const cpl of levels) {
        if (source.cpl !== undefined && source.cpl !== cpl) continue;
        for (let n = 0; n < 150; n++) {
          const ways = new Map<number, Way>();
          // Each way for the first, for the second all ways, then at random.
          for (const vector of VECTORS) ways.set(vector, WAYS[below(WAYS.length)] as Way);
          ways.set(source.vector, WAYS[n % WAYS.length] as Way);
          follow(bench, source, cpl, ways);
        }
      }
    }
    process.stdout.write(`${bench.cases} cases\n`);
  });
}

/** What the chain of deliveries ends in, by the tables, against the core. */
function follow(bench: Bench, source: Source, cpl: 0 | 3, ways: ReadonlyMap<number, Way>): void {
  const raised = { good: -1, GP: 13, NP: 11, TS: 10, SS: 12, PF: 14 };
  let pending = source.vector;
  let error = source.error ?? (source.vector === 14 ? (cpl === 3 ? 4 : 0) : -1);
  let ext = source.software === true ? 0 : 1;
  const path = [pending];
  for (;;) {
    const way = ways.get(pending) as Way;
    if (way === 'good') break;
    const second = raised[way];
    error = bench.error(way, pending, ext);
    ext = 1;
    pending = combined(pending, second);
    path.push(pending);
    if (pending === DF) error = 0;
    if (pending === SHUTDOWN) break;
  }
  const found = bench.run(source, cpl, ways);
  const { m } = bench;
  const what = `${bench.mode} CPL ${cpl} ${source.name}: ${path.map((v) => `${v} ${ways.get(v) ?? ''}`).join(', ')}`;
  assert.is(found, pending, what);
  if (found !== SHUTDOWN && error >= 0) assert.is(m.read32(m.sp), error, `${what}: error code`);
  if (found === PAGE_FAULT && path.length > 1) {
    const cr2 = m.get('CR2') & ~0xfff;
    assert.is(cr2, HOLE, `${what}: CR2`);
  }
}
test.run();
