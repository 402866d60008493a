import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApicBus } from '../../devices/apic-bus.ts';
import { Ioapic } from '../../devices/ioapic.ts';
import { Lapic, type LapicTrace } from '../../devices/lapic.ts';
import { StateError } from '../../vmm/bus.ts';
import { FakeClock } from './fake.ts';

const ID = 0x20;
const VERSION = 0x30;
const TPR = 0x80;
const APR = 0x90;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ISR = 0x100;
const TMR = 0x180;
const IRR = 0x200;
const ESR = 0x280;
const ICR = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_PERFORMANCE = 0x340;
const LVT_LINT0 = 0x350;
const LVT_LINT1 = 0x360;
const LVT_ERROR = 0x370;
const INITIAL_COUNT = 0x380;
const CURRENT_COUNT = 0x390;
const DIVIDE = 0x3e0;
const MASK = 0x10000;
const BASE_MSR = 0x1b;
const DEADLINE_MSR = 0x6e0;

interface Machine {
  clock: FakeClock;
  bus: ApicBus;
  apics: Lapic[];
  /** What the vCPUs were told: `name:index[:value]`. */
  heard: string[];
  tsc: { lo: number; hi: number };
}

function machine(count = 1, options: { timerHz?: number; trace?: LapicTrace; extInt?: () => number; ids?: number[] } = {}): Machine {
  const clock = new FakeClock();
  const bus = new ApicBus();
  const heard: string[] = [];
  const tsc = { lo: 0, hi: 0 };
  const apics: Lapic[] = [];
  for (let i = 0; i < count; i++) {
    const apic = new Lapic({
      id: options.ids?.[i] ?? i,
      bootstrap: i === 0,
      clock,
      bus,
      tsc: { lo: () => tsc.lo, hi: () => tsc.hi },
      timerHz: options.timerHz,
      trace: options.trace,
      cpu: {
        intr: (level) => heard.push(`intr:${i}:${level ? 1 : 0}`),
        nmi: () => heard.push(`nmi:${i}`),
        smi: () => heard.push(`smi:${i}`),
        init: () => heard.push(`init:${i}`),
        sipi: (vector) => heard.push(`sipi:${i}:${vector}`),
        tprChanged: (cr8) => heard.push(`tpr:${i}:${cr8}`),
        extIntAck: options.extInt,
      },
    });
    apic.mmioWrite(SVR, 4, 0x1ff);
    bus.addLocalApic(apic);
    apics.push(apic);
  }
  return { clock, bus, apics, heard, tsc };
}

function x2apic(apic: Lapic): void {
  assert.ok(apic.msrWrite(BASE_MSR, apic.baseLo | 0x400, apic.baseHi));
}

function msr(apic: Lapic, index: number): number {
  assert.ok(apic.msrRead(index), `RDMSR ${index.toString(16)}`);
  return apic.lo;
}

/** Vectors that each APIC has requested, taken in order. */
function taken(apic: Lapic): number[] {
  const vectors: number[] = [];
  for (let vector = apic.ack(); vector >= 0; vector = apic.ack()) {
    vectors.push(vector);
    apic.mmioWrite(EOI, 4, 0);
    if (apic.x2apic) apic.msrWrite(0x80b, 0, 0);
  }
  return vectors;
}

test('registers after reset', () => {
  const { apics } = machine(2);
  const apic = apics[1];
  apic.reset();
  assert.is(apic.mmioRead(ID, 4), 0x0100_0000);
  assert.is(apic.mmioRead(VERSION, 4), 0x0106_0015);
  assert.is(apic.mmioRead(SVR, 4), 0xff);
  assert.is(apic.mmioRead(DFR, 4), 0xffff_ffff);
  for (const lvt of [0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370]) assert.is(apic.mmioRead(lvt, 4), MASK);
  assert.is(msr(apic, BASE_MSR), 0xfee0_0800);
  assert.is(msr(apics[0], BASE_MSR), 0xfee0_0900);
});

