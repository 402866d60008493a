/**
 * Run exits: what nothing inside the VM answers leaves `run()`, and the next `run()` completes the instruction with the answers, however many
 * accesses it makes. Whatever else is due waits until it is complete.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT } from '../../vmm/cpu/registers.ts';
import { EXIT_REASON, NO_EXIT_COSTS } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, le, STACK } from './guest.ts';

/** An access as `run()` shows it. */
type Access = readonly [where: 'in' | 'out' | 'read' | 'write', at: number, size: number, data?: number | bigint];

interface Case extends GuestOptions {
  readonly setUp?: (g: Guest) => void;
  /** Accesses in order; of reads, `data` is the answer. */
  readonly accesses: readonly Access[];
  /** VM exits by reason. */
  readonly exits: Readonly<Record<number, number>>;
  readonly after?: (g: Guest) => void;
}

const MMIO = 0x50_0000;
/** The first address after RAM. */
const END = 0x40_0000;
const { IO_INSTRUCTION: IO, EPT_MISCONFIG: MISCONFIG } = EXIT_REASON;
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const at = (address: number): string => `04 25 ${le(address, 4)}`;
const regs =
  (expected: Readonly<Record<number, number | bigint>>) =>
  (g: Guest): void => {
    for (const [n, value] of Object.entries(expected)) assert.is(g.reg(Number(n)), BigInt(value), `register ${n}`);
  };

