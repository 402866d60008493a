/**
 * Instruction counts are exact, and nothing depends on where a run is cut: an iteration counts as an instruction, HLT 1, what faults 0, and
 * `run(limit)` stops at exactly the limit, wherever it falls.
 */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT } from '../../vmm/cpu/registers.ts';
import { FIELDS } from '../../vmm/cpu/layout.ts';
import { DEFAULT_EXIT_COSTS } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, le } from '../vmm/guest.ts';
import { load, numbers, randomCode } from './random-code.ts';

const NOP = '90';
const iret = { at: HANDLERS + 16 * 0x30, code: '48 cf' };
/** #UD skips UD2 and returns. */
const skipUd = { at: HANDLERS + 16 * 6, code: '48 83 04 24 02 48 cf' };

/** Code that ends with HLT, the instructions it retires, and where RIP ends relative to its start. */
const COUNTS: [string, GuestOptions & { also?: { at: number; code: string } }, number, number][] = [
  ['HLT is 1', { code: 'f4' }, 1, 1],
  ['NOP', { code: '90 f4' }, 2, 2],
  ['REP counts its iterations', { code: `b9 05 00 00 00 bf ${le(FREE, 4)} f3 aa f4` }, 8, 13],
  ['REP with count 0 is 1', { code: '31 c9 f3 aa f4' }, 3, 5],
  ['REP of 10000', { code: `b9 10 27 00 00 bf ${le(FREE, 4)} f3 aa f4` }, 10003, 13],
  ['REP MOVS across pages', { code: `b9 d0 07 00 00 be ${le(FREE, 4)} bf ${le(FREE + 0x3003, 4)} f3 48 a5 f4` }, 2004, 19],
  ['REP backwards', { code: `fd b9 03 00 00 00 bf ${le(FREE + 8, 4)} f3 ab f4` }, 7, 14],
  // The bytes differ at once: one iteration.
  ['REPE CMPS ends at the difference', { code: `b9 09 00 00 00 be ${le(CODE, 4)} bf ${le(FREE, 4)} f3 a6 f4` }, 5, 18],
  ['REPNE SCAS', { code: `31 c0 b9 09 00 00 00 bf ${le(FREE, 4)} f2 ae f4` }, 5, 15],
  ['fused compare and jump, taken', { code: '39 c0 74 01 90 f4' }, 3, 6],
  ['fused compare and jump, not taken', { code: '39 c0 75 01 90 f4' }, 4, 6],
  ['fused test with memory', { code: 'f6 04 25 00 80 00 00 01 75 01 90 f4' }, 4, 12],
  ['LOOP', { code: 'b9 07 00 00 00 90 e2 fd f4' }, 16, 9],
  ['exactly a line of 32', { code: `${NOP.repeat(31)} f4` }, 32, 32],
  ['one more than a line', { code: `${NOP.repeat(32)} f4` }, 33, 33],
  ['three lines and a bit', { code: `${NOP.repeat(100)} f4` }, 101, 101],
  ['a jump into the middle of a line', { code: `31 c9 ${NOP.repeat(10)} ff c1 83 f9 03 75 f6 f4` }, 1 + 10 + 3 + 2 * (3 + 3) + 1, 20],
  ['a page full of NOP', { code: `${NOP.repeat(4096)} f4` }, 4097, 4097],
  ['the page ends after an instruction', { at: CODE + 0xffe, code: '89 c0 f4' }, 2, 3],
  ['an instruction crosses the page end', { at: CODE + 0xffd, code: 'b8 01 00 00 00 f4' }, 2, 6],
  [
    'every instruction of a loop crosses or ends at the page end',
    { at: CODE + 0xffa, code: 'b9 05 00 00 00 81 c0 01 00 00 00 ff c9 75 f6 f4' },
    1 + 15 + 1,
    16,
  ],
  ['CALL and RET', { code: 'e8 02 00 00 00 eb 01 c3 f4' }, 4, 9],
  ['INT and IRET', { code: 'cd 30 f4', also: iret }, 3, 3],
  ['what faults is 0: UD2, then its handler of two', { code: '0f 0b f4', also: skipUd }, 3, 3],
  ['CPUID, RDTSC', { code: '0f a2 0f 31 f4' }, 3, 5],
  ['IN and OUT', { code: 'e4 10 e6 10 f4', unclaimed: 'float' }, 3, 5],
  ['REP OUTS', { code: `b9 06 00 00 00 be ${le(FREE, 4)} 66 ba 10 00 f3 6e f4`, unclaimed: 'float' }, 10, 17],
  ['MMIO', { code: 'a1 00 00 50 00 00 00 00 00 f4', unclaimed: 'float' }, 2, 10],
  ['a store into the code ahead', { code: 'c6 05 01 00 00 00 07 b0 00 f4' }, 3, 10],
  ['real mode', { mode: 'real', code: `b9 05 00 bf 00 90 f3 aa ${NOP.repeat(40)} f4` }, 5 + 2 + 40 + 1, 49],
  ['32-bit code', { mode: 'paged32', code: `31 c0 40 83 f8 14 75 fa 60 61 f4` }, 1 + 60 + 3, 11],
];