test('an interrupt goes from IRR to ISR to its end', () => {
  const { apics, heard } = machine();
  const apic = apics[0];
  assert.ok(apic.accept(0x61, 0, 0));
  assert.is(apic.mmioRead(IRR + 0x30, 4), 2);
  assert.is(apic.pending(), 0x61);
  assert.is(apic.ack(), 0x61);
  assert.is(apic.mmioRead(IRR + 0x30, 4), 0);
  assert.is(apic.mmioRead(ISR + 0x30, 4), 2);
  assert.is(apic.mmioRead(PPR, 4), 0x60);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(apic.mmioRead(ISR + 0x30, 4), 0);
  assert.equal(heard, ['intr:0:1', 'intr:0:0']);
});

test('only a higher class gets through, and TPR holds back its own class', () => {
  const { apics } = machine();
  const apic = apics[0];
  apic.accept(0x61, 0, 0);
  apic.ack();
  apic.accept(0x6f, 0, 0);
  assert.is(apic.pending(), -1);
  apic.accept(0x70, 0, 0);
  assert.is(apic.ack(), 0x70);
  apic.mmioWrite(EOI, 4, 0);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(apic.pending(), 0x6f);
  apic.mmioWrite(TPR, 4, 0x65);
  assert.is(apic.pending(), -1);
  assert.is(apic.interrupt, false);
  assert.is(apic.mmioRead(PPR, 4), 0x65);
  apic.setTpr(5);
  assert.is(apic.mmioRead(TPR, 4), 0x50);
  assert.is(apic.interrupt, true);
});

test('TPR tells CR8, except when CR8 was the writer', () => {
  const { apics, heard } = machine();
  apics[0].mmioWrite(TPR, 4, 0xab);
  apics[0].setTpr(3);
  assert.equal(heard, ['tpr:0:10']);
  assert.is(apics[0].cr8, 3);
});

test('arbitration priority follows task, requests and service', () => {
  const { apics } = machine();
  const apic = apics[0];
  apic.mmioWrite(TPR, 4, 0x35);
  assert.is(apic.mmioRead(APR, 4), 0x35);
  apic.accept(0x82, 0, 0);
  assert.is(apic.mmioRead(APR, 4), 0x80);
});

test('software disabling masks the LVT, refuses fixed interrupts and lets NMI, INIT and SIPI in', () => {
  const { apics, heard } = machine();
  const apic = apics[0];
  apic.mmioWrite(LVT_TIMER, 4, 0x40);
  apic.mmioWrite(SVR, 4, 0xff);
  assert.is(apic.mmioRead(LVT_TIMER, 4), MASK | 0x40);
  apic.mmioWrite(LVT_TIMER, 4, 0x40);
  assert.is(apic.mmioRead(LVT_TIMER, 4), MASK | 0x40);
  assert.not.ok(apic.accept(0x40, 0, 0));
  apic.accept(0, 0, 4);
  apic.accept(0x9a, 0, 6);
  assert.equal(heard, ['nmi:0', 'sipi:0:154']);
});

test('errors are latched by a write of ESR and interrupt once until then', () => {
  const { apics } = machine();
  const apic = apics[0];
  apic.mmioWrite(LVT_ERROR, 4, 0xfe);
  apic.accept(3, 0, 0);
  apic.mmioWrite(ICR, 4, 0x4004);
  apic.mmioRead(0x40, 4);
  assert.is(apic.mmioRead(ESR, 4), 0);
  assert.equal(taken(apic), [0xfe]);
  apic.mmioWrite(ESR, 4, 0);
  assert.is(apic.mmioRead(ESR, 4), 0xe0);
  apic.mmioWrite(ESR, 4, 0);
  assert.is(apic.mmioRead(ESR, 4), 0);
  apic.accept(3, 0, 0);
  assert.equal(taken(apic), [0xfe]);
});

test('an error interrupt with an illegal vector does not feed itself', () => {
  const { apics } = machine();
  apics[0].mmioWrite(LVT_ERROR, 4, 0x05);
  apics[0].accept(3, 0, 0);
  assert.is(apics[0].pending(), -1);
});

