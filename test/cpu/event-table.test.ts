/**
 * What happens between two instructions, and in which order: traps of the one before, NMI, interrupts, breakpoints and faults of the next one, for
 * every combination (SDM vol. 3, table 7-2), and the shadows of STI and MOV SS (vol. 2).
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, gate, HANDLERS, IDT, Machine, REG, SEL, TABLES } from './model/machine.ts';

const TF = 0x100;
const IF = 0x200;
const RF = 0x1_0000;
const BS = 0x4000;
const INTR = 1;
const NMI = 2;
const VECTOR = 0x50;
const HOLE = 0x18_0000;

/** The second instruction, and the vector of its own fault. */
const NEXT = {
  NOP: { code: '90', vector: undefined },
  '#UD': { code: '0f 0b', vector: 6 },
  '#NM': { code: 'd9 d0', vector: 7 },
  '#GP': { code: '8e c1', vector: 13 },
  '#PF': { code: '8a 03', vector: 14 },
  'fetch #PF': { code: '', vector: 14 },
  'too long': { code: '66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90', vector: 13 },
} as const;
type Next = keyof typeof NEXT;

interface Case {
  readonly step: boolean;
  readonly port: boolean;
  readonly nmi: boolean;
  readonly interrupt: boolean;
  readonly enabled: boolean;
  readonly breakpoint: boolean;
  readonly next: Next;
  /** Handlers are entered by trap gates: IF stays. */
  readonly trapGates: boolean;
}

interface Arrival {
  readonly vector: number;
  readonly rip: number;
}

/** Table 7-2: what is entered, in order, until a handler executes its HLT or the second instruction completes. */
function order(c: Case, second: number): Arrival[] {
  const out: Arrival[] = [];
  let at = second;
  let enabled = c.enabled;
  const enter = (vector: number): void => {
    out.push({ vector, rip: at });
    at = HANDLERS + 16 * vector;
    if (!c.trapGates) enabled = false;
  };
  if (c.step || c.port) enter(1);
  if (c.nmi) enter(2);
  if (c.interrupt && enabled) enter(VECTOR);
  if (at !== second) return out;
  if (c.breakpoint) enter(1);
  else if (NEXT[c.next].vector !== undefined) enter(NEXT[c.next].vector as number);
  return out;
}

/** OUT to port 10h, at whose end the events become pending. */
const FIRST = 'e6 10';

function gates(m: Machine, trap: boolean): void {
  for (const v of [1, 2, 6, 7, 13, 14, VECTOR]) m.put64(IDT + 16 * v, gate(trap ? 0xef : 0xee, SEL.code64, HANDLERS + 16 * v));
}

function arrange(m: Machine, c: Case): number {
  m.enter('long');
  gates(m, c.trapGates);
  const first = c.next === 'fetch #PF' ? HOLE - 2 : CODE;
  m.put64(TABLES + 0x3000 + 8 * (HOLE >> 12), 0n);
  m.put(first, FIRST);
  if (NEXT[c.next].code !== '') m.put(first + 2, `${NEXT[c.next].code} f4`);
  m.set('RIP', first);
  m.set('REGS', HOLE, REG.bx);
  m.set('REGS', 0xeff8, REG.cx);
  m.flags(2 | (c.step ? TF : 0) | (c.enabled ? IF : 0));
  m.set('CR0', m.state.get('CR0') | (c.next === '#NM' ? 8n : 0n));
  // CR4.DE: I/O breakpoints.
  m.set('CR4', m.get('CR4') | 8);
  m.set('DR', 0x10, 0);
  m.set('DR', first + 2, 1);
  m.set('DR', 0x400 | (c.port ? 0x2_0001 : 0) | (c.breakpoint ? 4 : 0), 7);
  m.interrupt = -1;
  m.onPort = () => {
    m.onPort = undefined;
    m.set('EVENT', (c.interrupt ? INTR : 0) | (c.nmi ? NMI : 0));
    if (c.interrupt) m.interrupt = VECTOR;
  };
  m.settle();
  return first + 2;
}

