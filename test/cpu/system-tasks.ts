/**
 * Hardware task switches: SDM vol. 3 section 8.3 step by step, and table 8-1's faults, each way into a task. Registers tests; system.test.ts
 * runs them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as M from './system-machine.ts';

const { core, CPU, state } = M;
const [CS, SS, DS] = [1, 2, 3];
const [LDTR, TR] = [6, 7];
const [TS, NP, SSF, GP, PF] = [10, 11, 12, 13, 14];
const NT = 0x4000;
const rip = (): bigint => state.get('RIP');
const ENTRY = 0x1234;
const VECTOR = 0x40;

/** Fields of the 32-bit TSS (figure 8-2). */
const FIELD = {
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  esp: 0x38,
  es: 0x48,
  cs: 0x4c,
  ss: 0x50,
  ds: 0x54,
  fs: 0x58,
  gs: 0x5c,
  ldt: 0x60,
  t: 0x64,
} as const;

/** A task of level 0 in TSS2, with data segments that anybody may have. */
function task(): void {
  M.write32(M.TSS2 + FIELD.eip, ENTRY);
  M.write32(M.TSS2 + FIELD.eflags, 0x202);
  M.write32(M.TSS2 + FIELD.esp, 0x7000);
  M.lay(M.TSS2 + FIELD.es, 2, 4, [M.DATA3, M.CODE0, M.DATA0, M.DATA3, M.DATA3, M.DATA3]);
  M.write16(M.TSS2 + FIELD.ldt, M.LDT_SEL);
  state.setNumber('STEPPING', 1);
}

/** The ways into TSS2; the first three find it available, IRET finds it busy. */
const WAYS: Record<string, { readonly busy: boolean; readonly prepare?: () => void; readonly go: () => void }> = {
  JMP: { busy: false, go: () => core.farJump(CPU, M.TSS2_SEL, 0n, 4) },
  CALL: { busy: false, go: () => core.farCall(CPU, M.TSS2_SEL, 0n, 4) },
  'INT n': {
    busy: false,
    prepare: () => M.write64(M.IDT + 8 * VECTOR, M.gate(5, M.TSS2_SEL, 0, 3)),
    go: () => core.softInt(CPU, VECTOR, 0),
  },
  'task gate': {
    busy: false,
    prepare: () => M.write64(M.GDT + M.FREE, M.gate(5, M.TSS2_SEL, 0)),
    go: () => core.farCall(CPU, M.FREE, 0n, 4),
  },
  IRET: {
    busy: true,
    prepare: () => {
      M.setFlags(NT | 2);
      M.write16(M.TSS, M.TSS2_SEL);
      M.write64(M.GDT + M.TSS2_SEL, M.segment(0x8b, 0, M.TSS2, 0x67));
    },
    go: () => core.iret(CPU, 4),
  },
};

function ready(way: string): void {
  M.protectedMode(0);
  task();
  WAYS[way]?.prepare?.();
}

const busy = (selector: number): boolean => (M.read8(M.GDT + selector + 5) & 2) !== 0;
const spare = (access: number, flags = M.FLAT32): number => {
  M.write64(M.GDT + M.FREE + 8, M.segment(access, flags));
  return M.FREE + 8;
};
const field = (at: number, selector: number): void => M.write16(M.TSS2 + at, selector);
const ABSENT = 0x7f;