test('one-shot timer: counts down at the divided rate and interrupts once', () => {
  const { clock, apics } = machine();
  const apic = apics[0];
  apic.mmioWrite(LVT_TIMER, 4, 0x40);
  apic.mmioWrite(DIVIDE, 4, 3);
  assert.is(apic.mmioRead(DIVIDE, 4), 3);
  apic.mmioWrite(INITIAL_COUNT, 4, 100);
  clock.run(15);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 100);
  clock.run(1);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 99);
  assert.is(clock.next, 1600);
  clock.runTo(1599);
  assert.is(apic.pending(), -1);
  clock.runTo(1600);
  assert.is(apic.ack(), 0x40);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 0);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
});

test('every divide configuration', () => {
  const divisors = [2, 4, 8, 16, 32, 64, 128, 1];
  for (let code = 0; code < 8; code++) {
    const { clock, apics } = machine();
    apics[0].mmioWrite(LVT_TIMER, 4, 0x40);
    apics[0].mmioWrite(DIVIDE, 4, (code & 3) | ((code & 4) << 1));
    apics[0].mmioWrite(INITIAL_COUNT, 4, 10);
    assert.is(clock.next, 10 * divisors[code]);
  }
});

test('periodic timer: no drift at a frequency that does not divide a nanosecond', () => {
  const { clock, apics } = machine(1, { timerHz: 24_000_000 });
  const apic = apics[0];
  apic.mmioWrite(DIVIDE, 4, 0xb);
  apic.mmioWrite(LVT_TIMER, 4, 0x20040);
  apic.mmioWrite(INITIAL_COUNT, 4, 7);
  let ticks = 0;
  for (let i = 0; i < 24_000; i++) {
    clock.runTo(clock.next);
    if (apic.ack() === 0x40) ticks++;
    apic.mmioWrite(EOI, 4, 0);
  }
  assert.is(ticks, 24_000);
  assert.is(clock.now(), 7_000_000);
  clock.skip(3000);
  clock.settle();
  assert.equal(taken(apic), [0x40], 'missed periods are one interrupt');
  assert.is(clock.next, 7_000_000 + Math.ceil((77 * 1000) / 24));
});

test('a timer behind its mask counts but arms nothing; unmasked it goes on from there', () => {
  const { clock, apics } = machine();
  const apic = apics[0];
  apic.mmioWrite(DIVIDE, 4, 0xb);
  apic.mmioWrite(LVT_TIMER, 4, MASK | 0x20040);
  apic.mmioWrite(INITIAL_COUNT, 4, 1000);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
  clock.runTo(2300);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 700);
  apic.mmioWrite(LVT_TIMER, 4, 0x20040);
  assert.is(clock.next, 3000);
  apic.mmioWrite(INITIAL_COUNT, 4, 0);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
});

test('a change of the divider keeps the count', () => {
  const { clock, apics } = machine();
  const apic = apics[0];
  apic.mmioWrite(LVT_TIMER, 4, 0x40);
  apic.mmioWrite(DIVIDE, 4, 0xb);
  apic.mmioWrite(INITIAL_COUNT, 4, 1000);
  clock.runTo(400);
  apic.mmioWrite(DIVIDE, 4, 0);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 600);
  assert.is(clock.next, 1600);
});

test("TSC-deadline: fires when the guest's TSC gets there, then reads 0", () => {
  const { clock, apics, tsc } = machine();
  const apic = apics[0];
  clock.runTo(5000);
  // TSC = clock - 3000.
  tsc.lo = 0x1_0000_0000 - 3000;
  tsc.hi = 0xffff_ffff;
  apic.msrWrite(DEADLINE_MSR, 2500, 0);
  assert.is(msr(apic, DEADLINE_MSR), 0, 'ignored in one-shot mode');
  apic.mmioWrite(LVT_TIMER, 4, 0x40040);
  apic.mmioWrite(INITIAL_COUNT, 4, 100);
  assert.is(apic.mmioRead(CURRENT_COUNT, 4), 0);
  apic.msrWrite(DEADLINE_MSR, 2500, 0);
  assert.is(clock.next, 5500);
  assert.is(msr(apic, DEADLINE_MSR), 2500);
  clock.runTo(5500);
  assert.is(apic.ack(), 0x40);
  assert.is(msr(apic, DEADLINE_MSR), 0);
});