const CASES: Record<string, Case> = {
  'IN AL': { code: `${mov(0, 0x11223344)} e4 71`, accesses: [['in', 0x71, 1, 0x1ff]], exits: { [IO]: 1 }, after: regs({ 0: 0x112233ff }) },
  'IN AX': {
    code: `${mov(0, 0x11223344)} 66 e5 71`,
    accesses: [['in', 0x71, 2, 0xabcd]],
    exits: { [IO]: 1 },
    after: regs({ 0: 0x1122abcd }),
  },
  'IN EAX': { code: `48 83 c8 ff e5 71`, accesses: [['in', 0x71, 4, 0x89abcdef]], exits: { [IO]: 1 }, after: regs({ 0: 0x89abcdefn }) },
  OUT: {
    code: `${mov(0, 0x11223344)} e6 71 66 e7 72 e7 74`,
    accesses: [
      ['out', 0x71, 1, 0x44],
      ['out', 0x72, 2, 0x3344],
      ['out', 0x74, 4, 0x11223344],
    ],
    exits: { [IO]: 3 },
  },
  'MMIO reads of all sizes': {
    code: `8a ${at(MMIO + 1)} 66 8b 1c 25 ${le(MMIO + 2, 4)} 8b 0c 25 ${le(MMIO + 4, 4)} 48 8b 14 25 ${le(MMIO + 8, 4)}`,
    accesses: [
      ['read', MMIO + 1, 1, 0xf1],
      ['read', MMIO + 2, 2, 0xf2f2],
      ['read', MMIO + 4, 4, 0xf4f4f4f4],
      ['read', MMIO + 8, 8, 0x0102030405060708n],
    ],
    exits: { [MISCONFIG]: 4 },
    after: regs({ 0: 0xf1, 3: 0xf2f2, 1: 0xf4f4f4f4, 2: 0x0102030405060708n }),
  },
  'MMIO writes of all sizes': {
    code: `48 b8 ${le(0x0102030405060708n, 8)} 88 ${at(MMIO + 1)} 66 89 ${at(MMIO + 2)} 89 ${at(MMIO + 4)} 48 89 ${at(MMIO + 8)}`,
    accesses: [
      ['write', MMIO + 1, 1, 8],
      ['write', MMIO + 2, 2, 0x708],
      ['write', MMIO + 4, 4, 0x05060708],
      ['write', MMIO + 8, 8, 0x0102030405060708n],
    ],
    exits: { [MISCONFIG]: 4 },
  },
  'not aligned: the pieces that a bus would carry': {
    code: `48 8b ${at(MMIO + 3)}`,
    accesses: [
      ['read', MMIO + 3, 1, 0x11],
      ['read', MMIO + 4, 4, 0x55443322],
      ['read', MMIO + 8, 2, 0x7766],
      ['read', MMIO + 10, 1, 0x88],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 0x8877665544332211n }),
  },
  'across two device pages': {
    code: `8b ${at(MMIO + 0xffe)}`,
    accesses: [
      ['read', MMIO + 0xffe, 2, 0x2211],
      ['read', MMIO + 0x1000, 2, 0x4433],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 0x44332211 }),
  },
  'a read across the end of RAM': {
    setUp: (g) => g.put(END - 2, 'aa bb'),
    code: `8b ${at(END - 2)}`,
    accesses: [['read', END, 2, 0xddcc]],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 0xddccbbaan }),
  },
  'a write across the end of RAM': {
    code: `${mov(0, 0x44332211)} 89 ${at(END - 2)}`,
    accesses: [['write', END, 2, 0x4433]],
    exits: { [MISCONFIG]: 1 },
    after: (g) => assert.is(g.read(END - 2, 2), 0x2211),
  },
  'ADD to a device': {
    code: `83 ${at(MMIO)} 05`,
    accesses: [
      ['read', MMIO, 4, 0x10],
      ['write', MMIO, 4, 0x15],
    ],
    exits: { [MISCONFIG]: 1 },
  },
  'LOCK INC across the end of RAM': {
    setUp: (g) => g.put(END - 2, 'ff ff'),
    code: `f0 ff ${at(END - 2)}`,
    accesses: [
      ['read', END, 2, 1],
      ['write', END, 2, 2],
    ],
    exits: { [MISCONFIG]: 1 },
    after: (g) => assert.is(g.read(END - 2, 2), 0),
  },
  'XCHG with a device': {
    code: `${mov(0, 7)} 87 ${at(MMIO)}`,
    accesses: [
      ['read', MMIO, 4, 9],
      ['write', MMIO, 4, 7],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 9 }),
  },
  'CMPXCHG that finds what it looks for': {
    code: `${mov(0, 5)} ${mov(1, 6)} 0f b1 0c 25 ${le(MMIO, 4)}`,
    accesses: [
      ['read', MMIO, 4, 5],
      ['write', MMIO, 4, 6],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 5 }),
  },
  'CMPXCHG that does not writes back what was there': {
    code: `${mov(0, 5)} ${mov(1, 6)} 0f b1 0c 25 ${le(MMIO, 4)}`,
    accesses: [
      ['read', MMIO, 4, 8],
      ['write', MMIO, 4, 8],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 8 }),
  },
  CMPXCHG8B: {
    code: `${mov(0, 1)} ${mov(2, 2)} ${mov(3, 3)} ${mov(1, 4)} 0f c7 0c 25 ${le(MMIO, 4)}`,
    accesses: [
      ['read', MMIO, 8, 0x2_0000_0001n],
      ['write', MMIO, 8, 0x4_0000_0003n],
    ],
    exits: { [MISCONFIG]: 1 },
  },
  'PUSH of a device': {
    code: `ff 34 25 ${le(MMIO, 4)}`,
    accesses: [['read', MMIO, 8, 0x1122334455667788n]],
    exits: { [MISCONFIG]: 1 },
    after: (g) => assert.is(g.read64(STACK - 8), 0x1122334455667788n),
  },
  'PUSH of a device on a stack that is one': {
    code: `bc ${le(MMIO + 0x100, 4)} ff 34 25 ${le(MMIO, 4)}`,
    accesses: [
      ['read', MMIO, 8, 42],
      ['write', MMIO + 0xf8, 8, 42],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 4: MMIO + 0xf8 }),
  },
  'POP and CALL': {
    code: `bc ${le(MMIO, 4)} 5b e8 00 00 00 00`,
    accesses: [
      ['read', MMIO, 8, 3],
      ['write', MMIO, 8, CODE + 11],
    ],
    exits: { [MISCONFIG]: 2 },
    after: regs({ 3: 3, 4: MMIO }),
  },
  'MOVS from device to device': {
    code: `${mov(6, MMIO)} ${mov(7, MMIO + 0x800)} 48 a5`,
    accesses: [
      ['read', MMIO, 8, 0x123456789n],
      ['write', MMIO + 0x800, 8, 0x123456789n],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 6: MMIO + 8, 7: MMIO + 0x808 }),
  },
  'REP MOVS from a device': {
    code: `${mov(1, 3)} ${mov(6, MMIO)} ${mov(7, FREE)} f3 66 a5`,
    accesses: [
      ['read', MMIO, 2, 1],
      ['read', MMIO + 2, 2, 2],
      ['read', MMIO + 4, 2, 3],
    ],
    exits: { [MISCONFIG]: 3 },
    after: (g) => assert.is(g.read(FREE, 8), 0x3_0002_0001),
  },
  'CMPS of two devices': {
    code: `${mov(6, MMIO)} ${mov(7, MMIO + 9)} a6 0f 94 c0`,
    accesses: [
      ['read', MMIO, 1, 5],
      ['read', MMIO + 9, 1, 5],
    ],
    exits: { [MISCONFIG]: 1 },
    after: regs({ 0: 1 }),
  },
  'REP OUTS: an exit for the burst, a run exit for each': {
    setUp: (g) => g.put(FREE, '01 02 03 04'),
    code: `${mov(1, 4)} ${mov(2, 0x60)} ${mov(6, FREE)} f3 6e`,
    accesses: [1, 2, 3, 4].map((n): Access => ['out', 0x60, 1, n]),
    exits: { [IO]: 1 },
    after: regs({ 1: 0, 6: FREE + 4 }),
  },
  'REP INS across pages': {
    code: `${mov(1, 4)} ${mov(2, 0x60)} ${mov(7, FREE + 0xffc)} f3 66 6d`,
    accesses: [1, 2, 3, 4].map((n): Access => ['in', 0x60, 2, n]),
    exits: { [IO]: 2 },
    after: (g) => assert.is(g.read64(FREE + 0xffc), 0x0004_0003_0002_0001n),
  },
  'OUTS of a device': {
    code: `${mov(2, 0x60)} ${mov(6, MMIO)} 6f`,
    accesses: [
      ['read', MMIO, 4, 77],
      ['out', 0x60, 4, 77],
    ],
    exits: { [IO]: 1 },
    after: regs({ 6: MMIO + 4 }),
  },
  'REP INS into a device': {
    code: `${mov(1, 2)} ${mov(2, 0x60)} ${mov(7, MMIO)} f3 6c`,
    accesses: [
      ['in', 0x60, 1, 5],
      ['write', MMIO, 1, 5],
      ['in', 0x60, 1, 6],
      ['write', MMIO + 1, 1, 6],
    ],
    exits: { [IO]: 1 },
    after: regs({ 1: 0, 7: MMIO + 2 }),
  },
  'sixteen bytes': {
    code: `0f 10 ${at(MMIO)} 0f 11 ${at(MMIO + 0x20)}`,
    accesses: [
      ['read', MMIO, 8, 1n],
      ['read', MMIO + 8, 8, 2n],
      ['write', MMIO + 0x20, 8, 1n],
      ['write', MMIO + 0x28, 8, 2n],
    ],
    exits: { [MISCONFIG]: 2 },
  },
  'PUSHA on a device': {
    mode: 'prot32',
    code: `${mov(0, 10)} bc ${le(MMIO + 0x20, 4)} 60`,
    accesses: [10, 0, 0, 0, MMIO + 0x20, 0, 0, 0].map((value, i): Access => ['write', MMIO + 0x1c - 4 * i, 4, value]),
    exits: { [MISCONFIG]: 1 },
  },
};