/** Table 8-1, the checks of the new task's context, in their order: what is wrong, vector, error code. */
const CONTEXT: readonly (readonly [string, () => void, number, number])[] = [
  ['LDT in the LDT', () => field(FIELD.ldt, M.LDT_SEL | 4), TS, M.LDT_SEL | 4],
  ['LDT outside the GDT', () => field(FIELD.ldt, 0x1000), TS, 0x1000],
  ['LDT that is none', () => field(FIELD.ldt, M.DATA0), TS, M.DATA0],
  ['LDT that is a TSS', () => field(FIELD.ldt, M.TSS_SEL), TS, M.TSS_SEL],
  ['LDT not present', () => M.write64(M.GDT + M.LDT_SEL, M.segment(0x02, 0, M.LDT, 0xff)), TS, M.LDT_SEL],
  ['CS null', () => field(FIELD.cs, 0), TS, 0],
  ['CS outside', () => field(FIELD.cs, 0x1000), TS, 0x1000],
  ['CS data', () => field(FIELD.cs, M.DATA0), TS, M.DATA0],
  ['CS of another level', () => field(FIELD.cs, M.CODE3), TS, M.CODE3],
  ['CS conforming, less privileged', () => field(FIELD.cs, spare(M.CONFORMING | M.dpl(3))), TS, M.FREE + 8],
  ['CS not present', () => field(FIELD.cs, spare(M.CODE & ABSENT)), NP, M.FREE + 8],
  ['SS null', () => field(FIELD.ss, 0), TS, 0],
  ['SS outside', () => field(FIELD.ss, 0x1000), TS, 0x1000],
  ['SS read-only', () => field(FIELD.ss, spare(M.READ_ONLY)), TS, M.FREE + 8],
  ['SS code', () => field(FIELD.ss, M.CODE0), TS, M.CODE0],
  ['SS of another level', () => field(FIELD.ss, M.DATA3), TS, M.DATA3],
  ['SS with another RPL', () => field(FIELD.ss, M.DATA0 | 3), TS, M.DATA0],
  ['SS not present', () => field(FIELD.ss, spare(M.DATA & ABSENT)), SSF, M.FREE + 8],
  ['DS outside', () => field(FIELD.ds, 0x1000), TS, 0x1000],
  ['DS a system segment', () => field(FIELD.ds, M.TSS_SEL), TS, M.TSS_SEL],
  ['DS execute-only', () => field(FIELD.ds, spare(0x98)), TS, M.FREE + 8],
  ['DS with too weak an RPL', () => field(FIELD.ds, M.DATA0 | 3), TS, M.DATA0],
  ['DS not present', () => field(FIELD.ds, spare((M.DATA | M.dpl(3)) & ABSENT)), NP, M.FREE + 8],
  [
    'ES in an LDT that is null',
    () => {
      field(FIELD.ldt, 0);
      field(FIELD.es, 0xc);
    },
    TS,
    0xc,
  ],
  ['FS not present', () => field(FIELD.fs, spare((M.DATA | M.dpl(3)) & ABSENT)), NP, M.FREE + 8],
  ['GS outside', () => field(FIELD.gs, 0x1000), TS, 0x1000],
  [
    'EIP beyond the limit',
    () => {
      field(FIELD.cs, spare(M.CODE, 0x4));
      M.write32(M.TSS2 + FIELD.eip, 0x10_0000);
    },
    GP,
    0,
  ],
];