test('TSC-deadline: past, disarmed, far, moved and masked deadlines', () => {
  const { clock, apics, tsc } = machine();
  const apic = apics[0];
  clock.runTo(10_000);
  apic.mmioWrite(LVT_TIMER, 4, 0x40040);
  apic.msrWrite(DEADLINE_MSR, 1, 0);
  assert.is(clock.next, 10_000);
  apic.msrWrite(DEADLINE_MSR, 0, 0);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
  apic.msrWrite(DEADLINE_MSR, 0xffff_ffff, 0xffff_ffff);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
  apic.msrWrite(DEADLINE_MSR, 20_000, 0);
  tsc.lo = 4000;
  apic.tscChanged();
  assert.is(clock.next, 16_000);
  apic.mmioWrite(LVT_TIMER, 4, MASK | 0x40040);
  clock.runTo(17_000);
  assert.is(msr(apic, DEADLINE_MSR), 0);
  apic.mmioWrite(LVT_TIMER, 4, 0x40040);
  assert.is(clock.next, Number.POSITIVE_INFINITY);
  apic.msrWrite(DEADLINE_MSR, 30_000, 0);
  apic.mmioWrite(LVT_TIMER, 4, 0x40);
  assert.is(clock.next, Number.POSITIVE_INFINITY, 'a change of mode disarms');
});

test("LINT0 as ExtINT follows the controller's output; its acknowledge goes there", () => {
  let level = false;
  const { apics, heard } = machine(1, {
    extInt: () => {
      apics[0].lint(0).set(false);
      return 0x28;
    },
  });
  const apic = apics[0];
  const line = apic.lint(0);
  line.set((level = true));
  assert.is(apic.interrupt, false, 'masked');
  apic.virtualWire();
  assert.is(apic.interrupt, level);
  apic.accept(0x80, 0, 0);
  assert.is(apic.ack(), 0x28);
  assert.is(apic.ack(), 0x80);
  assert.equal(heard, ['intr:0:1', 'intr:0:0']);
});

test('LINT0 as a level interrupt asks again after its EOI while it lasts; LINT1 gives NMIs', () => {
  const { apics, heard } = machine();
  const apic = apics[0];
  apic.mmioWrite(LVT_LINT0, 4, 0x8045);
  apic.lint(0).set(true);
  assert.is(apic.mmioRead(LVT_LINT0, 4), 0xc045);
  assert.is(apic.ack(), 0x45);
  assert.is(apic.mmioRead(TMR + 0x20, 4), 0x20);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(apic.ack(), 0x45);
  apic.lint(0).set(false);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(apic.pending(), -1);
  apic.mmioWrite(LVT_LINT1, 4, 0x400);
  apic.lint(1).set(true);
  apic.lint(1).set(true);
  assert.is(heard.filter((event) => event === 'nmi:0').length, 1);
});

test('disabled by its base register the APIC is absent: LINT0 is INTR, LINT1 is NMI', () => {
  const { apics, heard, bus } = machine(1, { extInt: () => 0x20 });
  const apic = apics[0];
  assert.ok(apic.msrWrite(BASE_MSR, 0xfee0_0100, 0));
  heard.length = 0;
  assert.is(bus.deliver(0x4040, 0), 0);
  assert.is(apic.mmioRead(ID, 4), 0xffff_ffff);
  apic.lint(0).set(true);
  apic.lint(1).set(true);
  assert.equal(heard, ['intr:0:1', 'nmi:0']);
  assert.is(apic.ack(), 0x20);
});

test('a performance interrupt masks its own entry', () => {
  const { apics } = machine();
  apics[0].mmioWrite(LVT_PERFORMANCE, 4, 0x50);
  apics[0].performanceInterrupt();
  assert.is(apics[0].mmioRead(LVT_PERFORMANCE, 4), MASK | 0x50);
  assert.equal(taken(apics[0]), [0x50]);
});

