/**
 * The probe points of the core: each fires where illumos KVM fires it, with its arguments and in its order around an exit, and none of it
 * changes anything that the guest can see.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { D_BASE_HIGH } from '../../probes/arena.ts';
import { listen } from '../../probes/points.ts';
import { offsetOf } from '../../vmm/cpu/layout.ts';
import { GATE_MODULE } from '../../vmm/cpu/probe-gate.ts';
import { EXIT_REASON, type ExitCosts, NO_EXIT_COSTS, parseIntercepts } from '../../vmm/index.ts';
import { I32 } from '../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../vmm/wasm/module.ts';
import { CODE, FREE, Guest, type GuestOptions, le } from './guest.ts';
import { type Fired, record } from './probe-recorder.ts';

const R = EXIT_REASON;
const IF = 0x200;
const VECTOR = 0x40;
const costs = (reasons: Record<number, number>): ExitCosts => ({ ...NO_EXIT_COSTS, reasons });
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;

const ENTRY = ['guest-entry', 'vm-entry', 'vrun'];
const EXIT = ['guest-exit', 'vexit'];

test.after.each(() => {
  listen(null);
});

/** A guest whose pages have been touched, run to its end. */
function fired(options: GuestOptions & { probes?: string[]; setUp?: (g: Guest) => void }): { g: Guest; seen: Fired[] } {
  const g = new Guest(options);
  g.touchAll();
  options.setUp?.(g);
  const seen = record(g.vm, options.probes);
  g.run(10_000);
  return { g, seen };
}

const names = (seen: readonly Fired[]): string[] => seen.map((f) => f.name);
const only = (seen: readonly Fired[], name: string): string[] => seen.filter((f) => f.name === name).map((f) => f.args.join(' '));

test('the gate is the module that the emitter makes', () => {
  const m = new ModuleBuilder();
  const type = m.type([I32, I32], []);
  m.table({ initial: 1 });
  const nobody = m.func(type, () => {});
  const probe = m.func(type, (a) => {
    a.get(0);
    a.get(1);
    a.i32(0);
    a.returnCallIndirect(type);
  });
  m.export('probe', 'func', probe);
  m.export('table', 'table');
  m.elements(0, [nobody]);
  assert.equal([...m.finish()], [...GATE_MODULE]);
});

test('around one exit: the entry, the guest, the exit, then what the handler does', () => {
  const { seen } = fired({ code: '90 0f a2 90 f4', costs: costs({ [R.CPUID]: 1000 }) });
  assert.equal(names(seen), [...ENTRY, ...EXIT, 'cpuid', ...ENTRY, ...EXIT]);
  const at = Object.fromEntries(seen.map((f, i) => [`${i}`, f.at]));
  // A NOP of guest time; the exit's cost and the emulated instruction's own nanosecond; a NOP.
  assert.equal([at[0], at[2], at[3], at[4], at[5], at[6], at[8], at[9]], [0, 0, 1, 1, 1, 1002, 1002, 1003]);
});

test('entry and exit tell the vCPU, the instruction and the reason', () => {
  const { g, seen } = fired({ code: '90 0f a2 f4' });
  const vcpu = (BigInt(D_BASE_HIGH) << 32n) | BigInt(g.vcpu.base);
  assert.equal(
    seen.filter((f) => f.name !== 'cpuid').map((f) => f.args.map(Number)),
    [[Number(vcpu)], [0], [CODE], [Number(vcpu)], [CODE + 1, R.CPUID], [Number(vcpu)], [0], [CODE + 3], [Number(vcpu)], [CODE + 3, R.HLT]],
  );
});

test("args[0]->vcpu_id stands at a fixed place of the vCPU's state", () => {
  assert.is(offsetOf('VCPU_ID'), 232);
  const g = new Guest({});
  const second = g.vm.createVcpu(1);
  assert.equal([g.vcpu.state.number('VCPU_ID'), second.state.number('VCPU_ID')], [0, 1]);
});

