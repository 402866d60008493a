/** Several vCPUs: started by INIT and SIPI, they take turns that repeat. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Machine } from '../../vmm/machine.ts';
import { NO_EXIT_COSTS } from '../../vmm/exit-cost.ts';
import { QUANTUM } from '../../vmm/turns.ts';
import { Vm } from '../../vmm/vm.ts';
import { multiboot } from './guests.ts';

const EXIT = 0xf4;
const COUNT = 0x500;

const dword = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
/** mov dword [at], value */
const put = (at: number, value: number): number[] => [0xc7, 0x05, ...dword(at), ...dword(value)];
const ICR_LOW = 0xfee0_0300;
const ICR_HIGH = 0xfee0_0310;
const INIT = 0x4500;
const SIPI = 0x4600 | 8;

/** INIT and a start-up IPI for page 8 to local APIC `id`, with nothing in between. */
const start = (id: number): number[] => [...put(ICR_HIGH, id * 0x100_0000), ...put(ICR_LOW, INIT), ...put(ICR_LOW, SIPI)];

/** Puts 16-bit code at 8000h. */
function trampoline(code: readonly number[]): number[] {
  const padded = [...code, ...new Array<number>((4 - (code.length % 4)) % 4).fill(0x90)];
  const words = Array.from({ length: padded.length / 4 }, (_, i) => padded.slice(4 * i, 4 * i + 4));
  return words.flatMap((bytes, i) =>
    put(
      0x8000 + 4 * i,
      bytes.reduce((word, b, n) => word + b * 2 ** (8 * n), 0),
    ),
  );
}

/** Waits until the word at COUNT is `n`, then hands it to the debug-exit port. */
const waitFor = (n: number): number[] => [0x66, 0x83, 0x3d, ...dword(COUNT), n, 0xf3, 0x90, 0x75, 0xf4, 0xa0, ...dword(COUNT), 0xe6, EXIT];

// xor ax,ax; mov ds,ax; lock inc word [COUNT]; hlt; jmp $-1
const COUNT_ME = [0x31, 0xc0, 0x8e, 0xd8, 0xf0, 0xff, 0x06, 0x00, 0x05, 0xf4, 0xeb, 0xfd];

function machine(cpus: number, code: readonly number[]): Machine {
  const m = Machine.createSync({
    memory: '4M',
    cpus,
    debugExit: EXIT,
    exitCosts: undefined,
    load: () => ({ kernel: multiboot(code), kernelName: 'kernel' }),
    output() {},
  });
  const boot = m.boot();
  assert.ok(boot.ok);
  return m;
}

const startAll = (cpus: number): number[] => [
  ...trampoline(COUNT_ME),
  ...put(COUNT, 0),
  ...Array.from({ length: cpus - 1 }, (_, i) => start(i + 1)).flat(),
  ...waitFor(cpus - 1),
];

test('INIT and a start-up IPI right behind it start each of up to eight processors once', () => {
  for (const cpus of [2, 3, 8]) {
    const m = machine(cpus, startAll(cpus));
    assert.equal(m.run({ insns: 2_000_000 }), { kind: 'debug-exit', value: cpus - 1 });
  }
});

test('INIT and a start-up IPI start one again that halted with interrupts off', () => {
  const wait = waitFor(1).slice(0, -7);
  const again = [
    ...trampoline(COUNT_ME),
    ...put(COUNT, 0),
    ...start(1),
    ...wait,
    0xb9,
    ...dword(60_000),
    0xe2,
    0xfe,
    ...start(1),
    ...waitFor(2),
  ];
  assert.equal(machine(2, again).run({ insns: 2_000_000 }), { kind: 'debug-exit', value: 2 });
});

test('one that is not started runs nothing', () => {
  const m = machine(2, [...put(COUNT, 0), 0xb9, ...dword(200_000), 0xe2, 0xfe, 0xe6, EXIT]);
  assert.is(m.run({ insns: 1_000_000 }).kind, 'debug-exit');
  assert.is(m.vm.vcpus[1]?.instructions, 0);
});

