/**
 * The tracer's times: they fall at their nanosecond of the VM's clock, whatever the guest does then, and the VM does not notice them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_REASON, type ExitCosts, NO_EXIT_COSTS } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, le } from './guest.ts';

const R = EXIT_REASON;
const IF = 0x200;
const VECTOR = 0x40;
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const costs = (reasons: Record<number, number>): ExitCosts => ({ ...NO_EXIT_COSTS, reasons });

interface Look {
  readonly now: number;
  readonly rip: number;
  readonly activity: number;
}

/** Looks at the guest every `period` ns, at its multiples. */
function profile(g: Guest, period: number): Look[] {
  const looks: Look[] = [];
  g.vm.clock.setProfile(period, (now) => {
    looks.push({ now, rip: g.rip, activity: g.vcpu.state.number('ACTIVITY') });
    return (Math.floor(now / period) + 1) * period;
  });
  return looks;
}

function guest(options: GuestOptions): Guest {
  const g = new Guest(options);
  g.vm.createIrqchip();
  g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  g.vcpu.setMsr(0x80f, 0x1ffn);
  g.touchAll();
  return g;
}

test('a profile falls at its nanosecond and sees the instruction that comes next', () => {
  const programs = {
    line: `${'90'.repeat(120)} f4`,
    page: `e9 ${le(0xfa0, 4)}`,
    rep: `${mov(1, 60)} ${mov(7, FREE)} f3 aa ${mov(1, 60)} f3 a6 ${'90'.repeat(120)} f4`,
    loop: `${mov(1, 90)} 90 e2 fd f4`,
  };
  for (const [name, code] of Object.entries(programs)) {
    for (const period of [1, 2, 7, 33, 64]) {
      const g = guest({ code });
      g.put(CODE + 0xfa5, `${'90'.repeat(120)} f4`);
      const looks = profile(g, period);
      g.run(10_000);
      const last = Math.floor(g.now / period);
      assert.ok(last > 0);
      assert.equal(
        looks.map((l) => l.now),
        Array.from({ length: last }, (_, i) => (i + 1) * period),
        `${name}, every ${period} ns`,
      );
      if (name === 'line') for (const l of looks) if (l.activity === 0) assert.is(l.rip, CODE + l.now);
    }
  }
});

test('what an exit cost is looked at once it is over', () => {
  const g = guest({ code: '90 0f a2 90 90 f4', costs: costs({ [R.CPUID]: 1000 }) });
  const looks = profile(g, 100);
  g.run();
  assert.equal(
    looks.map((l) => [l.now, l.rip - CODE]),
    [[1002, 3]],
  );
});

test('a halted vCPU is looked at while it sleeps, each time at its nanosecond', () => {
  const g = guest({ code: 'fb f4 90 f4', rflags: 2, costs: costs({ [R.HLT]: 10 }) });
  g.vm.clock.deadline('interrupt', () => void g.vm.signalMsi(0xfee0_0000, VECTOR)).arm(1000);
  const looks = profile(g, 300);
  g.run(1000);
  assert.equal(
    looks.map((l) => [l.now, l.rip - CODE, l.activity]),
    [
      [300, 2, 1],
      [600, 2, 1],
      [900, 2, 1],
    ],
  );
  assert.is(g.count(R.EXTERNAL_INTERRUPT), 0);
});

test('at the time of a deadline the look comes first', () => {
  const g = guest({ code: '90'.repeat(200), rflags: IF | 2 });
  g.vm.clock.deadline('interrupt', () => void g.vm.signalMsi(0xfee0_0000, VECTOR)).arm(100);
  const looks = profile(g, 100);
  g.run(1000);
  assert.equal([looks[0]?.now, looks[0]?.rip], [100, CODE + 100]);
  assert.is(g.vector, VECTOR);
});

test('a reset, and a vCPU that takes over, keep the next look', () => {
  const g = new Guest({ code: '90'.repeat(200) });
  profile(g, 50);
  assert.is(g.vcpu.state.number('PROBE_DEADLINE'), 50);
  g.vcpu.reset();
  assert.is(g.vcpu.state.number('PROBE_DEADLINE'), 50);
  const second = g.vm.createVcpu(1);
  g.vm.clock.follow(second.base);
  assert.equal([g.vcpu.state.number('PROBE_DEADLINE'), second.state.number('PROBE_DEADLINE')], [0, 50]);
});

test('looking changes nothing, at any rate, in string I/O, sleep and interrupts', () => {
  const make = (): Guest => {
    const g = guest({
      unclaimed: 'float',
      rflags: IF | 2,
      costs: costs({ [R.CPUID]: 77, [R.IO_INSTRUCTION]: 134, [R.EXTERNAL_INTERRUPT]: 99, [R.HLT]: 40 }),
      code: `${mov(1, 30)} 51 0f a2 59 e6 80 ${mov(2, 0x3f8)} ${mov(6, FREE)} ${mov(7, FREE + 0xf80)} 51 ${mov(1, 70)} f3 6e
        ${mov(1, 300)} f3 aa 59 f4 e2 c7 fa f4`,
    });
    // Timer interrupts whose handler returns.
    g.put(0x5000, '48 cf');
    g.gate(VECTOR, 0x5000, 8);
    const tick = g.vm.clock.deadline('tick', (now) => {
      g.vm.signalMsi(0xfee0_0000, VECTOR);
      g.vcpu.setMsr(0x80b, 0n);
      if (now < 60_000) tick.arm(now + 1333);
    });
    tick.arm(500);
    return g;
  };
  const state = (g: Guest): unknown => [g.hash, g.now, g.vcpu.instructions, g.vcpu.getRegs(), g.exits(), g.read(FREE + 0xf80)];
  const run = (g: Guest): Guest => {
    for (let i = 0; i < 40; i++) if (g.run(20_000).reason !== 'hlt') break;
    return g;
  };
  const plain = run(make());
  assert.ok(plain.count(R.HLT) > 10 && plain.count(R.IO_INSTRUCTION) > 30, String(plain.exits().length));
  for (const period of [1, 3, 17, 100, 997, 5000]) {
    const g = make();
    const looks = profile(g, period);
    run(g);
    assert.ok(looks.length > 5, `${period}: ${looks.length}`);
    assert.equal(state(g), state(plain), `every ${period} ns`);
  }
});

test.run();
