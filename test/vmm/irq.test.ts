/**
 * Time and interrupts as the guest sees them: the TSC is the VM's clock, deadlines fall at their nanosecond, exits and idle time move the
 * clock; interrupts and NMIs arrive at the one boundary where the SDM lets them (vol. 3, 6.6 to 6.9), and are counted as exits only when
 * they interrupt something.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT } from '../../vmm/cpu/registers.ts';
import { EXIT_REASON, type ExitCosts, NO_EXIT_COSTS } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, le, STACK } from './guest.ts';

const R = EXIT_REASON;
const IF = 0x200;
const VECTOR = 0x40;
const NOPS = '90'.repeat(200);
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const costs = (reasons: Record<number, number>): ExitCosts => ({ ...NO_EXIT_COSTS, reasons });

/** A guest with a local APIC in x2APIC mode; interrupts halt in their handler. */
function withApic(options: GuestOptions): Guest {
  const g = new Guest(options);
  g.vm.createIrqchip();
  g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
  g.vcpu.setMsr(0x80f, 0x1ffn);
  g.touchAll();
  return g;
}

/** Raises VECTOR at a time of the VM's clock. */
function interruptAt(g: Guest, ns: number): { at: number[] } {
  const seen = { at: [] as number[] };
  g.vm.clock
    .deadline('interrupt', () => {
      seen.at.push(g.now);
      g.vm.signalMsi(0xfee0_0000, VECTOR);
    })
    .arm(ns);
  return seen;
}

/** Where the handler's frame says that it came from, as an offset into the code. */
function from(g: Guest): number {
  assert.is(g.vector, VECTOR, `halted at ${g.rip.toString(16)}`);
  return g.read(g.rsp, 8) - CODE;
}

const halted = (g: Guest): void => {
  // No irqchip that waits: HLT in the handler ends the run because nothing else is armed.
  assert.is(g.run(100_000).reason, 'hlt', g.vcpu.exit.detail);
};

test('the TSC is the clock: instructions and exit costs', () => {
  const g = new Guest({ code: '90 90 0f 31 88 c3 0f a2 0f 31 f4', costs: costs({ [R.CPUID]: 1000 }) });
  assert.is(g.run().reason, 'hlt');
  // Two NOPs before the first; the second comes after five instructions and CPUID's cost.
  assert.is(Number(g.reg(0)), 5 + 1000);
  assert.is(g.now, 7 + 1000);
});

test('the TSC moves with IA32_TSC and IA32_TSC_ADJUST', () => {
  const g = new Guest({ code: `b9 10 00 00 00 b8 00 10 00 00 99 0f 30 0f 31 f4` });
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0x1000 + 1);
  assert.is(g.vcpu.getMsr(0x3b), 0x1000n - 3n);
});

test('a deadline falls at its nanosecond, wherever that is in a line, a page or a REP', () => {
  const programs = {
    line: `${NOPS} f4`,
    page: `e9 ${le(0xfa0, 4)}`,
    rep: `${mov(1, 60)} ${mov(7, FREE)} f3 aa ${mov(1, 60)} f3 a6 ${NOPS} f4`,
    fused: `39 c0 74 00 `.repeat(60) + 'f4',
    loop: `${mov(1, 90)} 90 e2 fd f4`,
  };
  for (const [name, code] of Object.entries(programs)) {
    for (let ns = 1; ns < 100; ns += name === 'line' ? 2 : 9) {
      const g = new Guest({ code });
      g.put(CODE + 0xfa5, `${NOPS} f4`);
      g.touchAll();
      const fired: number[] = [];
      const again = g.vm.clock.deadline('second', () => fired.push(g.vcpu.instructions));
      g.vm.clock
        .deadline('first', (now) => {
          fired.push(g.vcpu.instructions);
          again.arm(now + 1 + (ns % 5));
        })
        .arm(ns);
      assert.is(g.run().reason, 'hlt');
      assert.equal(fired, [ns, ns + 1 + (ns % 5)], `${name}, ${ns} ns`);
      assert.is(g.count(R.EXTERNAL_INTERRUPT), 2);
    }
  }
});

