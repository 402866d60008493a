import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deathReport } from '../../vmm/death-report.ts';
import type { Outside } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { builtinGuest, CODE, machineWith, multiboot } from './guests.ts';

/** mov dx, port; mov al, value; out dx, al */
const out = (port: number, value: number): number[] => [0x66, 0xba, port & 0xff, port >> 8, 0xb0, value, 0xee];
/** mov dx, 604h; mov ax, 3400h; out dx, ax: S5 in PM1a control. */
const POWER_OFF = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef];
const HLT = 0xf4;
const LOOP = [0xeb, 0xfe];

test('a guest powers off by ACPI S5', () => {
  const { machine } = machineWith(multiboot([...POWER_OFF, HLT]));
  assert.equal(machine.run({ insns: 100_000_000 }), { kind: 'power-off' });
});

test('the debug-exit port ends the run with the value', () => {
  const { machine } = machineWith(multiboot([...out(0xf4, 3), HLT]), { debugExit: 0xf4 });
  assert.equal(machine.run({ insns: 100_000_000 }), { kind: 'debug-exit', value: 3 });
});

test('COM1 sends whole bytes to guests that do not program its line, after a reset too', () => {
  // out 3f8h, 'h'; inc dword [200000h]; cmp dword [200000h], 2; je +7; reset by CF9h; hlt; power off
  const code = [0xff, 0x05, 0, 0, 0x20, 0, 0x83, 0x3d, 0, 0, 0x20, 0, 2, 0x74, 8, ...out(0xcf9, 6), HLT, ...POWER_OFF, HLT];
  const { machine, console } = machineWith(multiboot([...out(0x3f8, 0x68), ...code]));
  assert.equal(machine.run({ insns: 100_000_000 }), { kind: 'power-off' });
  assert.is(console(), 'hh');
});

test('a triple fault is a death with registers, disassembly and last exits', async () => {
  // ud2 without an IDT
  const { machine } = machineWith(multiboot([...out(0x80, 1), 0x0f, 0x0b]));
  const outcome = machine.run({ insns: 100_000_000 });
  assert.equal(outcome, { kind: 'died', why: 'triple fault' });
  const report = await deathReport(machine.vm, machine.vcpu, 'triple fault');
  assert.match(report, /^the guest died: triple fault\n/);
  assert.match(report, /rip 0000000000100013 /);
  assert.match(report, /-> 00100013 {2}0f0b +ud2\n/);
  assert.match(report, /IO_INSTRUCTION +rip 0000000000100012 {2}qualification 800000\n/);
  assert.match(report, /TRIPLE_FAULT/);
});

test('a guest that halts for ever with interrupts off is dead', () => {
  const { machine } = machineWith(multiboot([0xfa, HLT]));
  assert.equal(machine.run({ insns: 100_000_000 }), { kind: 'died', why: 'halted with interrupts disabled' });
});

test('a guest that halts with nothing to wake it is dead, unless someone may type', () => {
  const kernel = multiboot([0xfb, HLT, ...LOOP]);
  assert.match(JSON.stringify(machineWith(kernel).machine.run({ insns: 100_000_000 })), /no timer armed and no input attached/);
  let asked = 0;
  const outside: Outside = { attached: true, look: () => false, idle: () => (++asked === 3 ? -1 : 0) };
  assert.equal(machineWith(kernel).machine.run({ insns: 5_000_000 }, outside), { kind: 'interrupted' });
  assert.is(asked, 3);
});

test('a jump to where no RAM is ends in a death that says so', () => {
  // mov eax, 0xe0000000; jmp eax
  const { machine } = machineWith(multiboot([0xb8, 0, 0, 0, 0xe0, 0xff, 0xe0]));
  const outcome = machine.run({ insns: 100_000_000 });
  assert.equal(outcome, { kind: 'died', why: 'instruction fetch from an address that is not RAM' });
});

test('the instruction limit is exact', () => {
  const { machine } = machineWith(multiboot(LOOP));
  for (const insns of [1, 2, 777, 123_456]) {
    assert.equal(machine.run({ insns }), { kind: 'limit', which: 'insns' });
    assert.is(machine.vcpu.instructions, insns);
  }
});

