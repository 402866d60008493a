/**
 * Two runs are one run: the same instructions, exits, times, console and memory, whether it is run in one go, in random pieces, or saved at
 * random places and continued in a fresh VM.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT } from '../../vmm/cpu/registers.ts';
import { DEFAULT_EXIT_COSTS } from '../../vmm/index.ts';
import { reportOf } from '../../vmm/report.ts';
import { fingerprint } from '../../vmm/snapshot.ts';
import { load, numbers, randomCode } from '../cpu/random-code.ts';
import { Guest } from './guest.ts';
import { builtinGuest, machineWith } from './guests.ts';

test('the built-in guest twice, once in one go and once in random pieces', () => {
  const kernel = builtinGuest();
  const boot = (pieces?: (n: number) => number): object => {
    const { machine, console } = machineWith(kernel, { memory: '16M' });
    let outcome = machine.run({ insns: pieces === undefined ? undefined : 1 });
    while (outcome.kind === 'limit' && pieces !== undefined) {
      // Mostly large pieces, or it takes too long; at times a few instructions.
      const step = 1 + pieces(pieces(3) === 0 ? 50 : 200_000);
      const at = machine.vcpu.instructions + step;
      outcome = machine.run({ insns: at });
      if (outcome.kind === 'limit') assert.is(machine.vcpu.instructions, at);
    }
    const { engine: _, ...guest } = reportOf(machine.vm);
    const saved = machine.vm.saveState();
    return { outcome, guest, console: console(), ram: fingerprint([], saved.pages), devices: saved.devices };
  };
  const whole = boot();
  assert.match((whole as { console: string }).console, /./);
  assert.equal(boot(numbers(3)), whole);
});

const LIMIT = 6000;

/** A guest with a random program and an NMI every so often, as a device that is saved with the VM. */
function prepared(seed: number): Guest {
  const g = new Guest({ costs: DEFAULT_EXIT_COSTS, unclaimed: 'float', memory: 0x20_0000 });
  load(g, randomCode(seed, 60));
  let due = 1000;
  const nmi = g.vm.clock.deadline('nmi', () => {
    g.vcpu.raise(EVENT.NMI);
    nmi.arm((due += 7919));
  });
  nmi.arm(due);
  g.vm.addSaveable('nmi', {
    save: () => ({ due }),
    restore: (state) => {
      due = (state as { due: number }).due;
      nmi.arm(due);
    },
  });
  return g;
}

function ending(g: Guest): object {
  while (g.vcpu.instructions < LIMIT && g.run(LIMIT).reason === 'intr');
  const regs = g.vcpu.getRegs();
  return {
    regs,
    instructions: g.vcpu.instructions,
    now: g.now,
    hash: g.hash,
    exits: g.exits([]),
    ram: fingerprint([], g.vm.saveState().pages),
  };
}

test('random programs saved at random places go on in a fresh VM as if they had not been', () => {
  const pick = numbers(11);
  for (let seed = 101; seed <= 115; seed++) {
    const whole = ending(prepared(seed));
    const total = Math.min(LIMIT, (whole as { instructions: number }).instructions);
    let g = prepared(seed);
    // Three saves in a row, each from the VM that the last one was restored into.
    for (const at of [pick(total), pick(total), pick(total)].sort((a, b) => a - b)) {
      if (g.run(at).reason !== 'intr') break;
      const saved = structuredClone(g.vm.saveState());
      g = prepared(seed);
      g.vm.restoreState(saved);
    }
    assert.equal(ending(g), whole, `seed ${seed}`);
  }
});

test.run();