test('an exit that takes the run out is over when its answer has come', () => {
  const g = new Guest({ code: 'e4 60 90 f4' });
  g.touchAll();
  const seen = record(g.vm);
  assert.is(g.run().reason, 'io');
  assert.equal(names(seen.splice(0)), [...ENTRY, ...EXIT]);
  g.vcpu.exit.data = 0x5a;
  assert.is(g.run().reason, 'hlt');
  assert.equal(names(seen), ['pio', ...ENTRY, ...EXIT]);
  assert.equal(only(seen, 'pio'), ['0 96 1 1 90']);
});

test('kvm-pio has direction, port, size, count and value', () => {
  const unclaimed = 'float';
  const pio = (code: string): string[] => only(fired({ code: `${code} f4`, unclaimed }).seen, 'pio');
  assert.equal(pio(`${mov(0, 0x12345678)} e6 80`), ['1 128 1 1 120']);
  assert.equal(pio(`${mov(0, 0x12345678)} ${mov(2, 0x3f8)} ef`), ['1 1016 4 1 305419896']);
  assert.equal(pio('66 e5 70'), ['0 112 2 1 65535']);
  // Strings: the elements that start in the page, the value of the first.
  const string = (count: number, offset: number, op: string): string =>
    `${mov(1, count)} ${mov(2, 0x3f8)} ${mov(7, FREE + offset)} ${mov(6, FREE + offset)} ${op}`;
  assert.equal(pio(string(3, 0, 'f3 6c')), ['0 1016 1 3 255']);
  assert.equal(pio(string(5, 0xffe, 'f3 6e')), ['1 1016 1 2 0', '1 1016 1 3 0']);
  assert.equal(pio(string(3, 6, `fd f3 6f`)), ['1 1016 4 2 0', '1 1016 4 1 0']);
});

test('kvm-mmio has bytes, address and value; a read that leaves the irqchip is first unsatisfied', () => {
  const at = 0xfe00_0000;
  const g = (code: string): Fired[] => fired({ code: `${mov(3, at)} ${code} f4`, mode: 'prot32', unclaimed: 'float' }).seen;
  const read = g('8b 03');
  assert.equal(names(read), [...ENTRY, ...EXIT, 'mmio-read-unsatisfied', 'mmio-read', ...ENTRY, ...EXIT]);
  assert.equal(only(read, 'mmio-read-unsatisfied'), [`4 ${at}`]);
  assert.equal(only(read, 'mmio-read'), [`4 ${at} ${0xffff_ffff}`]);
  assert.equal(only(g('66 c7 43 02 34 12'), 'mmio-write'), [`2 ${at + 2} ${0x1234}`]);
});

test('a register of the local APIC is read and written through kvm-mmio and kvm-apic', () => {
  const setUp = (g: Guest): void => void g.vm.createIrqchip();
  const { seen } = fired({ code: `${mov(3, 0xfee0_0080)} 8b 03 c7 03 20 00 00 00 f4`, mode: 'prot32', setUp });
  const between = names(seen).slice(ENTRY.length + EXIT.length, -EXIT.length);
  assert.equal(between, ['apic-read', 'mmio-read', ...ENTRY, ...EXIT, 'mmio-write', 'apic-write', ...ENTRY]);
  assert.equal(only(seen, 'apic-write'), ['128 32']);
  assert.equal(
    seen.filter((f) => f.name === 'vexit').map((f) => Number(f.args[1])),
    [R.APIC_ACCESS, R.APIC_ACCESS, R.HLT],
  );
});

test('kvm-page-fault tells the guest physical address and the qualification, each time a page is met', () => {
  const g = new Guest({ code: `${mov(3, FREE)} 88 03 f4` });
  g.touchAll();
  new Uint8Array(g.vm.memory.buffer)[0x50_0000 + FREE / 4096] = 0;
  const seen = record(g.vm);
  g.run();
  assert.equal(names(seen), [...ENTRY, ...EXIT, 'page-fault', ...ENTRY, ...EXIT]);
  assert.equal(only(seen, 'page-fault'), [`${FREE} ${0x182}`]);
});

