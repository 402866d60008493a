/**
 * Code that changes: stores by the code itself, through other mappings, by string instructions, stacks, interrupt frames and devices, and code
 * whose page is mapped elsewhere. A processor sees its own stores at the next instruction (SDM vol. 3, 8.1.3 and 11.6, which Intel's processors
 * do without the jump that the text asks for).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, hex, le, PT, SEL, TABLES } from '../vmm/guest.ts';

/** A function of three bytes at `at` that puts a number into AL. */
const answer = (n: number): string => `b0 ${le(n, 1)} c3`;
const call = (from: number, to: number): string => `e8 ${le(to - from - 5, 4)}`;
/** MOV BYTE [address], n: 8 bytes. */
const store8 = (address: number, n: number): string => `c6 04 25 ${le(address, 4)} ${le(n, 1)}`;
/** Collects AL in RDX, the oldest highest. */
const KEEP = '48 c1 e2 08 88 c2';

/** Calls `f` before and after `patch`; ends with HLT. AL's are in RDX. */
function twice(f: number, patch: string, at = CODE): string {
  const length = hex(patch).length;
  return `31 d2 ${call(at + 2, f)} ${KEEP} ${patch} ${call(at + 13 + length, f)} ${KEEP} f4`;
}

interface Case extends GuestOptions {
  /** Bytes besides the code. */
  readonly also?: readonly [number, string][];
  readonly setUp?: (g: Guest) => void;
  /** RDX at the HLT. */
  readonly rdx: number;
}

const OTHER = FREE + 0x2000;
/** A linear page that maps to OTHER's. */
const ALIAS = FREE + 0x9000;
const alias = (g: Guest): void => g.put64(g.pte(ALIAS), OTHER | 7);