for (const [way, { go, busy: backwards }] of Object.entries(WAYS)) {
  test(`task switch by ${way}: both contexts, busy bits, link, NT, TS`, () => {
    ready(way);
    if (!backwards) M.setFlags(0x246);
    state.set('REGS', 0xabcdn, 0);
    state.set('DR', 0x7ffn, 7);
    M.passes(go);
    const nested = way !== 'JMP' && way !== 'IRET';
    assert.equal([rip(), M.rsp(), M.selector(CS), M.selector(SS), M.selector(DS)], [BigInt(ENTRY), 0x7000, M.CODE0, M.DATA0, M.DATA3]);
    assert.equal([M.selector(TR), M.selector(LDTR), state.number('SEG_LIMIT', LDTR)], [M.TSS2_SEL, M.LDT_SEL, 0xff]);
    assert.equal([busy(M.TSS_SEL), busy(M.TSS2_SEL)], [nested, true]);
    assert.is(core.readFlags(CPU), nested ? 0x202 | NT : 0x202);
    assert.is(M.read16(M.TSS2), nested ? M.TSS_SEL : 0);
    assert.is(M.read32(M.TSS + FIELD.eflags), backwards ? 2 : 0x246, 'NT does not stay in what IRET leaves');
    assert.equal([M.read32(M.TSS + FIELD.eip), M.read32(M.TSS + 0x28)], [0x6002, 0xabcd]);
    assert.is(state.number('CR0') & 8, 8);
    assert.is(state.number('DR', 7) & 0x3ff, 0x2aa, 'local breakpoints are the old task’s');
    assert.is(M.exits(9), 1);
  });

  for (const [what, spoil, vector, error] of CONTEXT) {
    test(`task switch by ${way}: ${what} faults in the new task`, () => {
      ready(way);
      spoil();
      go();
      assert.equal(M.raised(), [vector, error & 0xfffc]);
      assert.equal([M.selector(TR), busy(M.TSS2_SEL), state.number('CPL')], [M.TSS2_SEL, true, 0]);
      assert.is(rip(), BigInt(M.read32(M.TSS2 + FIELD.eip)));
      assert.is(M.read32(M.TSS + FIELD.eip), 0x6002, 'the old task is saved');
    });
  }

  test(`task switch by ${way}: the TSS itself is checked in the old task`, () => {
    const selector = M.TSS2_SEL;
    const type = backwards ? 0x8b : 0x89;
    const vector = backwards ? TS : GP;
    for (const [what, access, limit, expected] of [
      [backwards ? 'available' : 'busy', type ^ 2, 0x67, vector],
      ['not present', type & ABSENT, 0x67, NP],
      ['short', type, 0x66, TS],
      ['16-bit and short', type & ~8, 0x2a, TS],
      ['an LDT', 0x82, 0x67, vector],
      ['data', 0x92, 0x67, vector],
    ] as const) {
      ready(way);
      M.write64(M.GDT + selector, M.segment(access, 0, M.TSS2, limit));
      // What names a TSS directly is refused by the type before it counts as a task.
      M.refused(expected, selector, go, `${way}: ${what}`);
      assert.is(M.read32(M.TSS + FIELD.eip), 0, 'nothing was saved');
    }
  });

  test(`task switch by ${way}: pages of either TSS and of the GDT that are missing or read-only fault in the old task`, () => {
    for (const [page, entry, error, cr2] of [
      [5, 0, 0, 0x5000],
      [4, 0x4001, 3, M.TSS + 0x20],
      [1, 0x1001, 3, M.GDT + (way === 'JMP' ? M.TSS2_SEL : backwards ? M.TSS_SEL : M.TSS2_SEL) + 5],
    ] as const) {
      ready(way);
      M.write32(0x18000, 0x19003);
      for (let i = 0; i < 32; i++) M.write32(0x19000 + 4 * i, (i << 12) | 3);
      M.write32(0x19000 + 4 * page, entry);
      M.write32(M.TSS2 + FIELD.cr3, 0x18000);
      state.set('CR3', 0x18000n);
      state.set('CR0', 0x80010011n);
      core.modeChanged(CPU);
      M.refused(PF, error, go, `page ${page}`);
      assert.is(state.number('EXC_CR2'), cr2, `page ${page}`);
      assert.equal([busy(M.TSS_SEL), busy(M.TSS2_SEL), M.read32(M.TSS + FIELD.eip)], [true, backwards, 0]);
    }
  });
}

test('task switch: the order of the checks is LDT, CS, SS, data segments', () => {
  const spoil: [number, number][] = [];
  for (const [at, selector] of [
    [FIELD.ds, 0x1300],
    [FIELD.ss, 0x1200],
    [FIELD.cs, 0x1100],
    [FIELD.ldt, 0x1000],
  ] as const) {
    spoil.push([at, selector]);
    ready('JMP');
    for (const [a, s] of spoil) field(a, s);
    core.farJump(CPU, M.TSS2_SEL, 0n, 4);
    assert.equal(M.raised(), [TS, selector]);
  }
});

