/**
 * Debug exceptions: single steps over every kind of instruction, and breakpoints on instructions, data and ports (SDM vol. 3, 17.2 and 17.3).
 * The #DB handler just returns; where it was entered is read from the intercepted exceptions.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseIntercepts } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, hex, le, SEL, STACK } from '../vmm/guest.ts';

const TF = 0x100;
const BS = 0x4000;
const BT = 0x8000;
const BD = 0x2000;
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const at = (address: number): string => `04 25 ${le(address, 4)}`;
/** Where a guest ends: INT 31h, whose handler halts with TF clear. INT itself is not followed by a trap. */
const END = 'cd 31';

interface Case extends GuestOptions {
  readonly setUp?: (g: Guest) => void;
  /** Offsets at which #DB was taken, with DR6 bits other than BS. */
  readonly traps: readonly (number | [offset: number, dr6: number])[];
  readonly after?: (g: Guest) => void;
}

/** Sets RF in the image so that an instruction breakpoint is passed, and returns. */
const RESUME = '81 4c 24 10 00 00 01 00 48 cf';

function traps(c: Case, code: string): [number, number][] {
  const g = new Guest({ ...c, code: `${code} ${END}`, intercepts: parseIntercepts('db') });
  const long = g.mode === 'long' || g.mode === 'compat';
  g.put(HANDLERS + 16, long ? RESUME : g.mode === 'real' ? 'cf' : '81 4c 24 08 00 00 01 00 cf');
  g.put(HANDLERS + 16 * 0x30, long ? '48 cf' : 'cf');
  g.put(HANDLERS + 16 * 6, '48 83 04 24 02 48 cf');
  c.setUp?.(g);
  const exit = g.run(3000);
  assert.is(exit.reason, 'hlt', `${exit.reason} ${exit.detail} at ${g.rip.toString(16)}`);
  assert.is(g.vector, 0x31);
  c.after?.(g);
  return g
    .exits()
    .filter((e) => e.reason === 0)
    .map((e) => [e.rip - (c.at ?? CODE), Number(e.qualification)]);
}