test('a deadline that passes while an exit is handled fires after it and interrupts nothing', () => {
  const g = new Guest({ code: `90 0f a2 ${NOPS} f4`, costs: costs({ [R.CPUID]: 1000 }) });
  const fired: number[] = [];
  for (const ns of [500, 1003]) g.vm.clock.deadline('d', () => fired.push(g.vcpu.instructions, g.now)).arm(ns);
  assert.is(g.run().reason, 'hlt');
  assert.equal(fired, [2, 1002, 3, 1003]);
  assert.is(g.count(R.EXTERNAL_INTERRUPT), 1);
});

test('a first access in the middle of a line moves the clock there, and the deadline with it', () => {
  const g = new Guest({ code: `90 90 a2 ${le(FREE, 8)} ${NOPS} f4`, costs: costs({ [R.EPT_VIOLATION]: 100 }) });
  g.run(1);
  const start = g.now - g.vcpu.instructions;
  const fired: number[] = [];
  for (const ns of [50, 105]) g.vm.clock.deadline('d', () => fired.push(g.vcpu.instructions)).arm(start + ns);
  assert.is(g.run().reason, 'hlt');
  assert.equal(fired, [3, 5]);
});

test('HLT skips to the next deadline, and an interrupt wakes it', () => {
  const g = withApic({ code: 'f4 90 f4', rflags: 2 | IF, costs: costs({ [R.HLT]: 10 }) });
  g.put(HANDLERS + 16 * VECTOR, '0f 31 48 cf');
  g.vm.clock.deadline('nothing', () => {}).arm(3000);
  interruptAt(g, 5000);
  halted(g);
  assert.is(g.rip, CODE + 3);
  assert.is(Number(g.reg(0)), 5000);
  assert.is(g.count(R.HLT), 2);
  assert.is(g.count(R.EXTERNAL_INTERRUPT), 0);
  assert.is(g.vcpu.state.number('KS_HALT_WAKEUP'), 1);
  assert.is(g.vcpu.state.number('IRQ_COUNT', VECTOR), 1);
  assert.is(g.vcpu.state.number('KS_IRQ_INJECTIONS'), 1);
});

/** Code with an interrupt pending from the start or from `ns` on: the boundary where it is taken, and the interrupt windows asked for. */
const SHADOWS: [string, string, { ns?: number; on?: boolean }, number, number][] = [
  ['IF = 1: at once', '90 90', { on: true }, 0, 0],
  ['STI: after the next instruction', '90 fb 90 90', {}, 3, 1],
  ['STI STI: after the second, which shadows nothing', 'fb fb 90', {}, 2, 1],
  ['STI CLI STI NOP', 'fb fa fb 90 90', {}, 4, 1],
  ['STI and a repeated instruction', `fb ${mov(1, 3)} f3 aa 90`, {}, 6, 1],
  ['POPF: at once', `68 02 02 00 00 9d 90`, {}, 6, 1],
  ['IRET: at once', `6a 10 68 ${le(STACK, 4)} 68 02 02 00 00 6a 08 68 ${le(CODE + 24, 4)} 48 cf 90 90 90 90`, {}, 24, 1],
  ['MOV SS: after the next instruction', `8c d0 8e d0 90 90`, { ns: 2, on: true }, 5, 1],
  ['POP through the stack does not shadow', `6a 00 58 90`, { ns: 2, on: true }, 3, 0],
  [
    'LSS: at once',
    `c7 04 25 ${le(FREE, 4)} ${le(STACK, 4)} c7 04 25 ${le(FREE + 4, 4)} 10 00 00 00 0f b2 24 25 ${le(FREE, 4)} 90`,
    { ns: 3, on: true },
    30,
    0,
  ],
  ['MOV CR8 that lets it through', `${mov(0, 5)} 44 0f 22 c0 90 31 c0 44 0f 22 c0 90`, { ns: 2, on: true }, 16, 0],
  ['in the middle of a REP', `${mov(1, 10)} ${mov(7, FREE)} f3 aa`, { ns: 5, on: true }, 10, 0],
  ['before a fault', '90 0f 0b', { ns: 1, on: true }, 1, 0],
];