/** The handlers entered, outermost first, by the frames on the stack. */
function arrivals(m: Machine): Arrival[] {
  const out: Arrival[] = [];
  let sp = m.sp;
  let at = m.get('RIP') - 1;
  while (at >= HANDLERS && at < HANDLERS + 0x1000) {
    const vector = (at - HANDLERS) >> 4;
    if (vector === 13 || vector === 14) sp += 8;
    const rip = m.read32(sp);
    out.unshift({ vector, rip });
    at = rip;
    sp = m.read32(sp + 24);
  }
  return out;
}

const BOOLS = [false, true];

test('events: priority of every combination between two instructions', () => {
  const m = new Machine();
  let cases = 0;
  for (let n = 0; n < 128; n++) {
    const bit = (k: number): boolean => ((n >> k) & 1) !== 0;
    for (const next of Object.keys(NEXT) as Next[]) {
      const c: Case = {
        step: bit(0),
        port: bit(1),
        nmi: bit(2),
        interrupt: bit(3),
        enabled: bit(4),
        breakpoint: bit(5),
        trapGates: bit(6),
        next,
      };
      const second = arrange(m, c);
      const what = JSON.stringify(c);
      m.run(3);
      const wanted = order(c, second);
      assert.equal(arrivals(m), wanted, what);
      if (wanted.length === 0) assert.is(m.get('RIP'), second + 2, what);
      cases++;
      const dr6 = m.get('DR', 6) & 0xe00f;
      if (wanted[0]?.vector === 1) {
        const trap = c.step || c.port;
        assert.is(dr6, trap ? (c.step ? BS : 0) | (c.port ? 1 : 0) : 2, `${what}: DR6`);
      } else assert.is(dr6, 0, `${what}: DR6`);
      if (wanted.length === 1) checkResume(m, c, wanted[0] as Arrival, what);
    }
  }
  process.stdout.write(`${cases} cases\n`);
});

/** RF in the image is 1 for faults other than an instruction breakpoint, and what it was for everything else (vol. 3, 18.3.1.1). */
function checkResume(m: Machine, c: Case, arrival: Arrival, what: string): void {
  const coded = arrival.vector === 13 || arrival.vector === 14;
  const image = m.read32(m.sp + (coded ? 8 : 0) + 16);
  const fault = arrival.vector !== 1 && arrival.vector !== 2 && arrival.vector !== VECTOR;
  assert.is((image & RF) !== 0, fault, `${what}: RF in the image`);
  assert.is(image & IF, c.enabled ? IF : 0, `${what}: IF in the image`);
}

test('events: RF in the image is 1 between the iterations of a repeated instruction, and 0 after the last', () => {
  const m = new Machine();
  for (const step of BOOLS) {
    for (let count = 1; count <= 4; count++) {
      for (let when = 1; when <= count; when++) {
        m.enter('long');
        gates(m, false);
        // REP STOSB.
        m.put(CODE, 'f3 aa 90 f4');
        m.set('REGS', count, REG.cx);
        m.set('REGS', WATCHED, REG.di);
        m.flags(2 | IF | (step ? TF : 0));
        m.settle();
        if (!step) {
          m.run(when);
          m.interrupt = VECTOR;
          m.set('EVENT', INTR);
        }
        m.run(8);
        const done = step ? count === 1 : when === count;
        const what = `${step ? 'step' : 'interrupt'}, iteration ${when} of ${count}`;
        assert.equal(arrivals(m), [{ vector: step ? 1 : VECTOR, rip: done ? CODE + 2 : CODE }], what);
        assert.is(m.get('REGS', REG.cx), count - (step ? 1 : when), what);
        assert.is((m.read32(m.sp + 16) & RF) !== 0, !done, `${what}: RF`);
      }
    }
  }
});