test('IA32_APIC_BASE: legal and illegal changes of state, reserved bits', () => {
  const { apics } = machine();
  const apic = apics[0];
  const xapic = 0xfee0_0900;
  assert.not.ok(apic.msrWrite(BASE_MSR, 0xfee0_0500, 0), 'EXTD without EN');
  assert.not.ok(apic.msrWrite(BASE_MSR, xapic | 0x200, 0));
  assert.not.ok(apic.msrWrite(BASE_MSR, xapic | 1, 0));
  assert.not.ok(apic.msrWrite(BASE_MSR, xapic, 0x100), 'beyond the physical address');
  assert.ok(apic.msrWrite(BASE_MSR, xapic | 0x400, 0));
  assert.is(apic.mmioRead(ID, 4), 0xffff_ffff);
  assert.not.ok(apic.msrWrite(BASE_MSR, xapic, 0), 'x2APIC to xAPIC');
  assert.ok(apic.msrWrite(BASE_MSR, 0xfee0_0100, 0));
  assert.not.ok(apic.msrWrite(BASE_MSR, xapic | 0x400, 0), 'disabled to x2APIC');
  assert.ok(apic.msrWrite(BASE_MSR, 0xfec0_0900, 1));
  assert.is(msr(apic, BASE_MSR), 0xfec0_0900);
  assert.is(apic.hi, 1);
  assert.is(apic.mmioRead(SVR, 4), 0xff, 'what the APIC held is gone');
});

test('x2APIC MSRs: absent, read-only, write-only and reserved accesses fault', () => {
  const { apics } = machine(1, { ids: [0x25] });
  const apic = apics[0];
  assert.not.ok(apic.msrRead(0x802), 'xAPIC mode');
  x2apic(apic);
  assert.is(msr(apic, 0x802), 0x25);
  assert.is(msr(apic, 0x80d), 0x0002_0020);
  for (const absent of [0x800, 0x801, 0x809, 0x80c, 0x80e, 0x831, 0x83a, 0x840, 0x8ff]) {
    assert.not.ok(apic.msrRead(absent), absent.toString(16));
    assert.not.ok(apic.msrWrite(absent, 0, 0), absent.toString(16));
  }
  for (const readOnly of [0x802, 0x803, 0x80a, 0x80d, 0x810, 0x827, 0x839])
    assert.not.ok(apic.msrWrite(readOnly, 0, 0), readOnly.toString(16));
  for (const writeOnly of [0x80b, 0x83f]) assert.not.ok(apic.msrRead(writeOnly));
  for (const [index, reserved] of [
    [0x808, 0x100],
    [0x80b, 1],
    [0x80f, 0x400],
    [0x828, 1],
    [0x830, 0x1000],
    [0x832, 0x80000],
    [0x835, 0x20000],
    [0x83e, 4],
    [0x83f, 0x100],
  ]) {
    assert.not.ok(apic.msrWrite(index, reserved, 0), index.toString(16));
    if (index !== 0x830) assert.not.ok(apic.msrWrite(index, 0, 1), index.toString(16));
  }
  assert.ok(apic.msrWrite(0x808, 0x40, 0));
  assert.is(apic.cr8, 4);
  assert.ok(apic.msrWrite(0x83f, 0x77, 0));
  assert.equal(taken(apic), [0x77]);
});

test('interprocessor interrupts: physical, broadcast and shorthands', () => {
  const { apics } = machine(3);
  const send = (low: number, destination: number): number[][] => {
    apics[0].mmioWrite(ICR_HIGH, 4, destination * 0x1000000);
    apics[0].mmioWrite(ICR, 4, low);
    return apics.map(taken);
  };
  assert.equal(send(0x4041, 1), [[], [0x41], []]);
  assert.equal(send(0x4042, 0xff), [[0x42], [0x42], [0x42]]);
  assert.equal(send(0x44043, 2), [[0x43], [], []]);
  assert.equal(send(0x84044, 0), [[0x44], [0x44], [0x44]]);
  assert.equal(send(0xc4045, 0), [[], [0x45], [0x45]]);
  assert.is(apics[0].mmioRead(ICR, 4), 0xc4045);
});