for (const [name, options, count, length] of COUNTS) {
  test(`count: ${name}`, () => {
    for (const slice of [100_000, 1, 7]) {
      const g = new Guest(options);
      if (options.also !== undefined) g.put(options.also.at, options.also.code);
      g.vm.slice = slice;
      assert.is(g.run().reason, 'hlt');
      assert.is(g.rip - (options.at ?? CODE), length, `rip, slice ${slice}`);
      assert.is(g.vcpu.instructions, count, `slice ${slice}`);
    }
  });
}

/** Everything of the vCPU that a guest, a monitor or a snapshot sees. */
function state(g: Guest): Record<string, string> {
  const s = g.vcpu.state;
  const out: Record<string, string> = { flags: g.vcpu.getRegs().rflags.toString(16), clock: String(g.now) };
  for (const f of FIELDS) {
    if (!f.saved || /^(FLAG_|RFLAGS$|SLICE_END$|ENG_)/.test(f.name)) continue;
    out[f.name] = Array.from({ length: f.count }, (_, i) => s.get(f.name, i).toString(16)).join(' ');
  }
  return out;
}

test('run(limit) stops at every number of instructions, as if stepped there', () => {
  const program = `be ${le(FREE, 4)} b9 03 00 00 00 51 b9 05 00 00 00 bf ${le(FREE + 0x100, 4)} f3 a4 ${NOP.repeat(35)} 0f a2 cd 30 0f 0b e8 00 00 00 00 58 59 ff c9 75 bf f4`;
  const make = (): Guest => {
    const g = new Guest({ code: program, costs: DEFAULT_EXIT_COSTS });
    for (const h of [iret, skipUd]) g.put(h.at, h.code);
    return g;
  };
  const stepped = make();
  const states: string[] = [];
  for (let n = 1; stepped.run(n).reason === 'intr'; n++) {
    assert.is(stepped.vcpu.instructions, n);
    states[n] = JSON.stringify(state(stepped));
  }
  assert.ok(states.length > 150);
  // From one start over all distances, and from all starts.
  for (let n = 1; n < states.length; n += 5) {
    const g = make();
    assert.is(g.run(n).reason, 'intr');
    assert.is(g.vcpu.instructions, n);
    assert.equal(JSON.stringify(state(g)), states[n], `run(${n})`);
  }
  for (const step of [2, 3, 5, 31, 32, 33, 34, 64]) {
    const g = make();
    for (let n = step; n < states.length; n += step) {
      assert.is(g.run(n).reason, 'intr');
      assert.equal(JSON.stringify(state(g)), states[n], `run(${n}) in steps of ${step}`);
    }
  }
});

const LIMIT = 20_000;
const NMI_EVERY = 7919;

/** Runs a random program with an NMI now and then; `cut(n)` gives random numbers to cut the run with. */
function outcome(seed: number, cut?: (n: number) => number): Record<string, string> {
  const g = new Guest({ costs: DEFAULT_EXIT_COSTS, unclaimed: 'float' });
  load(g, randomCode(seed, 60));
  let due = 1000;
  const nmi = g.vm.clock.deadline('nmi', () => {
    g.vcpu.raise(EVENT.NMI);
    nmi.arm((due += NMI_EVERY));
  });
  nmi.arm(due);
  let reason = '';
  do {
    const limit = cut === undefined ? LIMIT : Math.min(LIMIT, g.vcpu.instructions + 1 + cut(cut(2) ? 10 : 400));
    if (cut !== undefined) g.vm.slice = 1 + cut(cut(2) ? 3 : 100);
    reason = g.run(limit).reason;
    if (reason === 'intr') assert.is(g.vcpu.instructions, limit);
  } while (reason === 'intr' && g.vcpu.instructions < LIMIT);
  return {
    reason,
    ...state(g),
    ram: createHash('sha256')
      .update(g.vm.ram.view(0, g.vm.ram.size) as Uint8Array)
      .digest('hex'),
  };
}

test('random programs end in the same state however the run is cut', () => {
  let instructions = 0;
  for (let seed = 1; seed <= 24; seed++) {
    const whole = outcome(seed);
    assert.equal(outcome(seed, numbers(seed + 1000)), whole, `seed ${seed}, cut at random`);
    if (seed % 5 === 0)
      assert.equal(
        outcome(seed, () => 0),
        whole,
        `seed ${seed}, one by one`,
      );
    instructions += Number.parseInt(whole['ICOUNT'] as string, 16);
  }
  assert.ok(instructions > 50_000, `${instructions} instructions are few`);
});

test.run();