const STEPS: Record<string, Case & { code: string }> = {
  'NOP, MOV, loads and stores': { code: `90 ${mov(0, 1)} 89 ${at(FREE)} 8b ${at(FREE)}`, traps: [1, 6, 13, 20] },
  'jumps taken and not': { code: '39 c0 74 01 90 75 01 90', traps: [2, 5, 7, 8] },
  'CALL and RET': { code: 'e8 02 00 00 00 eb 01 c3', traps: [7, 5, 8] },
  LOOP: { code: `${mov(1, 3)} e2 fe`, traps: [5, 5, 5, 7] },
  'a jump to itself is an instruction each time': { code: `${mov(1, 2)} ff c9 75 fc`, traps: [5, 7, 5, 7, 9] },
  'REP: each iteration': { code: `${mov(1, 3)} ${mov(7, FREE)} f3 aa`, traps: [5, 10, 10, 10, 12] },
  'REP of nothing': { code: '31 c9 f3 aa', traps: [2, 4] },
  'REPE CMPS': {
    code: `${mov(1, 9)} ${mov(6, FREE)} ${mov(7, FREE + 1)} f3 a6`,
    setUp: (g) => g.put(FREE, '01 01 02'),
    traps: [5, 10, 15, 15, 17],
  },
  'REP OUTS': { code: `${mov(1, 2)} ${mov(6, FREE)} f3 6e`, unclaimed: 'float', traps: [5, 10, 10, 12] },
  'POPF that sets TF: from the next instruction on': { rflags: 2, code: `9c 81 0c 24 00 01 00 00 9d 90 90`, traps: [10, 11] },
  'POPF that clears TF: it is stepped itself': { code: `9c 81 24 24 ff fe ff ff 9d 90 90`, traps: [1, 8, 9] },
  'PUSHF stores TF': { code: '9c 58', traps: [1, 2], after: (g) => assert.is(Number(g.reg(0)) & TF, TF) },
  'IRET that sets TF': {
    rflags: 2,
    code: `6a 10 68 ${le(STACK, 4)} 68 02 01 00 00 6a 08 68 ${le(CODE + 21, 4)} 48 cf 90 90`,
    traps: [22, 23],
  },
  'MOV SS: together with the next': { code: '8c d0 8e d0 90 90', traps: [2, 5, 6] },
  'LSS: not': {
    code: `c7 ${at(FREE)} ${le(STACK, 4)} c7 ${at(FREE + 4)} ${le(SEL.data, 4)} 0f b2 24 25 ${le(FREE, 4)} 90`,
    traps: [11, 22, 30, 31],
  },
  'STI: at once': { code: 'fb 90', traps: [1, 2] },
  'INT and its handler are not stepped': { code: 'cd 30 90', traps: [3] },
  INT3: { code: 'cc 90', setUp: (g) => g.put(HANDLERS + 16 * 3, '48 cf'), traps: [2] },
  'what faults is stepped when it completes': { code: '0f 0b 90', traps: [3] },
  'exits: CPUID, IN, RDMSR, MOV CR3, a device': {
    unclaimed: 'float',
    code: `0f a2 e4 10 b9 10 00 00 00 0f 32 0f 20 d8 0f 22 d8 a0 ${le(0x50_0000, 8)}`,
    traps: [2, 4, 9, 11, 14, 17, 26],
  },
  'HLT: the trap ends the halt': { code: 'f4 90', traps: [1, 2] },
  'a store into the next instruction': { code: 'c6 05 01 00 00 00 07 b0 00', traps: [7, 9], after: (g) => assert.is(Number(g.reg(0)), 7) },
  'an instruction across pages': { at: CODE + 0xffd, code: `${mov(0, 5)} 90`, traps: [5, 6] },
  'far jumps': { code: `48 b8 ${le(CODE + 20, 8)} 6a 08 50 48 cb 90 90 90 90 90 90`, traps: [10, 12, 13, 20, 21] },
  'SYSENTER keeps TF': {
    cpl: 3,
    code: '0f 34',
    traps: [0x100],
    setUp: (g) => {
      for (const [index, value] of [
        [0x174, SEL.code64],
        [0x175, STACK],
        [0x176, CODE + 0x100],
      ] as const)
        g.vcpu.setMsr(index, BigInt(value));
      g.put(CODE + 0x100, END);
    },
  },
  'SYSCALL traps by the TF that it leaves, SYSRET by the one that it loads': {
    cpl: 3,
    code: '0f 05 90',
    traps: [2, 3],
    setUp: (g) => {
      // SYSRET's selectors lie 16 and 8 above: user code 2Bh, data 23h.
      for (const [index, value] of [
        [0xc000_0081, (BigInt(0x1b) << 48n) | (BigInt(SEL.code64) << 32n)],
        [0xc000_0082, BigInt(CODE + 0x100)],
        [0xc000_0084, 0x100n],
      ] as const)
        g.vcpu.setMsr(index, value);
      g.put(CODE + 0x100, '90 90 48 0f 07');
    },
  },
  'real mode': { mode: 'real', code: '90 b8 01 00 f3 aa', traps: [1, 4, 6] },
  '32-bit code': { mode: 'paged32', code: '90 40 60 61', traps: [1, 2, 3, 4] },
  'a task whose T bit is set': {
    mode: 'prot32',
    rflags: 2,
    code: `9a 00 00 00 00 ${le(SEL.tss2, 2)} 90`,
    traps: [[HANDLERS + 16 * 0x40 - CODE, BT]],
    setUp: (g) => {
      g.put(0x3800 + 0x64, '01');
      g.put32(0x3800 + 0x20, HANDLERS + 16 * 0x40);
      g.put(HANDLERS + 16 * 0x40, 'cd 31');
    },
  },
};

for (const [name, c] of Object.entries(STEPS)) {
  test(`step: ${name}`, () => {
    const found = traps({ rflags: 2 | TF, ...c }, c.code);
    assert.equal(
      found,
      c.traps.map((t) => (Array.isArray(t) ? t : [t, BS])),
    );
  });
}

/** DR7 for breakpoint `n`: R/W kind 0 fetch, 1 write, 2 port, 3 access; length in bytes. */
const dr7 = (n: number, kind: number, length: number): bigint => {
  const len = { 1: 0, 2: 1, 4: 3, 8: 2 }[length] as number;
  return (2n << BigInt(2 * n)) | (BigInt(kind | (len << 2)) << BigInt(16 + 4 * n));
};
const watch =
  (...points: [address: number, kind: number, length: number][]) =>
  (g: Guest): void => {
    const db = [0n, 0n, 0n, 0n] as [bigint, bigint, bigint, bigint];
    let enabled = 0x400n;
    points.forEach(([address, kind, length], n) => {
      db[n] = BigInt(address);
      enabled |= dr7(n, kind, length);
    });
    g.vcpu.setDebugRegs({ db, dr7: enabled });
  };
const [FETCH, WRITE, PORT, ACCESS] = [0, 1, 2, 3];