test('logical destinations: flat, cluster and x2APIC cluster', () => {
  const { apics, bus } = machine(3, { ids: [0, 1, 0x12] });
  for (const [i, apic] of apics.entries()) apic.mmioWrite(LDR, 4, (1 << i) * 0x1000000);
  const deliver = (destination: number, wide = false): number[][] => {
    bus.deliver(0x4850, destination, wide);
    return apics.map(taken);
  };
  assert.equal(deliver(0x05), [[0x50], [], [0x50]]);
  apics.forEach((apic, i) => {
    apic.mmioWrite(DFR, 4, 0);
    apic.mmioWrite(LDR, 4, [0x11, 0x12, 0x21][i] * 0x1000000);
  });
  assert.equal(deliver(0x13), [[0x50], [0x50], []]);
  assert.equal(deliver(0x2f), [[], [], [0x50]]);
  assert.equal(deliver(0xf1), [[0x50], [], [0x50]]);
  for (const apic of apics) x2apic(apic);
  assert.equal(deliver(0x0003, true), [[0x50], [0x50], []]);
  assert.equal(deliver(0x0001_0004, true), [[], [], [0x50]]);
  assert.equal(deliver(0xffff_ffff, true), [[0x50], [0x50], [0x50]]);
  assert.equal(deliver(0xff), [[0x50], [0x50], [0x50]]);
});

test('x2APIC sends to 32-bit destinations', () => {
  const { apics } = machine(2, { ids: [0, 0x1234] });
  x2apic(apics[0]);
  x2apic(apics[1]);
  assert.ok(apics[0].msrWrite(0x830, 0x4066, 0x1234));
  assert.is(msr(apics[0], 0x830), 0x4066);
  assert.is(apics[0].hi, 0x1234);
  assert.equal(apics.map(taken), [[], [0x66]]);
});

test('lowest priority goes to the least busy, the first among equals, never to a disabled APIC', () => {
  const { apics, bus } = machine(3);
  const deliver = (): number[][] => {
    bus.deliver(0x4160, 0xff);
    return apics.map(taken);
  };
  assert.equal(deliver(), [[0x60], [], []]);
  apics[0].mmioWrite(TPR, 4, 0x20);
  assert.equal(deliver(), [[], [0x60], []]);
  apics[1].mmioWrite(SVR, 4, 0xff);
  assert.equal(deliver(), [[], [], [0x60]]);
});

test('NMI, SMI, INIT and SIPI reach the vCPU; INIT resets the APIC, its de-assertion does nothing', () => {
  const { apics, heard } = machine(2);
  apics[1].mmioWrite(LVT_TIMER, 4, 0x40);
  apics[0].mmioWrite(ICR_HIGH, 4, 0x0100_0000);
  for (const low of [0x4400, 0x4200, 0xc500, 0x8500, 0x4699]) apics[0].mmioWrite(ICR, 4, low);
  assert.equal(
    heard.filter((event) => !event.startsWith('tpr')),
    ['nmi:1', 'smi:1', 'init:1', 'sipi:1:153'],
  );
  assert.is(apics[1].mmioRead(SVR, 4), 0xff);
  assert.is(apics[1].mmioRead(LVT_TIMER, 4), MASK);
});

test('message signalled interrupts: destination, logical, redirection, foreign addresses', () => {
  const { apics, bus } = machine(3);
  for (const [i, apic] of apics.entries()) apic.mmioWrite(LDR, 4, (1 << i) * 0x1000000);
  const msi = (address: number, data: number): number[][] => {
    bus.msi(address, data);
    return apics.map(taken);
  };
  assert.equal(msi(0xfee0_1000, 0x0031), [[], [0x31], []]);
  assert.equal(msi(0xfee0_6004, 0x0032), [[], [0x32], [0x32]]);
  assert.equal(msi(0xfee0_600c, 0x0033), [[], [0x33], []]);
  assert.equal(msi(0xfee0_2000, 0xc034), [[], [], [0x34]]);
  assert.equal(msi(0xfee0_2000, 0x8034), [[], [], []], 'a level going down');
  assert.equal(msi(0xfed0_2000, 0x0035), [[], [], []]);
});