test('a processor that spins gives up its turn', () => {
  // The second processor counts once; the first waits for that with PAUSE.
  const m = machine(2, startAll(2));
  m.run({ insns: 2_000_000 });
  const [spinning, started] = m.vm.vcpus.map((v) => v.instructions) as [number, number];
  assert.ok(spinning < QUANTUM / 2, `${spinning} instructions`);
  assert.ok(started > 0);
});

test('two runs take the same turns, and a cut run goes on as the whole one', () => {
  const whole = machine(3, startAll(3));
  whole.run({ insns: 2_000_000 });
  const counts = (m: Machine): number[] => m.vm.vcpus.map((v) => v.instructions);
  const again = machine(3, startAll(3));
  for (let insns = 777; again.run({ insns }).kind === 'limit'; insns += 777) assert.ok(insns < 2_000_000);
  assert.equal(counts(again), counts(whole));
  assert.is(again.vm.clock.now(), whole.vm.clock.now());
});

test('a turn is no longer than its quantum while another processor can go on', () => {
  // The second processor counts for ever; the first waits for 5000.
  const counting = [0x31, 0xc0, 0x8e, 0xd8, 0xff, 0x06, 0x00, 0x05, 0xeb, 0xfa];
  const wait = [0x66, 0x81, 0x3d, ...dword(COUNT), 0x88, 0x13, 0x72, 0xf5, 0xe6, EXIT];
  const m = machine(2, [...trampoline(counting), ...put(COUNT, 0), ...start(1), ...wait]);
  assert.is(m.run({ insns: 5_000_000 }).kind, 'debug-exit');
  const [first, second] = m.vm.vcpus.map((v) => v.instructions) as [number, number];
  assert.ok(Math.abs(first - second) <= QUANTUM + 100, `${first} and ${second}`);
});

test('a lock that one processor gives back for a moment in each of its loops is had by another', () => {
  const LOCK = 0x504;
  // mov byte [LOCK],0; pause; lock bts dword [LOCK],0; jc to the pause
  const giveAndTake = [0xc6, 0x05, ...dword(LOCK), 0, 0xf3, 0x90, 0xf0, 0x0f, 0xba, 0x2d, ...dword(LOCK), 0, 0x72, 0xf3];
  // Ten instructions, a divisor of the quantum: cmp byte [COUNT],1; jne to the start; four nops between.
  const loop = [...giveAndTake, 0x90, 0x90, 0x90, 0x90, 0x80, 0x3d, ...dword(COUNT), 1, 0x75, 0xdf];
  // xor ax,ax; mov ds,ax; pause; lock bts word [LOCK],0; jc to the pause; inc word [COUNT]; mov byte [LOCK],0; hlt
  const other = [
    0x31, 0xc0, 0x8e, 0xd8, 0xf3, 0x90, 0xf0, 0x0f, 0xba, 0x2e, 0x04, 0x05, 0, 0x72, 0xf5, 0xff, 0x06, 0, 5, 0xc6, 0x06, 4, 5, 0, 0xf4,
  ];
  for (let nops = 0; nops < 10; nops++) {
    const lead = new Array<number>(nops).fill(0x90);
    const code = [...trampoline(other), ...put(COUNT, 0), ...put(LOCK, 1), ...start(1), ...lead, ...loop, 0xb0, 1, 0xe6, EXIT];
    assert.equal(machine(2, code).run({ insns: 3_000_000 }), { kind: 'debug-exit', value: 1 }, `${nops}`);
  }
});

test('the clock is the sum of all instructions, and the exits', () => {
  const m = machine(2, startAll(2));
  m.run({ insns: 2_000_000 });
  const instructions = m.vm.vcpus.reduce((sum, v) => sum + v.instructions, 0);
  const exits = m.vm.vcpus.reduce(
    (sum, v) => sum + Array.from({ length: 72 }, (_, i) => Number(v.state.get('EXIT_TIME', i))).reduce((a, b) => a + b, 0),
    0,
  );
  assert.ok(m.vm.clock.now() >= instructions + exits);
});

