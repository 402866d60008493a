/**
 * Faults are precise: the state is as if every earlier instruction had completed and none of the faulting one, in the middle of a line as
 * when stepped; and where several things are wrong, the right one is reported (SDM vol. 3, 6.5, 6.9 and 6.15).
 */
import { Decoder, DecoderOptions, Register } from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, hex, le, SEL, STACK } from '../vmm/guest.ts';

/** A page that is not there, one that is read-only, and the end of one before a missing one. */
const MISSING = FREE + 0x2000;
const READ_ONLY = FREE + 0x5000;
const EDGE = MISSING - 1;

function prepared(options: GuestOptions): Guest {
  const g = new Guest(options);
  g.put64(g.pte(MISSING), 0);
  g.put64(g.pte(READ_ONLY), READ_ONLY | 5);
  for (const page of [FREE + 0x1000, READ_ONLY])
    g.put(
      page,
      Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + 3) & 0xff),
    );
  return g;
}

const ALL = ['rax', 'rcx', 'rdx', 'rbx', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const;

/** Registers, flags, x87 and SSE state, and the memory around the operand. */
function picture(g: Guest, operand: number): object {
  const { rsp: _, rip: __, rflags: ___, ...regs } = g.vcpu.getRegs();
  return { regs, fpu: g.vcpu.getFpu(), memory: [...(g.vm.ram.view(operand & ~0xfff, 0x1000) as Uint8Array)].join() };
}

/** Instructions with the operand [rbx]; what comes after a slash writes it, too. */
const READS = `
03 03, 48 03 03, 02 03, 66 03 03, 2b 03, 3b 03, 23 03, 0b 03, 33 03, 13 03, 1b 03, 85 03, 84 03, f6 03 01, f7 03 01 00 00 00,
8a 03, 8b 03, 48 8b 03, 66 8b 03, 0f b6 03, 0f b7 03, 0f be 03, 48 63 03, 0f af 03, 69 03 05 00 00 00, f7 23, f7 2b, f7 33, f7 3b, f6 33,
0f a3 13, 0f ba 23 03, 0f bc 03, 0f bd 03, 0f 44 03, ff 33, ff 23, ff 13, 0f 10 03, 0f 28 03, 0f 6f 03, f3 0f 10 03, f2 0f 10 03, 66 0f 6f 03,
0f 58 03, f2 0f 58 03, 66 0f fe 03, 0f ae 13, d8 03, d9 03, dd 03, db 2b, df 2b, da 03, d9 2b, dd 23, 0f ae 0b, 0f 00 1b, 0f 01 13, 0f 01 33, 8e 1b, 0f b2 23,
48 ff 2b, 48 ff 1b, 0f 02 03, 0f 00 23, 66 0f 3a 0f 03 01, 0f 2a 03, f3 0f 2a 03, 66 0f 2e 03`;
const WRITES = `
01 03, 48 01 03, 00 03, 66 01 03, 29 03, 21 03, 09 03, 31 03, 11 03, 19 03, 83 03 05, 81 03 05 00 00 00, 80 03 05, f7 13, f7 1b, ff 03, ff 0b, fe 03,
88 03, 89 03, 48 89 03, 66 89 03, c6 03 05, c7 03 05 00 00 00, d1 23, c1 23 05, d3 03, c1 13 03, 0f ab 13, 0f ba 2b 03, 0f bb 13, 0f a4 03 05, 0f ad 03,
87 03, 86 03, 0f b1 03, 0f b0 03, 0f c1 03, f0 0f c1 03, 0f c7 0b, f0 01 03, 8f 03, 0f 94 03, 0f 11 03, 0f 29 03, 0f 7f 03, 66 0f 7f 03, 66 0f d6 03, 0f e7 03,
66 0f e7 03, 0f c3 03, 0f 17 03, 0f ae 1b, d9 1b, dd 1b, db 3b, df 3b, df 33, dd 0b, d9 3b, dd 3b, d9 33, dd 33, 0f ae 03, 0f 01 03, 0f 01 0b, 8c 1b, 0f 01 23, 0f 00 0b`;
const list = (text: string): string[] => text.split(',').map((s) => s.trim());

/** One guest for all instructions: making one costs more than running it. */
const shared = prepared({});

/** Runs `before`, then the instruction on `operand`; checks that it faulted with nothing changed. `error`: its error code, W and P bits. */
function check(code: string, operand: number, error: number, slice: number): void {
  const before = '90 f9 b8 44 33 22 11 ba 01 00 00 00';
  const g = shared;
  g.enter({ code: `${before} ${code} ${'90'.repeat(40)} f4` });
  const done = g.vcpu.instructions;
  const values = Object.fromEntries(ALL.map((name, i) => [name, BigInt(0x0101_0101 * (i + 1))]));
  g.vcpu.setRegs({ ...values, rbx: BigInt(operand) });
  g.vcpu.setFpu({ fcw: 0x37f, ftw: 0xff, xmm: Array.from({ length: 64 }, (_, i) => BigInt(i) * 0x1111_1111_1111n) });
  g.vm.slice = slice;
  // Where the instruction starts, with all before it done.
  assert.is(g.run(done + 4).reason, 'intr');
  const start = picture(g, operand);
  const flags = g.vcpu.getRegs().rflags;
  assert.is(g.rip, CODE + hex(before).length);
  g.run();
  const what = `${code} at ${operand.toString(16)}`;
  assert.is(g.vector, 14, what);
  assert.is(g.read(g.rsp, 4), error, `error code of ${what}`);
  assert.is(g.read(g.rsp + 8, 8), CODE + hex(before).length, `rip of ${what}`);
  assert.is(BigInt(g.read(g.rsp + 24, 8)), flags | 0x10000n, `flags of ${what}`);
  assert.is(g.read(g.rsp + 32, 8), STACK, `rsp of ${what}`);
  assert.equal(picture(g, operand), start, what);
  assert.is(g.vcpu.instructions, done + 4 + 1);
}

test('reads of a missing page change nothing', () => {
  for (const code of list(READS)) check(code, MISSING, 0, 100_000);
});

test('writes to a missing page change nothing', () => {
  for (const code of list(WRITES)) check(code, MISSING, 2, 100_000);
});

test('writes to a read-only page change nothing, reading parts included', () => {
  for (const code of list(WRITES)) check(code, READ_ONLY, 3, 100_000);
});

test('writes that begin in a page and end in a missing one change neither', () => {
  // Those of one byte stay in the first page.
  for (const code of list(WRITES)) {
    const oneByte = /^(00|80|fe|88|c6|86|0f b0|0f 94)/.test(code);
    // The operands of these must be aligned: #GP or nothing to cross.
    const aligned = /^(0f 29|66 0f 7f|66 0f e7|0f e7|0f ae)/.test(code);
    if (!oneByte && !aligned) check(code, EDGE, 2, 100_000);
  }
});

test('the same when stepped', () => {
  for (const code of list(READS).filter((_, i) => i % 4 === 0)) check(code, MISSING, 0, 1);
  for (const code of list(WRITES).filter((_, i) => i % 4 === 0)) check(code, READ_ONLY, 3, 1);
});

/** The base register of the one memory operand of an instruction of these bytes. */
function baseOf(code: readonly number[]): Register {
  const decoder = new Decoder(64, Uint8Array.from(code), DecoderOptions.None);
  const instruction = decoder.decode();
  const base = instruction.length === code.length ? instruction.memoryBase : Register.None;
  instruction.free();
  decoder.free();
  return base;
}

/** An instruction with the operand [rbx], with [rbp + 0] instead. */
function throughStack(code: string): string {
  const old = [...hex(code)];
  for (let at = old.length - 1; at > 0; at--) {
    const modrm = old[at] as number;
    const changed = [...old.slice(0, at), (modrm & 0x38) | 0x45, 0, ...old.slice(at + 1)];
    if ((modrm & 0xc7) === 3 && baseOf(changed) === Register.RBP) return changed.map((b) => le(b, 1)).join(' ');
  }
  throw new Error(`no operand [rbx] in ${code}`);
}

test('an operand that is not canonical is #SS(0) through the stack segment, else #GP(0)', () => {
  const g = shared;
  const instructions = [...list(READS), ...list(WRITES), '48 0f c7 0b', '0f ae 0b', '0f b4 03'];
  for (const code of instructions) {
    for (const [bytes, vector] of [
      [code, 13],
      [throughStack(code), 12],
    ] as const) {
      // Just above the lower half; below the upper half.
      for (const address of [0x8000_0000_0000n, 0xffff_7fff_ffff_fff0n]) {
        g.enter({ code: `${bytes} ${'90'.repeat(40)} f4` });
        g.vcpu.setRegs({ rbx: address, rbp: address });
        g.run();
        const what = `${bytes} at ${address.toString(16)}`;
        assert.is(g.vector, vector, what);
        assert.is(g.read(g.rsp, 4), 0, `error code of ${what}`);
        assert.is(g.read(g.rsp + 8, 8), CODE, `rip of ${what}`);
      }
    }
  }
});

test('a repeated string instruction stops at the element that faults, with all before it done', () => {
  const cases: [string, string, Record<string, number>, { rcx: number; rsi: number; rdi: number }, number][] = [
    [
      'MOVSB to a missing page',
      'f3 a4',
      { rcx: 100, rsi: FREE + 0x5100, rdi: MISSING - 10 },
      { rcx: 90, rsi: FREE + 0x510a, rdi: MISSING },
      2,
    ],
    ['MOVSQ from a missing page', 'f3 48 a5', { rcx: 100, rsi: MISSING - 24, rdi: FREE }, { rcx: 97, rsi: MISSING, rdi: FREE + 24 }, 0],
    [
      'MOVSD, an element across the border',
      'f3 a5',
      { rcx: 100, rsi: MISSING - 10, rdi: FREE },
      { rcx: 98, rsi: MISSING - 2, rdi: FREE + 8 },
      0,
    ],
    ['STOSD', 'f3 ab', { rcx: 100, rsi: 0, rdi: MISSING - 12 }, { rcx: 97, rsi: 0, rdi: MISSING }, 2],
    ['LODSB', 'f3 ac', { rcx: 100, rsi: MISSING - 3, rdi: 0 }, { rcx: 97, rsi: MISSING, rdi: 0 }, 0],
    ['CMPSB', 'f2 a6', { rcx: 100, rsi: MISSING - 4, rdi: FREE }, { rcx: 96, rsi: MISSING, rdi: FREE + 4 }, 0],
    ['SCASW', 'f2 66 af', { rcx: 100, rsi: 0, rdi: MISSING - 8 }, { rcx: 96, rsi: 0, rdi: MISSING }, 0],
    ['INSB', 'f3 6c', { rcx: 100, rsi: 0, rdi: MISSING - 5 }, { rcx: 95, rsi: 0, rdi: MISSING }, 2],
    ['OUTSB', 'f3 6e', { rcx: 100, rsi: MISSING - 5, rdi: 0 }, { rcx: 95, rsi: MISSING, rdi: 0 }, 0],
    [
      'MOVSB backwards',
      'f3 a4',
      { rcx: 100, rsi: FREE + 0x100, rdi: FREE + 0x3004, df: 1 },
      { rcx: 95, rsi: FREE + 0xfb, rdi: FREE + 0x2fff },
      2,
    ],
  ];
  for (const [name, code, from, to, error] of cases) {
    for (const slice of [100_000, 1]) {
      const g = prepared({ code: `90 ${code} f4`, unclaimed: 'float', rflags: from['df'] ? 0x402 : 2 });
      g.vcpu.setRegs({
        rax: 0x7777n,
        rcx: BigInt(from['rcx'] as number),
        rsi: BigInt(from['rsi'] as number),
        rdi: BigInt(from['rdi'] as number),
      });
      g.vm.slice = slice;
      g.run();
      assert.is(g.vector, 14, name);
      const { rcx, rsi, rdi } = g.vcpu.getRegs();
      assert.equal({ rcx: Number(rcx), rsi: Number(rsi), rdi: Number(rdi) }, to, `${name}, slice ${slice}`);
      assert.is(g.read(g.rsp, 4), error, name);
      assert.is(g.read(g.rsp + 8, 8), CODE + 1, name);
      assert.is(g.vcpu.instructions, 1 + 100 - to.rcx + 1, name);
    }
  }
});

test('instructions with several accesses: none of them counts when a later one faults', () => {
  const cases: [string, string, Partial<Record<string, bigint>>, number][] = [
    ['PUSH of memory, onto a missing stack', 'ff 33', { rbx: BigInt(FREE), rsp: BigInt(MISSING + 8) }, 2],
    ['POP to a missing page', '8f 03', { rbx: BigInt(MISSING) }, 2],
    ['CALL through memory, onto a missing stack', 'ff 13', { rbx: BigInt(FREE), rsp: BigInt(MISSING + 8) }, 2],
    ['CALL', 'e8 00 00 00 00', { rsp: BigInt(MISSING + 8) }, 2],
    ['RET', 'c3', { rsp: BigInt(MISSING) }, 0],
    ['LEAVE', 'c9', { rbp: BigInt(MISSING) }, 0],
    ['ENTER', 'c8 10 00 02', { rsp: BigInt(MISSING + 0x10), rbp: BigInt(FREE + 0x100) }, 2],
    ['PUSHF', '9c', { rsp: BigInt(MISSING + 8) }, 2],
    ['POPF', '9d', { rsp: BigInt(MISSING) }, 0],
    ['IRET, the frame crosses into a missing page', '48 cf', { rsp: BigInt(MISSING - 16) }, 0],
    ['MOVSB', 'a4', { rsi: BigInt(FREE), rdi: BigInt(MISSING) }, 2],
    ['CMPXCHG16B', '48 0f c7 0b', { rbx: BigInt(READ_ONLY) }, 3],
    ['XLAT', 'd7', { rbx: BigInt(MISSING) }, 0],
    ['far RET', '48 cb', { rsp: BigInt(MISSING - 8) }, 0],
  ];
  for (const [name, code, set, error] of cases) {
    // A user: the handler has a stack of its own.
    const g = prepared({ code: `90 ${code} f4`, cpl: 3 });
    g.vcpu.setRegs({ rax: 1n, rcx: 2n, rdx: 3n, ...set });
    const before = g.vcpu.getRegs();
    g.run();
    assert.is(g.vector, 14, name);
    const { rsp: _, rip: __, rflags: ___, ...after } = g.vcpu.getRegs();
    const { rsp, rip: ____, rflags: _____, ...start } = before;
    assert.equal(after, start, name);
    assert.is(BigInt(g.read(g.rsp + 32, 8)), rsp, `${name}: rsp`);
    assert.is(g.read(g.rsp, 4), error | 4, name);
    assert.is(g.read(g.rsp + 8, 8), CODE + 1, name);
  }
});

/** Code that is wrong in two ways, and the vector that comes. */
const PRIORITY: [string, GuestOptions & { readonly setUp?: (g: Guest) => void }, number][] = [
  ['fetch before decoding: a missing page, not #UD', { at: CODE + 0xffe, code: '0f 0b', setUp: (g) => void g.put64(g.pte(CODE), 0) }, 14],
  ['decoding before privilege: LOCK HLT', { code: 'f0 f4', cpl: 3 }, 6],
  ['privilege before memory: LGDT of a missing page by a user', { code: `0f 01 14 25 ${le(MISSING, 4)}`, cpl: 3 }, 13],
  ['#NM before memory', { code: `d9 04 25 ${le(MISSING, 4)}`, setUp: (g) => g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 | 8n }) }, 7],
  [
    'SSE with CR4.OSFXSR clear: #UD before #NM',
    { code: '0f 58 c0', setUp: (g) => g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 | 8n, cr4: g.vcpu.getSregs().cr4 & ~0x200n }) },
    6,
  ],
  ['alignment before paging: MOVAPS', { code: `0f 28 04 25 ${le(MISSING + 1, 4)}` }, 13],
  ['paging before arithmetic: DIV by a missing divisor', { code: `f7 34 25 ${le(MISSING, 4)}` }, 14],
  ['more than 15 bytes is #GP', { code: `${'66'.repeat(15)} 90` }, 13],
  ['15 bytes are not', { code: `${'66'.repeat(14)} 90 0f 0b` }, 6],
  [
    '#AC: a user with AC set, not aligned',
    {
      code: `8b 04 25 ${le(FREE + 1, 4)}`,
      cpl: 3,
      rflags: 0x40002,
      setUp: (g) => g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 | 0x40000n }),
    },
    17,
  ],
  [
    '#AC: 16 bytes of a user with AC set, aligned to 8 only: MOVUPS',
    {
      code: `0f 10 04 25 ${le(FREE + 8, 4)}`,
      cpl: 3,
      rflags: 0x40002,
      setUp: (g) => g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 | 0x40000n }),
    },
    17,
  ],
  [
    'no #AC for a supervisor',
    {
      code: `8b 04 25 ${le(FREE + 1, 4)} 0f 0b`,
      rflags: 0x40002,
      setUp: (g) => g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 | 0x40000n }),
    },
    6,
  ],
  ['INT of a gate that is not present: #NP', { code: 'cd 40', setUp: (g) => g.gate(0x40, HANDLERS, SEL.code64, 0x6e) }, 11],
  ["INT of a user through a supervisor's gate: #GP", { code: 'cd 40', cpl: 3, setUp: (g) => g.gate(0x40, HANDLERS, SEL.code64, 0x8e) }, 13],
  [
    "a fault through a supervisor's gate is allowed",
    { code: '0f 0b', cpl: 3, setUp: (g) => g.gate(6, HANDLERS + 16 * 6, SEL.code64, 0x8e) },
    6,
  ],
  ['#GP while delivering #GP: #DF', { code: `b8 34 12 00 00 8e d8`, setUp: (g) => g.gate(13, HANDLERS, 0x1234) }, 8],
  [
    '#PF while delivering #PF: #DF',
    {
      code: `8a 04 25 ${le(MISSING, 4)}`,
      setUp: (g) => {
        g.gate(14, HANDLERS, SEL.code64);
        g.put(0x2000 + 16 * 14, '00 00 00 00 00 00 00 00');
        g.vcpu.setRegs({ rsp: BigInt(STACK) });
      },
    },
    8,
  ],
  ['#NP while delivering #UD is just #NP', { code: '0f 0b', setUp: (g) => g.gate(6, HANDLERS, SEL.code64, 0x6e) }, 11],
];

for (const [name, options, vector] of PRIORITY) {
  test(`priority: ${name}`, () => {
    const g = prepared(options);
    options.setUp?.(g);
    assert.is(g.run(100).reason, 'hlt', g.vcpu.exit.detail);
    assert.is(g.vector, vector);
  });
}

test('a triple fault is a shutdown, not a loop', () => {
  const g = prepared({ code: '0f 0b' });
  for (const vector of [6, 8, 11, 13]) g.gate(vector, HANDLERS, SEL.code64, 0x0e);
  assert.is(g.run().reason, 'shutdown');
});

test('exceptions whose handlers fault at once, for ever, end the run', () => {
  // Real mode: #UD at #UD's handler. No instruction completes, so that no limit would.
  const g = new Guest({ mode: 'real', code: '0f 0b' });
  g.put(HANDLERS + 16 * 6, '0f 0b');
  // A stack that does not run over the code.
  g.vcpu.setSregs({ ss: { ...g.vcpu.getSregs().ss, selector: 0x3000, base: 0x30000n } });
  const exit = g.run();
  assert.is(exit.reason, 'internal-error');
  assert.match(exit.detail, /exceptions without end/);
});

test.run();