for (const [name, code, { ns, on }, offset, windows] of SHADOWS) {
  test(`interrupt: ${name}`, () => {
    for (const slice of [100_000, 1]) {
      const g = withApic({ code: `${code} f4`, rflags: on ? 2 | IF : 2 });
      g.vm.slice = slice;
      if (ns === undefined) g.vm.signalMsi(0xfee0_0000, VECTOR);
      else interruptAt(g, ns);
      halted(g);
      assert.is(from(g), offset);
      assert.is(g.count(R.PENDING_INTERRUPT), windows, 'interrupt windows');
      assert.is(g.count(R.EXTERNAL_INTERRUPT), ns === undefined ? 0 : 1);
    }
  });
}

test('interrupt: STI HLT halts, and wakes behind the HLT', () => {
  const g = withApic({ code: 'fb f4 90 f4' });
  g.vm.signalMsi(0xfee0_0000, VECTOR);
  halted(g);
  assert.is(from(g), 2);
  assert.equal(
    g.exits().map((e) => e.reason),
    [R.HLT, R.PENDING_INTERRUPT, R.HLT],
  );
});

test('interrupt: a REP goes on where it was', () => {
  const g = withApic({ code: `${mov(1, 50)} ${mov(7, FREE)} f3 aa f4`, rflags: 2 | IF });
  g.put(HANDLERS + 16 * VECTOR, `48 8b 04 24 51 5b 48 cf`);
  interruptAt(g, 22);
  halted(g);
  assert.equal([Number(g.reg(0)) - CODE, Number(g.reg(3)), Number(g.reg(1)), Number(g.reg(7))], [10, 30, 0, FREE + 50]);
  assert.is(g.vcpu.instructions, 2 + 50 + 1 + 4);
});

test('interrupt: a window that was asked for opens even when the interrupt went away', () => {
  const g = withApic({ code: `90 90 90 fb 90 90 f4` });
  g.vm.signalMsi(0xfee0_0000, VECTOR);
  g.run(2);
  // The local APIC is reset: nothing is pending any more.
  g.vcpu.setMsr(0x1b, 0xfee0_0100n);
  g.vcpu.clear(EVENT.INTR);
  halted(g);
  assert.is(g.rip, CODE + 7);
  assert.equal(
    g.exits().map((e) => [e.reason, e.rip - CODE]),
    [
      [R.PENDING_INTERRUPT, 5],
      [R.HLT, 6],
    ],
  );
});

test('interrupt: IF = 0 and HLT is the end', () => {
  const g = withApic({ code: 'f4' });
  g.vm.signalMsi(0xfee0_0000, VECTOR);
  halted(g);
  assert.is(g.rip, CODE + 1);
  assert.match(g.vm.haltDetail, /interrupts disabled/);
  assert.is(g.count(R.PENDING_INTERRUPT), 0);
});

test('interrupt: an event that a fault delivers ends the shadow', () => {
  // #UD through a trap gate keeps IF: the interrupt is taken before the handler's first instruction.
  const g = withApic({ code: 'fb 0f 0b f4' });
  g.gate(6, HANDLERS + 16 * 6, 8, 0xef);
  g.vm.signalMsi(0xfee0_0000, VECTOR);
  halted(g);
  assert.is(g.vector, VECTOR);
  assert.is(g.read(g.rsp, 8), HANDLERS + 16 * 6);
});

const NMI = 2;
/** The NMI handler notes where it came from, in nine instructions. */
const NOTED = FREE + 0x1000;
const NMI_HANDLER = `50 53 8b 1c 25 ${le(NOTED, 4)} 48 8b 44 24 10 89 04 dd ${le(NOTED + 8, 4)} ff 04 25 ${le(NOTED, 4)} 5b 58 48 cf`;
const nmis = (g: Guest): number[] => Array.from({ length: g.read(NOTED, 4) }, (_, i) => g.read(NOTED + 8 + 8 * i, 4) - CODE);

function withNmis(code: string, times: number[], options: GuestOptions = {}): Guest {
  const g = new Guest({ code: `${code} f4`, ...options });
  g.put(HANDLERS + 16 * NMI, NMI_HANDLER);
  g.touchAll();
  for (const ns of times) g.vm.clock.deadline('nmi', () => g.vcpu.raise(EVENT.NMI)).arm(ns);
  assert.is(g.run(10_000).reason, 'hlt', g.vcpu.exit.detail);
  return g;
}