test('events: the shadow of STI covers one instruction, that of MOV SS holds traps and NMIs back, too', () => {
  const m = new Machine();
  // Each: code, flags, how many instructions retire before the events are raised, and where the first of them is taken.
  const shadows = [
    { name: 'STI', code: 'fb 90 90 f4', flags: 2, events: INTR, at: 2, vector: VECTOR },
    { name: 'STI when IF is 1 already', code: 'fb 90 90 f4', flags: 2 | IF, events: INTR, at: 1, vector: VECTOR },
    { name: 'MOV SS', code: '8e d0 90 90 f4', flags: 2 | IF, events: INTR, at: 3, vector: VECTOR },
    { name: 'MOV SS and NMI', code: '8e d0 90 90 f4', flags: 2, events: NMI, at: 3, vector: 2 },
    { name: 'LSS: none', code: '0f b2 23 90 90 f4', flags: 2 | IF, events: INTR, at: 3, vector: VECTOR },
    { name: 'MOV DS: none', code: '8e d8 90 90 f4', flags: 2 | IF, events: INTR, at: 2, vector: VECTOR },
    { name: 'NMI after STI', code: 'fb 90 90 f4', flags: 2 | IF, events: NMI, at: 1, vector: 2 },
    { name: 'CLI after STI', code: 'fb fa 90 f4', flags: 2, events: INTR, at: -1, vector: -1 },
    { name: 'POPF that sets IF: none', code: '9d 90 90 f4', flags: 2, events: INTR, at: 1, vector: VECTOR },
  ];
  for (const s of shadows) {
    m.enter('long');
    gates(m, false);
    m.put(CODE, s.code);
    m.put32(0x6000, 0x7000);
    m.put16(0x6004, SEL.data);
    m.put64(0x6000 + 0x100, BigInt(2 | IF));
    m.set('REGS', SEL.data, REG.ax);
    m.set('REGS', 0x6000, REG.bx);
    m.set('REGS', s.name.startsWith('POPF') ? 0x6100 : 0x7000, REG.sp);
    m.flags(s.flags);
    m.settle();
    m.run(1);
    m.interrupt = s.events === INTR ? VECTOR : -1;
    m.set('EVENT', s.events);
    m.run(8);
    const found = arrivals(m);
    assert.equal(found, s.at < 0 ? [] : [{ vector: s.vector, rip: CODE + s.at }], s.name);
  }
});

test('events: NMIs are blocked from the delivery of one to the next IRET, and one waits', () => {
  const m = new Machine();
  m.enter('long');
  gates(m, false);
  // The handler: two NOPs, IRETQ.
  m.put(HANDLERS + 32, '90 90 48 cf');
  m.put(CODE, '90 90 90 f4');
  m.settle();
  m.set('EVENT', NMI);
  m.run(1);
  assert.is(m.get('RIP'), HANDLERS + 33);
  assert.is(m.get('NMI_BLOCKED'), 1);
  m.set('EVENT', NMI);
  m.run(1);
  assert.is(m.get('RIP'), HANDLERS + 34, 'not taken inside the handler');
  m.run(1);
  // IRET unblocks: the second is taken at once, before an instruction of the program.
  m.run(1);
  assert.is(m.get('RIP'), HANDLERS + 33);
  assert.is(m.read32(m.sp), CODE);
  m.put(HANDLERS + 32, 'f4 eb fd');
});

/** Lengths of the LEN field. */
const LENGTHS = [1, 2, 8, 4] as const;
const WATCHED = 0x3_1000;
const SIZES: readonly (readonly [number, string, string])[] = [
  [1, '8a 03', '88 03'],
  [2, '66 8b 03', '66 89 03'],
  [4, '8b 03', '89 03'],
  [8, '48 8b 03', '48 89 03'],
  [16, '0f 10 03', '0f 11 03'],
];