test('kvm-cr has register and operation, kvm-cr-read and kvm-cr-write the value', () => {
  const intercepts = parseIntercepts('cr3');
  const { g, seen } = fired({ code: '0f 20 db 0f 22 db 0f 20 c0 35 00 00 01 00 0f 22 c0 f4', intercepts });
  const cr3 = g.vcpu.getSregs().cr3;
  assert.equal(only(seen, 'cr'), ['3 3 1', '3 3 0', '0 0 0']);
  assert.equal(only(seen, 'cr-read'), [`3 ${cr3}`]);
  assert.equal(only(seen, 'cr-write'), [`3 ${cr3}`, `0 ${g.vcpu.getSregs().cr0}`]);
});

test('MSRs: read, written, refused; those that KVM passes through do not fire', () => {
  const msr = (index: number, op: string): string => `${mov(1, index)} ${op}`;
  const { seen } = fired({
    code: `${msr(0x277, '0f 32')} ${msr(0x277, '0f 30')} ${msr(0xc000_0100, '0f 32')} ${msr(0x1234, '0f 32')}`,
  });
  assert.equal(only(seen, 'msr-read'), [`631 ${0x0007040600070406n}`]);
  assert.equal(only(seen, 'msr-write'), [`631 ${0x0007040600070406n}`]);
  assert.equal(only(seen, 'msr-read-ex'), [`${0x1234}`]);
  // The monitor injects the #GP.
  assert.equal(names(seen).slice(-9), [...EXIT, 'msr-read-ex', 'inj-exception', ...ENTRY, ...EXIT]);
  assert.equal(only(seen, 'inj-exception'), ['13 1 0']);
  const write = fired({ code: `${mov(0, 0xff)} ${mov(2, 0)} ${msr(0x277, '0f 30')}`, probes: ['kvm-msr-write-ex'] }).seen;
  assert.equal(only(write, 'msr-write-ex'), ['631 255']);
});

test('an exception of the guest that no one intercepts is no injection; one that is handed on is', () => {
  const plain = fired({ code: '0f 0b' }).seen;
  assert.equal(names(plain), [...ENTRY, ...EXIT]);
  const { seen } = fired({ code: '0f 0b', intercepts: parseIntercepts('ud') });
  assert.equal(names(seen), [...ENTRY, ...EXIT, 'inj-exception', ...ENTRY, ...EXIT]);
  assert.equal(only(seen, 'inj-exception'), ['6 0 0']);
  const pf = fired({ code: `${mov(3, 0x40_0000)} 8a 9b 00 00 00 c0`, mode: 'paged32', intercepts: parseIntercepts('pf,bp') }).seen;
  assert.equal(only(pf, 'page-fault'), [`${0xc040_0000} 0`]);
  assert.equal(only(pf, 'inj-exception'), ['14 1 0']);
  const bp = fired({ code: 'cc', intercepts: parseIntercepts('bp') }).seen;
  assert.equal(names(bp), [...ENTRY, ...EXIT, 'inj-exception', ...ENTRY, ...EXIT]);
});

test('kvm-hypercall and kvm-cpuid have their registers', () => {
  const { g, seen } = fired({ code: `${mov(0, 5)} ${mov(3, 1)} ${mov(1, 2)} ${mov(2, 3)} ${mov(6, 4)} 0f 01 c1 31 c0 31 c9 0f a2 f4` });
  assert.equal(only(seen, 'hypercall'), ['5 1 2 3 4']);
  assert.equal(only(seen, 'cpuid'), [[0, 0, ...[0, 3, 1, 2].map((n) => g.reg(n))].join(' ')]);
});

test('an interrupt is injected before the entry, which still tells where the guest was', () => {
  const g = new Guest({ code: '90'.repeat(200), rflags: IF | 2, costs: costs({ [R.EXTERNAL_INTERRUPT]: 500 }) });
  g.vm.createIrqchip();
  g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  g.vcpu.setMsr(0x80f, 0x1ffn);
  g.touchAll();
  g.vm.clock.deadline('interrupt', () => void g.vm.signalMsi(0xfee0_0000, VECTOR)).arm(100);
  const seen = record(g.vm);
  g.run(1000);
  assert.equal(names(seen), [
    ...ENTRY,
    ...EXIT,
    'msi-set-irq',
    'apic-accept-irq',
    'inj-virq',
    ...ENTRY,
    // The handler halts.
    ...EXIT,
  ]);
  assert.equal(only(seen, 'inj-virq'), [`${VECTOR}`]);
  assert.equal(only(seen, 'vexit'), [`${CODE + 100} ${R.EXTERNAL_INTERRUPT}`, `${0x4000 + 16 * VECTOR} ${R.HLT}`]);
  assert.equal(only(seen, 'vrun'), [`${CODE}`, `${CODE + 100}`]);
  assert.equal(
    seen.filter((f) => f.name === 'guest-exit' || f.name === 'guest-entry').map((f) => f.at),
    [0, 100, 600, 600],
  );
});