test('saved in the middle and restored into another machine, the rest is the same', () => {
  const whole = machine(3, startAll(3));
  whole.run({ insns: 2_000_000 });
  const total = whole.vm.vcpus.reduce((sum, v) => sum + v.instructions, 0);
  for (const at of [30, 60, 90, Math.floor(total / 2)]) {
    const first = machine(3, startAll(3));
    first.run({ insns: at });
    const second = machine(3, startAll(3));
    second.vm.restoreState(structuredClone(first.vm.saveState()));
    assert.is(second.run({ insns: 2_000_000 }).kind, 'debug-exit');
    assert.equal(
      second.vm.vcpus.map((v) => v.instructions),
      whole.vm.vcpus.map((v) => v.instructions),
    );
    assert.is(second.vm.clock.now(), whole.vm.clock.now());
  }
});

test('when all processors halt with no timer the guest is dead, and it says so', () => {
  const m = machine(2, [0xfa, 0xf4, 0xeb, 0xfd]);
  const outcome = m.run({ insns: 1_000_000 });
  assert.is(outcome.kind, 'died');
});

test('after a reset the others wait for their start again', () => {
  // Each of two lives starts the second processor, which counts at 500h; the second life leaves with the count.
  const second = [0x80, 0x3d, ...dword(0x504), 0x02, 0x75, 0x07, 0xa0, ...dword(COUNT), 0xe6, EXIT];
  const restart = [0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xeb, 0xfe];
  const wait = [0xb9, ...dword(60_000), 0xe2, 0xfe];
  const m = machine(2, [0xfe, 0x05, ...dword(0x504), ...trampoline(COUNT_ME), ...start(1), ...wait, ...second, ...restart]);
  assert.equal(m.run({ insns: 1_000_000 }), { kind: 'debug-exit', value: 2 });
});

test('a reset through port CF9h begins with the first processor again', () => {
  // Counts starts at 504h (RAM stays): at the second one it leaves.
  const code = [0xfe, 0x05, ...dword(0x504), 0x80, 0x3d, ...dword(0x504), 0x02, 0x75, 0x04, 0xb0, 0x2a, 0xe6, EXIT];
  const m = machine(2, [
    ...code,
    ...trampoline(COUNT_ME),
    ...put(COUNT, 0),
    ...start(1),
    0x66,
    0x83,
    0x3d,
    ...dword(COUNT),
    1,
    0x75,
    0xf6,
    0x66,
    0xba,
    0xf9,
    0x0c,
    0xb0,
    0x06,
    0xee,
    0xeb,
    0xfe,
  ]);
  assert.equal(m.run({ insns: 1_000_000 }), { kind: 'debug-exit', value: 0x2a });
});

test('vCPUs of a VM without a board run as their owner calls them, each to its limit', () => {
  const vm = Vm.createSync({ memory: '1M', exitCosts: NO_EXIT_COSTS });
  // inc ax; jmp $-1
  vm.ram.write(0x1000, Uint8Array.of(0x40, 0xeb, 0xfd));
  for (const index of [0, 1]) {
    const vcpu = vm.createVcpu(index);
    const { cs } = vcpu.getSregs();
    vcpu.setSregs({ cs: { ...cs, selector: 0, base: 0n } });
    vcpu.setRegs({ rip: 0x1000n });
    vcpu.setEvents({ activity: 'active' });
  }
  for (const [index, limit] of [
    [1, 1000],
    [0, 500],
    [1, 2000],
  ] as const) {
    assert.is(vm.vcpus[index]?.run(limit).reason, 'intr');
    assert.is(vm.vcpus[index]?.instructions, limit);
  }
  assert.is(vm.clock.now(), 2500);
});

test.run();