const CASES: Record<string, Case> = {
  'the immediate of the next instruction': { code: 'c6 05 01 00 00 00 07 b2 00 f4', rdx: 7 },
  'the opcode of the next instruction': { code: '31 d2 c6 05 00 00 00 00 ff eb c2 f4', rdx: 1 },
  'an instruction further on in the line': { code: `31 d2 c6 05 0b 00 00 00 05 ${'90'.repeat(10)} b2 00 f4`, rdx: 5 },
  'eight bytes at once': { code: `31 d2 48 b8 ${'ff c2'.repeat(4)} 48 89 05 00 00 00 00 ${'90'.repeat(8)} f4`, rdx: 4 },
  'a loop that counts up in its own immediate': {
    code: `31 d2 b9 14 00 00 00 80 c2 01 fe 05 f9 ff ff ff ff c9 75 f3 f4`,
    rdx: (20 * 21) / 2,
  },
  'a function behind, in the same page': {
    at: CODE + 0x100,
    code: twice(CODE, store8(CODE + 1, 9), CODE + 0x100),
    also: [[CODE, answer(3)]],
    rdx: 0x309,
  },
  'a function in another page': { code: twice(OTHER, store8(OTHER + 1, 9)), also: [[OTHER, answer(3)]], rdx: 0x309 },
  'the first bytes of an instruction across pages': {
    code: twice(OTHER + 0xffd, store8(OTHER + 0xffe, 9)),
    also: [[OTHER + 0xffd, `b8 03 00 00 00 c3`]],
    rdx: 0x309,
  },
  'the last bytes of an instruction across pages': {
    code: twice(OTHER + 0xffe, store8(OTHER + 0x1000, 9)),
    also: [[OTHER + 0xffe, `66 b8 03 00 c3`]],
    rdx: 0x309,
  },
  'through another mapping': { setUp: alias, code: twice(OTHER, store8(ALIAS + 1, 9)), also: [[OTHER, answer(3)]], rdx: 0x309 },
  'through another mapping, already in the TLB when the code is decoded': {
    setUp: alias,
    code: `${store8(ALIAS + 0x80, 1)} ${twice(OTHER, store8(ALIAS + 1, 9), CODE + 8)}`,
    also: [[OTHER, answer(3)]],
    rdx: 0x309,
  },
  'running in the alias, storing to the original': {
    setUp: alias,
    code: twice(ALIAS, store8(OTHER + 1, 9)),
    also: [[OTHER, answer(3)]],
    rdx: 0x309,
  },
  'by REP MOVS': {
    code: twice(OTHER, `be ${le(FREE, 4)} bf ${le(OTHER, 4)} b9 03 00 00 00 f3 a4`),
    also: [
      [OTHER, answer(3)],
      [FREE, answer(9)],
    ],
    rdx: 0x309,
  },
  'by REP STOS over the code ahead': {
    code: `31 d2 bf ${le(CODE + 0x20, 4)} b9 02 00 00 00 66 b8 ff c2 f3 66 ab eb 0b`,
    also: [[CODE + 0x20, '90 90 90 90 f4']],
    rdx: 2,
  },
  'by REP STOS over itself: the iterations end there': {
    // Four NOPs from the REP itself on: after the first its prefix is gone, and STOSB stands alone.
    at: CODE,
    code: `31 d2 b0 90 bf ${le(CODE + 14, 4)} b9 04 00 00 00 f3 aa ff c2 f4`,
    rdx: 1,
  },
  'by PUSH: the stack is the code ahead': {
    code: `31 d2 48 b8 ff c2 ff c2 90 90 90 90 bc ${le(CODE + 0x1a, 4)} 50 ${'90'.repeat(8)} f4`,
    rdx: 2,
  },
  'by SSE': {
    code: `31 d2 0f 10 04 25 ${le(FREE, 4)} 0f 11 05 00 00 00 00 ${'90'.repeat(16)} f4`,
    also: [[FREE, `${'ff c2'.repeat(8)}`]],
    rdx: 8,
  },
  'by XCHG, CMPXCHG and INC': {
    // FF 00 becomes INC EDX twice, and the immediate of ADD DL becomes 1.
    code: `31 d2 b0 c2 86 05 ${le(18, 4)} b0 00 b3 c2 0f b0 1d ${le(9, 4)} fe 05 ${le(6, 4)} ff 00 ff 00 80 c2 00 f4`,
    rdx: 3,
  },
  'by an interrupt frame': {
    // The frame lies where the function was. Its bytes are harmless instructions (OR AL, 80h; ADD [RAX], AL; ...) up to what follows it.
    code: `${call(CODE, OTHER + 8)} bc ${le(OTHER + 0x30, 4)} cd 30 bc 00 70 00 00 ${call(CODE + 17, OTHER + 8)} f4`,
    also: [
      [OTHER + 8, 'b2 01 c3'],
      [HANDLERS + 16 * 0x30, '48 cf'],
      [HANDLERS + 16 * 6, 'b2 77 f4'],
    ],
    setUp: (g) => g.put(OTHER + 0x30, 'b2 55 c3'),
    rdx: 0x55,
  },
  'page tables in the page of the code: A and D bits, and a new mapping': {
    // The code stands in the page table itself, where the entries of 1 MiB and up were.
    at: PT + 0x800,
    code: `31 d2 8a 04 25 ${le(FREE, 4)} ${KEEP} 88 04 25 ${le(FREE + 1, 4)} c7 04 25 ${le(PT + (FREE >> 9), 4)} ${le(OTHER | 7, 4)} 0f 01 3c 25 ${le(FREE, 4)} 8a 04 25 ${le(FREE, 4)} ${KEEP} f4`,
    also: [
      [FREE, '03'],
      [OTHER, '09'],
    ],
    rdx: 0x309,
  },
  'a page mapped elsewhere, after INVLPG': {
    code: twice(ALIAS, `c7 04 25 ${le(PT + (ALIAS >> 9), 4)} ${le((OTHER + 0x1000) | 7, 4)} 0f 01 3c 25 ${le(ALIAS, 4)}`),
    setUp: alias,
    also: [
      [OTHER, answer(3)],
      [OTHER + 0x1000, answer(9)],
    ],
    rdx: 0x309,
  },
  'a page mapped elsewhere, after MOV CR3': {
    code: twice(ALIAS, `c7 04 25 ${le(PT + (ALIAS >> 9), 4)} ${le((OTHER + 0x1000) | 7, 4)} 0f 20 d8 0f 22 d8`),
    setUp: alias,
    also: [
      [OTHER, answer(3)],
      [OTHER + 0x1000, answer(9)],
    ],
    rdx: 0x309,
  },
  'a page mapped elsewhere, not yet flushed: the old code': {
    code: twice(ALIAS, `c7 04 25 ${le(PT + (ALIAS >> 9), 4)} ${le((OTHER + 0x1000) | 7, 4)}`),
    setUp: alias,
    also: [
      [OTHER, answer(3)],
      [OTHER + 0x1000, answer(9)],
    ],
    rdx: 0x303,
  },
  'another address space': {
    // CR3 of the second: the same tables with ALIAS elsewhere, from 18000h on.
    code: twice(ALIAS, `b8 00 80 01 00 0f 22 d8`),
    setUp: (g) => {
      alias(g);
      for (let page = 0; page < 4; page++)
        g.put(0x18000 + page * 0x1000, (g.vm.ram.view(TABLES + page * 0x1000, 0x1000) as Uint8Array).slice());
      for (let level = 0; level < 3; level++) g.put64(0x18000 + level * 0x1000, (0x19000 + level * 0x1000) | 7);
      g.put64(0x1b000 + (ALIAS >> 9), (OTHER + 0x1000) | 7);
    },
    also: [
      [OTHER, answer(3)],
      [OTHER + 0x1000, answer(9)],
    ],
    rdx: 0x309,
  },
  'the same bytes in 64-bit and in 32-bit code': {
    // 40 is a prefix in one and INC EAX in the other.
    code: `31 d2 31 c0 ${call(CODE + 4, OTHER)} 48 c1 e2 08 88 c2 ff 2c 25 ${le(FREE, 4)}`,
    also: [
      [OTHER, '40 90 c3'],
      [FREE, `${le(CODE + 0x100, 4)} ${le(SEL.code32, 2)}`],
      [CODE + 0x100, `${call(CODE + 0x100, OTHER)} c1 e2 08 88 c2 f4`],
    ],
    rdx: 0x001,
  },
};