for (const [name, c] of Object.entries(CASES)) {
  test(`run exit: ${name}`, () => {
    const g = new Guest({ ...c, code: undefined });
    g.enter({ ...c, code: `${c.code} f4` });
    c.setUp?.(g);
    g.touchAll();
    const seen: Access[] = [];
    for (;;) {
      const exit = g.run();
      if (exit.reason === 'hlt') break;
      assert.ok(exit.reason === 'io' || exit.reason === 'mmio', `${exit.reason}: ${exit.detail}`);
      const before = g.rip;
      const where = exit.reason === 'io' ? (exit.write ? 'out' : 'in') : exit.write ? 'write' : 'read';
      const place = exit.reason === 'io' ? exit.port : exit.gpa;
      const wide = exit.size === 8;
      if (exit.write) {
        const data = wide ? BigInt(exit.dataHigh) * 0x1_0000_0000n + BigInt(exit.data) : exit.data;
        seen.push([where, place, exit.size, typeof c.accesses[seen.length]?.[3] === 'bigint' ? BigInt(data) : Number(data)]);
      } else {
        const answer = BigInt(c.accesses[seen.length]?.[3] ?? 0);
        seen.push([where, place, exit.size, c.accesses[seen.length]?.[3]]);
        exit.data = Number(answer & 0xffff_ffffn);
        exit.dataHigh = Number(answer >> 32n);
      }
      assert.is(g.rip, before);
      assert.ok(seen.length <= c.accesses.length, `unexpected ${seen.at(-1)?.join(' ')}`);
    }
    assert.equal(seen, [...c.accesses]);
    for (const [reason, count] of Object.entries(c.exits)) assert.is(g.count(Number(reason)), count, `exits of reason ${reason}`);
    assert.is(
      g.exits([48, 12]).length,
      Object.values(c.exits).reduce((a, b) => a + b, 0),
    );
    c.after?.(g);
  });
}