test('NMI: taken with IF = 0, exactly there', () => {
  const g = withNmis('90 90 90 90 90', [3]);
  assert.equal(nmis(g), [3]);
  assert.is(g.vcpu.state.number('KS_NMI_INJECTIONS'), 1);
  assert.is(g.count(R.NMI_WINDOW), 0);
});

test('NMI: a second one waits for IRET, a third is lost', () => {
  const g = withNmis(NOPS, [2, 4, 5]);
  assert.equal(nmis(g), [2, 2]);
  assert.is(g.count(R.NMI_WINDOW), 1);
  assert.is(g.vcpu.state.number('KS_NMI_WINDOW'), 1);
  assert.equal(
    g
      .exits()
      .filter((e) => e.reason === R.NMI_WINDOW)
      .map((e) => [e.rip - CODE, e.icount]),
    [[2, 2 + 9]],
  );
});

test('NMI: any IRET ends the blocking, even one that faults (28.2.3: NMI unblocking due to IRET)', () => {
  const any = new Guest({ code: `90 90 90 f4` });
  // The handler takes a #UD, whose handler returns by IRET: the next NMI nests.
  any.put(HANDLERS + 16 * NMI, `ff c1 83 f9 02 74 02 0f 0b f4`);
  any.put(HANDLERS + 16 * 6, '48 83 04 24 02 48 cf');
  any.touchAll();
  any.vcpu.raise(EVENT.NMI);
  any.vm.clock.deadline('nmi', () => any.vcpu.raise(EVENT.NMI)).arm(2);
  assert.is(any.run(100).reason, 'hlt');
  assert.is(Number(any.reg(1)), 2);
  const faulting = new Guest({ code: `90 f4` });
  // IRET to a null CS: #GP.
  faulting.put(HANDLERS + 16 * NMI, `c7 44 24 08 00 00 00 00 48 cf`);
  faulting.touchAll();
  faulting.vcpu.raise(EVENT.NMI);
  assert.is(faulting.run(100).reason, 'hlt');
  assert.is(faulting.vector, 13);
  assert.is(faulting.vcpu.getEvents().nmiMasked, false);
});

test('NMI: not in the shadow of STI or MOV SS', () => {
  assert.equal(nmis(withNmis('90 fb 90 90', [2])), [3]);
  assert.equal(nmis(withNmis('8c d0 8e d0 90 90', [2])), [5]);
});

test('NMI: between the iterations of a REP, and out of HLT', () => {
  const rep = withNmis(`${mov(7, FREE)} b1 20 f3 aa`, [10]);
  assert.equal(nmis(rep), [7]);
  assert.is(Number(rep.reg(7)), FREE + 0x20);
  const g = new Guest({ code: 'f4 90 f4' });
  g.put(HANDLERS + 16 * NMI, NMI_HANDLER);
  assert.is(g.run().reason, 'hlt');
  g.vcpu.raise(EVENT.NMI);
  assert.is(g.run().reason, 'hlt');
  assert.equal(nmis(g), [1]);
  assert.is(g.rip, CODE + 3);
});

test('order at a boundary: debug trap, NMI, interrupt', () => {
  const g = withApic({ code: '90 90 f4', rflags: 2 | IF | 0x100 });
  for (const vector of [1, NMI]) g.put(HANDLERS + 16 * vector, 'eb fe');
  g.vm.clock
    .deadline('both', () => {
      g.vm.signalMsi(0xfee0_0000, VECTOR);
      g.vcpu.raise(EVENT.NMI);
    })
    .arm(1);
  // #DB first: its frame is the code; then NMI, whose frame is #DB's handler. IF is clear in it.
  g.run(4);
  assert.is(g.rip, HANDLERS + 16 * NMI);
  assert.is(g.read(g.rsp, 8), HANDLERS + 16);
  assert.is(g.read(STACK - 40, 8), CODE + 1);
  assert.is(g.vcpu.getEvents().interruptPending, true);
});

test.run();