function prepared(c: Case): Guest {
  const g = new Guest(c);
  for (const [at, bytes] of c.also ?? []) g.put(at, bytes);
  c.setUp?.(g);
  return g;
}

for (const [name, c] of Object.entries(CASES)) {
  test(`code changed: ${name}`, () => {
    for (const slice of [100_000, 1]) {
      const g = prepared(c);
      g.vm.slice = slice;
      const exit = g.run(5000);
      assert.is(exit.reason, 'hlt', `${exit.detail} at ${g.rip.toString(16)}`);
      assert.is(Number(g.reg(2)), c.rdx, `slice ${slice}, at ${g.rip.toString(16)}`);
    }
  });
}

test('code changed: by a device, between two runs', () => {
  const g = new Guest({ code: `${call(CODE, OTHER)} e6 10 eb f7` });
  g.put(OTHER, answer(1));
  for (const n of [1, 2, 3]) {
    const exit = g.run();
    assert.equal([exit.reason, exit.data], ['io', n]);
    g.put(OTHER + 1, hex(le(n + 1, 1)));
  }
});

test('code changed: by a device, while it answers the instruction before', () => {
  const g = new Guest({ code: 'e6 10 b0 00 f4' });
  g.vm.ports.addPorts(0x10, 1, { portRead: () => 0, portWrite: () => g.put(CODE + 3, '2a') }, 'patcher');
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 0x2a);
});

test('code changed: in place, through a view', () => {
  const g = new Guest({ code: `${call(CODE, OTHER)} e6 10 eb f7` });
  g.put(OTHER, answer(1));
  assert.is(g.run().data, 1);
  (g.vm.ram.view(OTHER, 2) as Uint8Array)[1] = 5;
  g.vm.ram.written(g.vm.ram.hostOf(OTHER), 2);
  assert.is(g.run().data, 5);
});

test('a store into a page with code is one store, counted once, and the page runs on', () => {
  const g = new Guest({ code: `b9 e8 03 00 00 fe 05 00 01 00 00 ff c9 75 f6 f4` });
  assert.is(g.run().reason, 'hlt');
  assert.is(g.read(CODE + 0x10b, 1), 1000 & 0xff);
  assert.is(g.vcpu.instructions, 1 + 3000 + 1);
});

test.run();