const BREAKPOINTS: Record<string, Case & { code: string }> = {
  'an instruction, before it runs, once': { code: '90 90 90', setUp: watch([CODE + 1, FETCH, 1]), traps: [[1, 1]] },
  'an instruction in the middle of nothing: not': { code: mov(0, 1), setUp: watch([CODE + 1, FETCH, 1]), traps: [] },
  'two on one instruction': { code: '90 90', setUp: watch([CODE + 1, FETCH, 1], [CODE + 1, FETCH, 1]), traps: [[1, 3]] },
  'an instruction of a loop, each time round': {
    code: `${mov(1, 3)} ff c9 75 fc`,
    setUp: watch([CODE + 5, FETCH, 1]),
    traps: [
      [5, 1],
      [5, 1],
      [5, 1],
    ],
  },
  'a jump to itself, each time': {
    code: `${mov(1, 3)} e2 fe`,
    setUp: watch([CODE + 5, FETCH, 1]),
    traps: [
      [5, 1],
      [5, 1],
      [5, 1],
    ],
  },
  'a repeated instruction, once': { code: `${mov(1, 3)} ${mov(7, FREE)} f3 aa`, setUp: watch([CODE + 10, FETCH, 1]), traps: [[10, 1]] },
  'the instruction after MOV SS: not': { code: '8c d0 8e d0 90 90', setUp: watch([CODE + 4, FETCH, 1]), traps: [] },
  'a write': { code: `88 ${at(FREE)} 8a ${at(FREE)}`, setUp: watch([FREE, WRITE, 1]), traps: [[7, 1]] },
  'an access': {
    code: `88 ${at(FREE)} 8a ${at(FREE)} 8a ${at(FREE + 1)}`,
    setUp: watch([FREE, ACCESS, 1]),
    traps: [
      [7, 1],
      [14, 1],
    ],
  },
  'a write that covers it': { code: `89 ${at(FREE)} 89 ${at(FREE + 4)}`, setUp: watch([FREE + 3, WRITE, 1]), traps: [[7, 1]] },
  'lengths: 2 and 4 and 8, aligned': {
    code: `88 ${at(FREE + 1)} 88 ${at(FREE + 2)} 88 ${at(FREE + 7)} 88 ${at(FREE + 8)}`,
    setUp: watch([FREE + 1, WRITE, 2], [FREE + 1, WRITE, 4], [FREE + 5, WRITE, 8]),
    traps: [
      [7, 7],
      [14, 6],
      [21, 4],
    ],
  },
  'read and write in one instruction': {
    code: `fe ${at(FREE)} 0f b0 0c 25 ${le(FREE, 4)}`,
    setUp: watch([FREE, WRITE, 1]),
    traps: [
      [7, 1],
      [15, 1],
    ],
  },
  // A user's: the frame of the #DB would lie there as well.
  'PUSH, POP, CALL': {
    cpl: 3,
    code: '50 58 e8 00 00 00 00',
    setUp: watch([STACK - 8, WRITE, 8], [STACK - 8, ACCESS, 8]),
    traps: [
      [1, 3],
      [2, 2],
      [7, 3],
    ],
  },
  'REP STOS: after the iteration': {
    code: `${mov(1, 4)} ${mov(7, FREE)} f3 aa`,
    setUp: watch([FREE + 1, WRITE, 2]),
    traps: [
      [10, 1],
      [10, 1],
    ],
  },
  'across pages': {
    code: `48 89 ${at(FREE + 0xffc)}`,
    setUp: watch([FREE + 0x1000, WRITE, 4], [FREE + 0x1004, WRITE, 1]),
    traps: [[8, 1]],
  },
  SSE: {
    code: `0f 11 ${at(FREE)} 0f 10 ${at(FREE)}`,
    setUp: watch([FREE + 15, WRITE, 1], [FREE + 8, ACCESS, 8]),
    traps: [
      [8, 3],
      [16, 2],
    ],
  },
  'a step and a write together': {
    rflags: 2 | TF,
    code: `88 ${at(FREE)} 90`,
    setUp: watch([FREE, WRITE, 1]),
    traps: [
      [7, BS | 1],
      [8, BS],
    ],
  },
  'a write by what faults: not': { code: `${mov(7, FREE)} 0f 0b`, setUp: watch([FREE, ACCESS, 8]), traps: [] },
  'of a user': { cpl: 3, code: `88 ${at(FREE)}`, setUp: watch([FREE, WRITE, 1]), traps: [[7, 1]] },
  'in 32-bit code': {
    mode: 'paged32',
    code: `a2 ${le(FREE, 4)} a0 ${le(FREE, 4)}`,
    setUp: watch([FREE, ACCESS, 4]),
    traps: [
      [5, 1],
      [10, 1],
    ],
  },
  'not after DR7 was cleared': { code: `31 c0 0f 23 f8 88 ${at(FREE)}`, setUp: watch([FREE, WRITE, 1]), traps: [] },
  'from the instruction after DR7 was set': {
    code: `${mov(0, FREE)} 0f 23 c0 ${mov(0, 0x1_0002)} 0f 23 f8 88 ${at(FREE)}`,
    traps: [[23, 1]],
  },
  'ports, with CR4.DE': {
    unclaimed: 'float',
    code: `e4 60 e6 62 e5 5e e4 63`,
    traps: [
      [2, 1],
      [6, 1],
    ],
    setUp: (g) => {
      g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 8n });
      watch([0x60, PORT, 2])(g);
    },
  },
  'ports, without CR4.DE: not': { unclaimed: 'float', code: 'e4 60', setUp: watch([0x60, PORT, 1]), traps: [] },
  'REP OUTS: after each iteration': {
    unclaimed: 'float',
    code: `${mov(1, 2)} ${mov(2, 0x60)} ${mov(6, FREE)} f3 6e`,
    traps: [
      [15, 1],
      [17, 1],
    ],
    setUp: (g) => {
      g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 8n });
      watch([0x60, PORT, 1])(g);
    },
  },
  'general detect: MOV DR faults, and GD is off for the handler': {
    code: `0f 21 f8`,
    setUp: (g) => g.vcpu.setDebugRegs({ dr7: 0x2400n }),
    traps: [[0, BD]],
    after: (g) => assert.is(g.vcpu.getDebugRegs().dr7, 0x400n),
  },
};