test('the time limit ends a busy guest and one that waits', () => {
  const busy = machineWith(multiboot(LOOP)).machine;
  assert.equal(busy.run({ timeNs: 2_000_000 }), { kind: 'limit', which: 'time' });
  assert.is(busy.vm.clock.now(), 2_000_000);
  // The PIT every 54.9 ms, masked at the 8259s: the guest never wakes.
  const idle = machineWith(multiboot([...out(0x43, 0x34), ...out(0x40, 0), ...out(0x40, 0), 0xfb, HLT, ...LOOP])).machine;
  assert.equal(idle.run({ timeNs: 3_000_000_000 }), { kind: 'limit', which: 'time' });
  assert.is(idle.vm.clock.now(), 3_000_000_000);
});

test('the outside ends a run at a slice', () => {
  const { machine } = machineWith(multiboot(LOOP));
  let looks = 0;
  const outcome = machine.run({}, { attached: false, look: () => ++looks === 3, idle: (until) => until });
  assert.equal(outcome, { kind: 'interrupted' });
  assert.is(machine.vcpu.instructions, 300_000);
});

test('a reset loads the guest again; memory, time and counters go on', () => {
  // inc dword [200000h]; cmp dword [200000h], 3; je +7; reset by CF9h; hlt; power off
  const code = [0xff, 0x05, 0, 0, 0x20, 0, 0x83, 0x3d, 0, 0, 0x20, 0, 3, 0x74, 8, ...out(0xcf9, 6), HLT, ...POWER_OFF, HLT];
  const { machine } = machineWith(multiboot(code));
  assert.equal(machine.run({ insns: 100_000_000 }), { kind: 'power-off' });
  const report = reportOf(machine.vm);
  assert.is(report.exits.find((e) => e.name === 'IO_INSTRUCTION')?.count, 3);
  assert.is(report.instructions, 2 * 6 + 6);
});

test('the console carries both ways', () => {
  // 8 data bits; wait for data ready at 3FDh, read 3F8h, write it back; power off after an 'x'.
  const code = [
    ...out(0x3fb, 3),
    0x66,
    0xba,
    0xfd,
    0x03,
    0xec,
    0xa8,
    0x01,
    0x74,
    0xfb, // poll
    0x66,
    0xba,
    0xf8,
    0x03,
    0xec,
    0xee,
    0x3c,
    0x78,
    0x75,
    0xed, // echo
    ...POWER_OFF,
    HLT,
  ];
  const { machine, console } = machineWith(multiboot(code));
  const keys = ['hello', ' ', 'x'];
  const outside: Outside = {
    attached: true,
    look() {
      const next = keys.shift();
      if (next !== undefined) machine.consoleInput(Uint8Array.from(next, (c) => c.charCodeAt(0)));
      return false;
    },
    idle: (until) => until,
  };
  assert.equal(machine.run({ insns: 5_000_000 }, outside), { kind: 'power-off' });
  assert.is(console(), 'hello x');
  // Each arrival from outside is an external-interrupt exit.
  assert.is(reportOf(machine.vm).exits.find((e) => e.name === 'EXTERNAL_INTERRUPT')?.count, 3);
});

test('an engine failure is an outcome, not an exception', () => {
  const { machine } = machineWith(multiboot(out(0x99, 0)));
  machine.vm.ports.addPorts(0x99, 1, { portRead: () => 0, portWrite: () => assert.unreachable('boom') }, 'broken');
  const outcome = machine.run({ insns: 100_000_000 });
  assert.is(outcome.kind, 'died');
  assert.match(JSON.stringify(outcome), /the engine failed: .*boom/);
});

test('the built-in guest runs to its end, twice the same', () => {
  const runs = [1, 2].map(() => {
    const { machine, console } = machineWith(builtinGuest(), { memory: '64M' });
    const outcome = machine.run({ insns: 100_000_000 });
    return { outcome, report: reportOf(machine.vm), console: console() };
  });
  assert.equal(runs[0].outcome, { kind: 'power-off' });
  assert.match(runs[0].console, /BOOT-OK/);
  assert.equal(runs[0], runs[1]);
});

test('code at the entry is where multiboot says', () => {
  const { machine } = machineWith(multiboot(LOOP));
  assert.is(machine.vcpu.getRegs().rip, BigInt(CODE));
  assert.is(machine.vcpu.translate(BigInt(CODE)), CODE);
});

test.run();