test('task switch: faults of an external event have EXT, in the old task and in the new', () => {
  for (const [spoil, vector, error] of [
    [(): void => M.write64(M.GDT + M.TSS2_SEL, M.segment(0x89, 0, M.TSS2, 0x66)), TS, M.TSS2_SEL | 1],
    [(): void => M.write64(M.GDT + M.TSS2_SEL, M.segment(0x8b, 0, M.TSS2, 0x67)), GP, M.TSS2_SEL | 1],
    [(): void => field(FIELD.ds, 0x1000), TS, 0x1001],
    [(): void => field(FIELD.ss, spare(M.DATA & ABSENT)), SSF, (M.FREE + 8) | 1],
  ] as const) {
    M.protectedMode(0);
    task();
    M.write64(M.IDT + 8 * VECTOR, M.gate(5, M.TSS2_SEL, 0));
    // The handlers run at the level of what they interrupt, on a stack of their own task's.
    M.write64(M.IDT + 8 * vector, M.gate(5, 0x90, 0));
    M.write64(M.GDT + 0x90, M.segment(0x89, 0, 0x5800, 0x67));
    M.write32(0x5800 + FIELD.eip, 0x4321);
    M.write32(0x5800 + FIELD.eflags, 2);
    M.write32(0x5800 + FIELD.esp, 0x7800);
    M.lay(0x5800 + FIELD.es, 2, 4, [0, M.CODE0, M.DATA0, 0, 0, 0]);
    spoil();
    M.passes(() => core.deliverInterrupt(CPU, VECTOR));
    assert.equal([rip(), M.rsp(), M.read32(0x77fc)], [0x4321n, 0x77fc, error]);
  }
});

test('task switch: INT n minds the gate’s privilege, not the TSS’s', () => {
  M.protectedMode(3);
  task();
  M.write64(M.IDT + 8 * VECTOR, M.gate(5, M.TSS2_SEL, 0, 0));
  M.refused(GP, 8 * VECTOR + 2, () => core.softInt(CPU, VECTOR, 0));
  M.write64(M.IDT + 8 * VECTOR, M.gate(5, M.TSS2_SEL, 0, 3));
  M.passes(() => core.softInt(CPU, VECTOR, 0));
  assert.equal([rip(), state.number('CPL'), M.read16(M.TSS + FIELD.cs)], [BigInt(ENTRY), 0, M.CODE3 | 3]);
  M.protectedMode(3);
  task();
  M.refused(GP, M.TSS2_SEL, () => core.farCall(CPU, M.TSS2_SEL | 3, 0n, 4), 'a CALL minds the TSS’s');
  M.write64(M.GDT + M.TSS2_SEL, M.segment(0x89 | M.dpl(3), 0, M.TSS2, 0x67));
  M.passes(() => core.farCall(CPU, M.TSS2_SEL | 3, 0n, 4));
});

test('task switch: into virtual-8086 mode, and back by an interrupt’s task gate', () => {
  M.protectedMode(0);
  task();
  M.write32(M.TSS2 + FIELD.eflags, 0x2_3202);
  M.lay(M.TSS2 + FIELD.es, 2, 4, [0x100, 0x200, 0x300, 0x400, 0x500, 0x600]);
  M.passes(() => core.farJump(CPU, M.TSS2_SEL, 0n, 4));
  assert.equal(
    [state.number('PROT'), state.number('CPL'), state.get('SEG_BASE', CS), state.number('SEG_LIMIT', SS)],
    [2, 3, 0x2000n, 0xffff],
  );
  assert.equal([M.rights(DS) & 0xff, state.get('SEG_BASE', 5)], [0xf3, 0x6000n]);
  M.write64(M.IDT + 8 * VECTOR, M.gate(5, M.TSS_SEL, 0));
  M.at(0x10n);
  M.passes(() => core.deliverInterrupt(CPU, VECTOR));
  assert.equal([state.number('PROT'), state.number('CPL'), rip(), M.read16(M.TSS2 + FIELD.cs)], [1, 0, 0x6002n, 0x200]);
});

test('task switch: CR3 is loaded with paging only, and the T bit is a trap', () => {
  M.protectedMode(0);
  task();
  M.write32(M.TSS2 + FIELD.cr3, 0x18000);
  M.write16(M.TSS2 + FIELD.t, 1);
  M.passes(() => core.farJump(CPU, M.TSS2_SEL, 0n, 4));
  assert.equal([state.get('CR3'), state.get('PENDING_DB')], [0n, 0x8000n]);
  M.protectedMode(0);
  task();
  for (const directory of [0x18000, 0x1a000]) M.write32(directory, 0x83);
  M.write32(M.TSS2 + FIELD.cr3, 0x1a018);
  state.set('CR3', 0x18000n);
  state.set('CR4', 0x10n);
  state.set('CR0', 0x80000011n);
  core.modeChanged(CPU);
  M.passes(() => core.farJump(CPU, M.TSS2_SEL, 0n, 4));
  assert.is(state.get('CR3'), 0x1a018n);
});