test('the EOI of a level interrupt reaches the IOAPIC unless suppressed', () => {
  const { apics, bus } = machine();
  const apic = apics[0];
  const ioapic = new Ioapic({ bus });
  bus.addIoapic(ioapic);
  ioapic.mmioWrite(0, 4, 0x10 + 2 * 9);
  ioapic.mmioWrite(0x10, 4, 0x8051);
  const line = ioapic.line(9);
  line.set(true);
  assert.is(apic.ack(), 0x51);
  assert.is(apic.mmioRead(TMR + 0x20, 4), 1 << 17);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(apic.ack(), 0x51, 'still asserted');
  line.set(false);
  apic.mmioWrite(SVR, 4, 0x11ff);
  apic.mmioWrite(EOI, 4, 0);
  assert.is(ioapic.mmioRead(0x10, 4), 0xc051, 'waits for its directed EOI');
  ioapic.mmioWrite(0x40, 4, 0x51);
  assert.is(ioapic.mmioRead(0x10, 4), 0x8051);
});

test('the trace hears accesses, acceptance, EOI and IPIs', () => {
  const heard: unknown[] = [];
  const trace: LapicTrace = {
    apicRead: (...args) => heard.push(['read', ...args]),
    apicWrite: (...args) => heard.push(['write', ...args]),
    apicAcceptIrq: (...args) => heard.push(['accept', ...args]),
    eoi: (...args) => heard.push(['eoi', ...args]),
    apicIpi: (...args) => heard.push(['ipi', ...args]),
  };
  const { apics } = machine(1, { trace });
  heard.length = 0;
  apics[0].mmioWrite(ICR, 4, 0x44041);
  apics[0].ack();
  apics[0].mmioWrite(EOI, 4, 0);
  apics[0].mmioRead(TPR, 4);
  assert.equal(heard, [
    ['write', ICR, 0x44041],
    ['ipi', 0x44041, 0],
    ['accept', 0, 0, 0, 0x41],
    ['write', EOI, 0],
    ['eoi', 0, 0x41],
    ['read', TPR, 0],
  ]);
});

test('narrow and misplaced accesses', () => {
  const { apics } = machine();
  assert.is(apics[0].mmioRead(VERSION, 1), 0x15);
  assert.is(apics[0].mmioRead(VERSION + 2, 2), 0x0106);
  assert.is(apics[0].mmioRead(VERSION + 4, 4), 0);
  apics[0].mmioWrite(TPR, 1, 0x40);
  apics[0].mmioWrite(TPR + 4, 4, 0x40);
  assert.is(apics[0].mmioRead(TPR, 4), 0);
});

test('a restored APIC goes on as the saved one', () => {
  const one = machine();
  const apic = one.apics[0];
  apic.mmioWrite(DIVIDE, 4, 1);
  apic.mmioWrite(LVT_TIMER, 4, 0x20040);
  apic.mmioWrite(INITIAL_COUNT, 4, 1000);
  apic.mmioWrite(TPR, 4, 0x20);
  apic.accept(0xef, 1, 0);
  apic.ack();
  apic.accept(0x51, 0, 0);
  one.clock.runTo(123_457);
  const state = JSON.parse(JSON.stringify(apic.save()));
  const other = machine();
  other.clock.runTo(123_457);
  other.apics[0].restore(state);
  assert.equal(other.apics[0].save(), apic.save());
  for (const { clock, apics } of [one, other]) {
    clock.run(10_000);
    apics[0].mmioWrite(EOI, 4, 0);
  }
  assert.equal(other.apics[0].save(), apic.save());
  assert.equal(taken(other.apics[0]), taken(apic));
  const before = apic.save();
  assert.throws(
    () => apic.restore({ ...state, timer: [{}] }),
    (error: unknown) => error instanceof StateError,
  );
  assert.equal(apic.save(), before);
});

test('a timer frequency that cannot be exact is refused', () => {
  assert.throws(
    () => machine(1, { timerHz: 999_999_937 }),
    (error: unknown) => error instanceof RangeError,
  );
});

test.run();