test('breakpoints: data of every length and alignment against accesses of every size and place', () => {
  const m = new Machine();
  let cases = 0;
  for (const [size, read, write] of SIZES) {
    for (const writes of BOOLS) {
      m.enter('long');
      m.put(CODE, `${writes ? write : read} 90 f4`);
      const fresh = m.save();
      for (const type of [1, 3]) {
        for (const [field, length] of LENGTHS.entries()) {
          // The low bits of the address are those of the length: an address that is not aligned to it is aligned down.
          for (let at = 0; at < 16; at++) {
            m.load(fresh);
            m.set('DR', WATCHED + at, 2);
            m.set('DR', 0x400 | 0x10 | (type << 24) | (field << 26), 7);
            m.set('DR', 0xffff0ff0, 6);
            m.settle();
            const start = m.save();
            const from = at & ~(length - 1);
            for (let offset = -16; offset < 32; offset++) {
              m.load(start);
              m.set('REGS', WATCHED + offset, REG.bx);
              m.run(1);
              // The trap is taken at the boundary: before the next instruction or now.
              if (m.get('RIP') < HANDLERS || m.get('RIP') >= HANDLERS + 0x1000) m.run(1);
              const hit = (type === 3 || writes) && offset < from + length && offset + size > from;
              const found = m.get('RIP') >= HANDLERS && m.get('RIP') < HANDLERS + 0x1000;
              cases++;
              if (found !== hit) {
                assert.unreachable(
                  `${writes ? 'write' : 'read'} of ${size} at ${offset}, breakpoint of type ${type} and ${length} bytes at ${at}: ${found}`,
                );
              }
              if (hit && (m.get('DR', 6) & 0xe00f) !== 4) assert.unreachable(`DR6 ${m.get('DR', 6).toString(16)}`);
            }
          }
        }
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});

test('breakpoints: ports of every length and alignment against accesses of every size, with CR4.DE and without', () => {
  const m = new Machine();
  let cases = 0;
  const ports: readonly (readonly [number, string, string])[] = [
    [1, 'ec', 'ee'],
    [2, '66 ed', '66 ef'],
    [4, 'ed', 'ef'],
  ];
  for (const [size, input, output] of ports) {
    for (const code of [input, output]) {
      for (const extension of BOOLS) {
        m.enter('long');
        m.put(CODE, `${code} 90 f4`);
        m.set('CR4', m.get('CR4') | (extension ? 8 : 0));
        const fresh = m.save();
        for (const field of [0, 1, 3]) {
          const length = LENGTHS[field] as number;
          for (let at = 0; at < 8; at++) {
            m.load(fresh);
            m.set('DR', 0x300 + at, 3);
            m.set('DR', 0x400 | 0x40 | (2 << 28) | (field << 30), 7);
            m.settle();
            const start = m.save();
            const from = at & ~(length - 1);
            for (let offset = -8; offset < 16; offset++) {
              m.load(start);
              m.set('REGS', 0x300 + offset, REG.dx);
              m.run(1);
              if (m.get('RIP') < HANDLERS || m.get('RIP') >= HANDLERS + 0x1000) m.run(1);
              const hit = extension && offset < from + length && offset + size > from;
              const found = m.get('RIP') >= HANDLERS && m.get('RIP') < HANDLERS + 0x1000;
              cases++;
              if (found !== hit)
                assert.unreachable(`${code} at ${offset}, breakpoint of ${length} ports at ${at}, DE ${extension}: ${found}`);
            }
          }
        }
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});

test('debug registers: what each bit of DR6 and DR7 keeps, and that the upper halves are reserved', () => {
  const m = new Machine();
  let cases = 0;
  for (const extension of BOOLS) {
    for (let dr = 0; dr < 8; dr++) {
      m.enter('long');
      m.set('CR4', m.get('CR4') | (extension ? 8 : 0));
      m.put(CODE, `0f 23 ${(0xc0 | (dr << 3)).toString(16)} 90`);
      m.settle();
      const start = m.save();
      for (let bit = -1n; bit < 64n; bit++) {
        m.load(start);
        const value = bit < 0n ? 0n : 1n << bit;
        // General detect has its own test; it would stop at the next MOV DR only.
        m.set('REGS', value, REG.ax);
        m.run(1);
        cases++;
        const vector = m.get('RIP') >= HANDLERS && m.get('RIP') < HANDLERS + 0x1000 ? (m.get('RIP') - HANDLERS) >> 4 : undefined;
        const alias = dr === 4 || dr === 5;
        const what = `DR${dr} = ${value.toString(16)}, DE ${extension}`;
        if (alias && extension) {
          assert.is(vector, 6, what);
          continue;
        }
        const real = alias ? dr + 2 : dr;
        if (real >= 6 && bit >= 32n) {
          assert.is(vector, 13, what);
          continue;
        }
        assert.is(vector, undefined, what);
        // DR6: B3-B0, BD, BS, BT; RTM (16), BLD (11) and 31:17, 10:4 read 1. DR7: bit 10 reads 1; 11, 12, 14, 15 read 0.
        const kept = real < 4 ? value : real === 6 ? (value & 0xe00fn) | 0xffff_0ff0n : (value & ~0xd800n & 0xffff_ffffn) | 0x400n;
        assert.is(m.state.get('DR', real), kept, what);
      }
    }
  }
  process.stdout.write(`${cases} cases\n`);
});
test.run();