test('task switch: between TSSs of 16 and of 32 bits', () => {
  M.protectedMode(0);
  task();
  // From 16 bits: only its fields are written.
  M.write64(M.GDT + M.TSS_SEL, M.segment(0x83, 0, M.TSS, 0x2b));
  M.put(TR, M.TSS_SEL);
  M.setFlags(0x246);
  state.set('REGS', 0x1234_abcdn, 0);
  for (let at = 0; at < 0x68; at += 4) M.write32(M.TSS + at, 0xcccc_cccc);
  M.passes(() => core.farCall(CPU, M.TSS2_SEL, 0n, 4));
  assert.equal(M.words(M.TSS + 0x0e, 2, 3), [0x6002, 0x246, 0xabcd]);
  assert.equal(M.words(M.TSS + 0x22, 2, 5), [M.DATA0, M.CODE0, M.DATA0, M.DATA0, 0xcccc]);
  assert.equal([M.read16(M.TSS2), M.read32(M.TSS + 0x2c)], [M.TSS_SEL, 0xcccc_cccc]);
  assert.equal([rip(), core.readFlags(CPU)], [BigInt(ENTRY), 0x202 | NT]);
  // And back: FS and GS are null, the link is its first word.
  M.write16(M.TSS + 0x2a, 0);
  M.passes(() => core.iret(CPU, 4));
  assert.equal(
    [rip(), core.readFlags(CPU), state.number('REGS', 0) & 0xffff, M.selector(4), M.selector(TR)],
    [0x6002n, 0x246, 0xabcd, 0, M.TSS_SEL],
  );
  assert.is(M.rights(4) & 0x10000, 0x10000);
});

test('task switch: the error code goes onto the new task’s stack, by the width of its TSS', () => {
  for (const wide of [true, false]) {
    M.protectedMode(0);
    task();
    if (!wide) {
      M.write64(M.GDT + M.TSS2_SEL, M.segment(0x81, 0, M.TSS2, 0x2b));
      M.lay(M.TSS2 + 0x0e, 2, 2, [ENTRY, 2, 0, 0, 0, 0, 0x7000, 0, 0, 0, M.DATA0, M.CODE0, M.DATA16, M.DATA0, 0]);
    }
    M.write64(M.IDT + 8 * GP, M.gate(5, M.TSS2_SEL, 0));
    state.setNumber('EXC', 0x300 | GP);
    state.setNumber('EXC_ERROR', 0x1234);
    M.passes(() => core.deliverPending(CPU));
    const size = wide ? 4 : 2;
    assert.equal([rip(), M.rsp() & 0xffff, M.read16(0x7000 - size)], [BigInt(ENTRY), 0x7000 - size, 0x1234]);
    // RF is set in what a fault saves.
    assert.is(M.read32(M.TSS + FIELD.eflags), 0x10002);
  }
  // No room for it is #SS(0) of the new task, with EXT.
  M.protectedMode(0);
  task();
  M.write64(M.GDT + M.FREE, M.segment(M.DATA, 0x4, 0, 0xfff));
  field(FIELD.ss, M.FREE);
  M.write64(M.IDT + 8 * GP, M.gate(5, M.TSS2_SEL, 0));
  M.write64(M.IDT + 8 * 8, M.gate(5, 0x90, 0));
  M.write64(M.GDT + 0x90, M.segment(0x89, 0, 0x5800, 0x67));
  M.write32(0x5800 + FIELD.eip, 0x4321);
  M.write32(0x5800 + FIELD.esp, 0x7800);
  M.lay(0x5800 + FIELD.es, 2, 4, [0, M.CODE0, M.DATA0, 0, 0, 0]);
  state.setNumber('EXC', 0x300 | GP);
  M.passes(() => core.deliverPending(CPU));
  assert.equal([rip(), M.read32(0x77fc), M.read16(0x5800)], [0x4321n, 0, M.TSS2_SEL], '#GP, then #SS: a double fault in the new task');
});