test('a halted guest is entered when it wakes, after the idle time', () => {
  const g = new Guest({ code: 'fb f4 90 f4', costs: costs({ [R.HLT]: 10 }) });
  g.vm.createIrqchip();
  g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  g.vcpu.setMsr(0x80f, 0x1ffn);
  g.touchAll();
  g.vm.clock.deadline('interrupt', () => void g.vm.signalMsi(0xfee0_0000, VECTOR)).arm(5000);
  const seen = record(g.vm, ['kvm-guest-entry', 'kvm-guest-exit', 'kvm-inj-virq']);
  g.run(1000);
  assert.equal(
    seen.map((f) => [f.name, f.at]),
    [
      ['guest-entry', 0],
      ['guest-exit', 1],
      ['inj-virq', 5000],
      ['guest-entry', 5000],
      ['guest-exit', 5000],
    ],
  );
});

test('a triple fault exits and is not entered again', () => {
  const { seen } = fired({ code: '0f 0b', setUp: (g) => g.vcpu.setSregs({ idtr: { base: 0n, limit: 0 } }) });
  assert.equal(names(seen), [...ENTRY, ...EXIT]);
  assert.is(Number(seen.at(-1)?.args[1]), R.TRIPLE_FAULT);
});

test('entries and exits take turns, whatever the guest does', () => {
  // String output from fresh pages, page walks, MMIO, ports, faults: every exit is followed by one entry.
  const g = new Guest({
    mode: 'pae',
    unclaimed: 'float',
    code: `${mov(1, 3000)} ${mov(2, 0x3f8)} ${mov(6, FREE)} f3 6e ${mov(7, FREE + 0x8800)} ${mov(1, 0x300)} f3 a5
      ${mov(6, 0xfee0_0000 - 2)} ad 0f a2 e4 60 0f 0b`,
  });
  const seen = record(g.vm, ['kvm-guest-entry', 'kvm-guest-exit']);
  g.run(100_000);
  assert.ok(seen.length > 20, String(seen.length));
  seen.forEach((f, i) => {
    assert.is(f.name, i % 2 === 0 ? 'guest-entry' : 'guest-exit');
  });
  assert.is(seen.length / 2, g.vcpu.state.number('KS_EXITS'));
});

test('tracing everything changes nothing: exits, hash, registers, clock', () => {
  const make = (): Guest => {
    const g = new Guest({
      unclaimed: 'float',
      rflags: IF | 2,
      costs: costs({ [R.CPUID]: 777, [R.IO_INSTRUCTION]: 1234, [R.EXTERNAL_INTERRUPT]: 99 }),
      code: `${mov(1, 200)} 51 0f a2 59 e6 80 b8 0c 00 00 00 ${mov(2, 0x3f8)} ${mov(6, FREE)} 51 ${mov(1, 70)} f3 6e 59 e2 e0 f4`,
    });
    g.vm.createIrqchip();
    g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
    g.vcpu.setMsr(0x80f, 0x1ffn);
    return g;
  };
  const state = (g: Guest): unknown => [
    g.hash,
    g.now,
    g.vcpu.instructions,
    g.vcpu.getRegs(),
    g.exits(),
    g.vcpu.state.get('EXIT_TIME', R.CPUID),
  ];
  const plain = make();
  plain.run(20_000);
  const traced = make();
  const seen = record(traced.vm);
  traced.run(20_000);
  assert.ok(seen.length > 1000);
  assert.equal(state(traced), state(plain));
});

test.run();