test('run exit: FXSAVE to a device is 64 run exits and one exit', () => {
  const g = new Guest({ code: `0f ae ${at(MMIO)} f4` });
  g.touchAll();
  let bytes = 0;
  for (let exit = g.run(); exit.reason === 'mmio'; exit = g.run()) bytes += exit.size;
  assert.ok(bytes >= 416 && bytes <= 512, `${bytes} bytes`);
  assert.is(g.count(MISCONFIG), 1);
});

test('run exit: an NMI and an interrupt that come meanwhile wait for the instruction, and get no answer of its', () => {
  // The handlers read the same port.
  const g = new Guest({ code: `e4 10 88 c3 e4 11 f4`, rflags: 0x202 });
  g.put(0x4000 + 16 * 2, 'e4 20 48 cf');
  assert.is(g.run().port, 0x10);
  g.vcpu.raise(EVENT.NMI);
  g.vcpu.exit.data = 1;
  assert.is(g.run().port, 0x20);
  assert.is(Number(g.reg(0)), 1, 'IN is complete');
  assert.is(g.vcpu.instructions, 1);
  g.vcpu.exit.data = 2;
  assert.is(g.run().port, 0x11);
  g.vcpu.exit.data = 3;
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 3);
});

test('run exit: a deadline that passes during the exit fires after the instruction', () => {
  const g = new Guest({ code: 'e4 10 90 f4', costs: { ...NO_EXIT_COSTS, reasons: { [IO]: 1000 } } });
  const fired: number[] = [];
  g.vm.clock.deadline('d', () => fired.push(g.vcpu.instructions)).arm(500);
  assert.is(g.run().reason, 'io');
  assert.equal(fired, []);
  g.vcpu.exit.data = 9;
  assert.is(g.run().reason, 'hlt');
  assert.equal(fired, [1]);
  assert.is(Number(g.reg(0)), 9);
  assert.is(g.count(EXIT_REASON.EXTERNAL_INTERRUPT), 0, 'the guest was not running then');
});

test('run exit: an answer given before a run that stops at once is not lost', () => {
  const g = new Guest({ code: 'e4 10 e6 11 f4' });
  assert.is(g.run().reason, 'io');
  g.vcpu.exit.data = 0x5a;
  assert.is(g.run(0).reason, 'intr');
  const exit = g.run();
  assert.equal([exit.reason, exit.write, exit.data], ['io', true, 0x5a]);
});

test('run exit: a fault after an answer forgets it', () => {
  // PUSH of a device with no stack to push to: #PF, whose handler (on another stack) maps it and returns.
  const g = new Guest({ code: `bc ${le(FREE + 0x1000, 4)} ff 34 25 ${le(MMIO, 4)} f4`, cpl: 3 });
  g.put64(g.pte(FREE), 0);
  g.put(0x4000 + 16 * 14, `c7 04 25 ${le(g.pte(FREE), 4)} ${le(FREE | 7, 4)} 48 83 c4 08 48 cf`);
  g.put(0x4000 + 16 * 13, 'f4');
  const reads: number[] = [];
  let exit = g.run();
  for (let n = 1; exit.reason === 'mmio'; n++, exit = g.run()) {
    reads.push(exit.gpa);
    exit.data = n;
    exit.dataHigh = 0;
  }
  assert.equal(reads, [MMIO, MMIO]);
  assert.is(g.read64(FREE + 0xff8), 2n);
});

test('run exit: unclaimed accesses float when asked to', () => {
  const g = new Guest({ unclaimed: 'float', code: `e5 10 a3 ${le(MMIO, 8)} 8b 1c 25 ${le(MMIO, 4)} f4` });
  assert.is(g.run().reason, 'hlt');
  regs({ 0: 0xffffffff, 3: 0xffffffff })(g);
  assert.is(g.count(MISCONFIG), 2);
  assert.is(g.vcpu.state.number('KS_MMIO_EXITS'), 2);
});

test('run exit: code and page tables in no RAM', () => {
  const code = new Guest({ code: `b8 ${le(MMIO, 4)} ff e0` });
  const exit = code.run();
  assert.is(exit.reason, 'internal-error');
  assert.match(exit.detail, /not RAM/);
  assert.is(code.rip, MMIO);
  // A page table outside RAM holds nothing.
  const table = new Guest({ code: `8a ${at(FREE)} f4` });
  table.put64(0x12000, MMIO | 7);
  assert.is(table.run().reason, 'shutdown');
  const stack = new Guest({ mode: 'prot32', code: `bc ${le(MMIO, 4)} 0f 0b` });
  assert.match(stack.run().detail, /interrupt or exception/);
  assert.is(stack.vcpu.exit.reason, 'internal-error');
});

test.run();