for (const [name, c] of Object.entries(BREAKPOINTS)) {
  test(`breakpoint: ${name}`, () => {
    assert.equal(traps(c, c.code), c.traps as [number, number][]);
  });
}

test('breakpoint: DR6 gathers, and keeps its fixed bits', () => {
  const g = new Guest({ code: `88 ${at(FREE)} ${END}`, rflags: 2 | TF });
  g.put(HANDLERS + 16, hex('0f 21 f0 f4'));
  watch([0, FETCH, 1], [FREE, WRITE, 1])(g);
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0xffff_0ff0 + BS + 2);
});

test('breakpoints cost nothing when they are off again', () => {
  const g = new Guest({ code: `${mov(1, 1000)} 88 ${at(FREE)} e2 f7 31 c0 0f 23 f8 ${mov(1, 1000)} 88 ${at(FREE)} e2 f7 f4` });
  watch([FREE + 64, WRITE, 1])(g);
  const steps = (): number => g.vcpu.state.number('ENG_STEPS');
  g.run(2001);
  assert.ok(steps() >= 2000);
  const before = steps();
  assert.is(g.run().reason, 'hlt');
  assert.ok(steps() - before < 100, `${steps() - before} steps`);
});

test('RF is pushed for what comes between iterations of REP, not after the last one (SDM vol. 3, 17.3.1.1)', () => {
  // The #DB handler keeps the image's RF.
  const g = new Guest({ code: `${mov(1, 3)} ${mov(7, FREE)} f3 aa 90 90 ${END}`, rflags: 2 | TF });
  g.put(HANDLERS + 16, hex('50 8a 44 24 1a 48 ff c2 88 04 55 00 10 02 00 58 48 cf'));
  assert.is(g.run().reason, 'hlt');
  const seen = Array.from({ length: 7 }, (_, i) => g.read(FREE + 0x1000 + 2 * (i + 1), 1) & 1);
  assert.equal(seen, [0, 0, 1, 1, 0, 0, 0]);
});

test('DEBUGCTL.BTF: steps from branch to branch; each #DB ends it', () => {
  // WRMSR 1D9h = 2, TF by POPF; the handler sets BTF again.
  const set = 'b9 d9 01 00 00 b8 02 00 00 00 31 d2 0f 30';
  const g = new Guest({
    code: `${set} 68 02 01 00 00 9d 90 39 c0 75 02 74 01 90 90 eb 01 90 e8 00 00 00 00 f4`,
    rflags: 2,
    intercepts: parseIntercepts('db'),
  });
  g.put(HANDLERS + 16, `50 51 52 ${set} 5a 59 58 48 cf`);
  assert.is(g.run().reason, 'hlt');
  const base = CODE + hex(set).length;
  const at = g.exits().filter((e) => e.reason === 0);
  assert.equal(
    at.map((e) => e.rip - base),
    [14, 18, 23],
  );
});

test('RF that nothing is held off by costs no single steps', () => {
  // IRETQ with RF in the image onto a long repeated instruction.
  const g = new Guest({
    code: `6a 10 68 ${le(STACK, 4)} 68 02 00 01 00 6a 08 68 ${le(CODE + 21, 4)} 48 cf ${mov(1, 4000)} ${mov(7, FREE)} f3 aa f4`,
  });
  g.run(6);
  const before = g.vcpu.state.number('ENG_STEPS');
  assert.is(g.run().reason, 'hlt');
  assert.ok(g.vcpu.state.number('ENG_STEPS') - before < 100);
});

test.run();
