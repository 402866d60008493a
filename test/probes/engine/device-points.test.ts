/** The points in devices, fired by guest code, as a program sees them: all ten arguments of each firing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UNSIGNED_LONG } from '../../../probes/d/ctype.ts';
import { listen } from '../../../probes/points.ts';
import { builtin, clause, program, trace } from '../d/codegen/nodes.ts';
import { Guest, HANDLERS, le } from '../../vmm/guest.ts';
import { probe, Traced } from './traced.ts';

const test = suite('device points');

test.after.each(() => {
  listen(null);
});

const LAPIC = 0xfee0_0000;
const IOAPIC = 0xfec0_0000;
const POINTS = [
  'pic-set-irq',
  'ioapic-set-irq',
  'msi-set-irq',
  'ack-irq',
  'eoi',
  'apic-read',
  'apic-write',
  'apic-ipi',
  'apic-accept-irq',
  'inj-virq',
];
const everyArgument = Array.from({ length: 10 }, (_, i) => trace(builtin(`arg${i}`, UNSIGNED_LONG)));

/** `mov [address], value`. */
const store = (address: number, value: number): string => `c7 05 ${le(address, 4)} ${le(value, 4)}`;
const out = (port: number, value: number): string => `b0 ${le(value, 1)} e6 ${le(port, 1)}`;

/** Runs a 32-bit guest; what fired, without the arguments behind the last that is not 0. */
function fired(
  code: string,
  { handler = 'f4', vector = 0x41, act }: { handler?: string; vector?: number; act?: (g: Guest) => void } = {},
): string[] {
  const g = new Guest({ code, mode: 'prot32', unclaimed: 'float', rflags: 0x202 });
  g.vm.createIrqchip();
  g.put(HANDLERS + 16 * vector, handler);
  g.touchAll();
  if (act !== undefined) g.vm.clock.deadline('act', () => act(g)).arm(40);
  const p = new Traced(g.vm).enable(
    program([
      clause(
        POINTS.map((name) => probe(`kvm-${name}`)),
        everyArgument,
      ),
    ]),
  );
  g.run(10_000);
  return p.records().map(({ name, data }) => {
    const last = data.findLastIndex((value) => value !== 0n);
    return [name.slice('kvm-'.length), ...data.slice(0, last + 1).map((value) => value.toString(16))].join(' ');
  });
}

const nops = '90'.repeat(100);
const END_AND_HALT = `${store(LAPIC + 0xb0, 0)} f4`;

test('an interprocessor interrupt: written, sent, accepted, injected, ended', () => {
  const seen = fired(`${store(LAPIC + 0xf0, 0x1ff)} ${store(LAPIC + 0x310, 0)} ${store(LAPIC + 0x300, 0x44041)} ${nops} f4`, {
    handler: END_AND_HALT,
  });
  assert.equal(seen, [
    'apic-write f0 1ff',
    'apic-write 310',
    'apic-write 300 44041',
    'apic-ipi 44041',
    'apic-accept-irq 0 0 0 41',
    'inj-virq 41',
    'apic-write b0',
    'eoi 0 41',
  ]);
});

test('a destination is that of ICR2; a register is read with its value', () => {
  const seen = fired(`${store(LAPIC + 0x310, 0x0500_0000)} ${store(LAPIC + 0x300, 0x4051)} a1 ${le(LAPIC + 0x310, 4)} f4`);
  assert.equal(seen, ['apic-write 310 5000000', 'apic-write 300 4051', 'apic-ipi 4051 5', 'apic-read 310 5000000']);
});

test("the IOAPIC's level interrupt: line, entry, acceptance, EOI, acknowledgement", () => {
  const setUp = `${store(LAPIC + 0xf0, 0x1ff)} ${store(IOAPIC, 0x10 + 2 * 20 + 1)} ${store(IOAPIC + 0x10, 0)} ${store(IOAPIC, 0x10 + 2 * 20)} ${store(IOAPIC + 0x10, 0x8041)}`;
  const seen = fired(`${setUp} ${nops} f4`, {
    handler: END_AND_HALT,
    act: (g) => {
      g.vm.irqLine(20, true);
      g.vm.irqLine(20, false);
    },
  });
  assert.equal(seen, [
    'apic-write f0 1ff',
    'apic-accept-irq 0 0 1 41',
    // The entry as it was, then as it waits for the EOI.
    'ioapic-set-irq 8041 14',
    'ioapic-set-irq c041 14',
    'inj-virq 41',
    'apic-write b0',
    'eoi 0 41',
    'ack-irq 2 14',
  ]);
});

test('a redirection entry has 64 bits, the destination in the highest', () => {
  const entry = `${store(IOAPIC, 0x10 + 2 * 21 + 1)} ${store(IOAPIC + 0x10, 0xff00_0000 | 0)} f4`;
  const seen = fired(`${entry.slice(0, -2)} 90 ${nops} f4`, { act: (g) => g.vm.irqLine(21, true) });
  assert.match(seen.join(), /^ioapic-set-irq ff00000000010000 15( 1)?$/);
});

test('the 8259: line with ELCR and mask, a request that merges with the one before, acknowledgement by EOI', () => {
  const init = [out(0x20, 0x11), out(0x21, 0x40), out(0x21, 4), out(0x21, 1), out(0x21, 0xdf)].join('');
  const setUp = `ba ${le(0x4d0, 4)} b0 20 ee ${store(LAPIC + 0xf0, 0x1ff)} ${store(LAPIC + 0x350, 0x700)} ${init}`;
  const seen = fired(`${setUp} ${nops} f4`, {
    vector: 0x45,
    handler: `${out(0x20, 0x20)} f4`,
    act: (g) => {
      for (const level of [true, true]) g.vm.irqchip?.pic.line(5).set(level);
      g.vm.clock.deadline('off', () => g.vm.irqchip?.pic.line(5).set(false)).arm(g.now + 1);
    },
  });
  assert.equal(seen.slice(2), ['pic-set-irq 0 5 20 df', 'pic-set-irq 0 5 20 df 1', 'inj-virq 45', 'pic-set-irq 0 5 20 df', 'ack-irq 0 5']);
});

test('a message-signalled interrupt: address and data', () => {
  const seen = fired(`${store(LAPIC + 0xf0, 0x1ff)} ${nops} f4`, { act: (g) => void g.vm.signalMsi(0xfee0_0000, 0x41) });
  assert.equal(seen, ['apic-write f0 1ff', 'msi-set-irq fee00000 41', 'apic-accept-irq 0 0 0 41', 'inj-virq 41']);
});

test.run();
