/**
 * The guest's memory and stacks in a clause: through the page tables that the vCPU uses, in every paging mode, with no trace left in them; what cannot be
 * reached faults and harms nobody.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT } from '../../../probes/arena.ts';
import { STRING, UNSIGNED, UNSIGNED_LONG, UNSIGNED_SHORT } from '../../../probes/d/ctype.ts';
import type { Expression } from '../../../probes/d/tree.ts';
import { listen } from '../../../probes/points.ts';
import { fingerprint } from '../../../vmm/snapshot.ts';
import { action, builtin, call, clause, dereference, integer, long, program, trace } from '../d/codegen/nodes.ts';
import { FREE, Guest, type GuestOptions, le, type Mode, PT, STACK, TABLES } from '../../vmm/guest.ts';
import { probe, Traced } from './traced.ts';

const test = suite('guest memory');

test.after.each(() => {
  listen(null);
});

const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const LARGE = 0x80;
const P_W_U = 7;

/** What one clause on the first kvm-pio traces, or the fault it has: `fault n address`. */
function traced(g: Guest, ...expressions: Expression[]): string {
  const p = new Traced(g.vm).enable(
    program([
      clause(
        probe('kvm-pio'),
        expressions.map((e) => trace(e)),
      ),
    ]),
  );
  g.run(1000);
  const [first] = p.records();
  if (first === undefined) return 'nothing';
  return first.name === 'fault' ? `fault ${first.data[3]}` : first.data.map((d) => (typeof d === 'bigint' ? d.toString(16) : d)).join(' ');
}

function guest(options: GuestOptions): Guest {
  const g = new Guest({ code: 'e6 80 f4', unclaimed: 'float', ...options });
  g.touchAll();
  return g;
}

const read = (address: number | bigint, type = UNSIGNED): Expression => dereference(integer(address, UNSIGNED_LONG), type);
const copyin = (address: number, bytes = 4): Expression =>
  dereference(call('copyin', [long(address), long(bytes)], UNSIGNED_LONG), UNSIGNED);
const copyinstr = (address: number): Expression => call('copyinstr', [long(address)], STRING);

/** Maps a linear page of the mode's tables to FREE, where "guest" stands. */
const MODES: Readonly<Partial<Record<Mode, (g: Guest) => readonly number[]>>> = {
  prot32: () => [FREE],
  paged32: (g) => {
    g.put32(PT + 4 * 0x155, FREE | P_W_U);
    // Above 4 MiB: RAM again, through a large page.
    g.put32(TABLES + 4 * 3, LARGE | P_W_U);
    return [0x15_5000, (3 << 22) + FREE];
  },
  pae: (g) => {
    g.put64(PT + 8 * 0x155, FREE | P_W_U);
    g.put64(TABLES + 0x2000 + 8 * 5, LARGE | P_W_U);
    return [0x15_5000, (5 << 21) + FREE];
  },
  long: (g) => {
    g.put64(PT + 8 * 0x155, FREE | P_W_U);
    g.put64(TABLES + 0x2000 + 8 * 5, LARGE | P_W_U);
    // A page of 1 GiB.
    g.put64(TABLES + 0x1000 + 8 * 3, LARGE | P_W_U);
    return [0x15_5000, (5 << 21) + FREE, 3 * 2 ** 30 + FREE];
  },
};

for (const [mode, map] of Object.entries(MODES)) {
  test(`${mode}: memory is read through small and large pages, and leaves no bit in a table`, () => {
    const make = (): Guest => {
      const g = guest({ mode: mode as Mode });
      g.put(FREE, Buffer.from('guest\0'));
      return g;
    };
    const plain = make();
    const addresses = map(plain);
    plain.run(1000);
    const memory = fingerprint([], plain.vm.saveState().pages);
    for (const at of addresses) {
      const g = make();
      map(g);
      const seen = traced(g, read(at), copyin(at + 1), copyinstr(at), read(at + 3, UNSIGNED_SHORT));
      assert.is(seen, '73657567 74736575 guest 7473', at.toString(16));
      assert.is(fingerprint([], g.vm.saveState().pages), memory, at.toString(16));
      listen(null);
    }
  });
}

test('5-level paging: 57 bits of address, and a return address of as many on the stack', () => {
  const make = (): Guest => {
    const g = guest({});
    const top = 0x3_0000;
    g.put64(top, TABLES | P_W_U);
    g.put64(top + 8, TABLES | P_W_U);
    g.put64(PT + 8 * 0x155, FREE | P_W_U);
    g.put(FREE, Buffer.from('guest\0'));
    const s = g.vcpu.getSregs();
    g.vcpu.setSregs({ cr3: BigInt(top), cr4: s.cr4 | 0x1000n });
    return g;
  };
  for (const [at, expected] of [
    [0x15_5000n, '73657567'],
    [(1n << 48n) + 0x15_5000n, '73657567'],
    [(2n << 48n) + 0x15_5000n, `fault ${FAULT.BADADDR}`],
    [(1n << 56n) + 0x15_5000n, `fault ${FAULT.BADADDR}`],
  ] as const) {
    assert.is(traced(make(), read(at)), expected, at.toString(16));
    listen(null);
  }
  const g = make();
  g.put64(STACK - 0x200, 0);
  g.put64(STACK - 0x1f8, 1n << 55n);
  g.vcpu.setRegs({ ...g.vcpu.getRegs(), rbp: BigInt(STACK - 0x200) });
  assert.is(traced(g, builtin('caller')), (1n << 55n).toString(16));
});

test('a page that is not there, above the end of RAM, of a device or not canonical is a bad address', () => {
  const bad = `fault ${FAULT.BADADDR}`;
  for (const at of [
    0x15_5000n,
    0x15_6000n,
    0x15_7000n,
    0x0000_8000_0000_0000n,
    0xffff_7fff_ffff_fff0n,
    0x0d00_0000_0400_0000n,
    0x0d00_0001_0000_0000n,
  ]) {
    const g = guest({});
    g.put64(PT + 8 * 0x155, FREE | 6);
    g.put64(PT + 8 * 0x156, 0x8000_0007);
    g.put64(PT + 8 * 0x157, 0xfee0_0007);
    assert.is(traced(g, read(at)), bad, at.toString(16));
    listen(null);
  }
});

test('what crosses into a page that is not there faults, what ends before it does not', () => {
  const make = (): Guest => {
    const g = guest({});
    g.put64(PT + 8 * 0x21, 0);
    g.put(FREE + 0xff8, Buffer.from('abcdefgh'));
    return g;
  };
  assert.is(traced(make(), read(FREE + 0xffc)), '68676665');
  listen(null);
  assert.is(traced(make(), read(FREE + 0xffd)), `fault ${FAULT.BADADDR}`);
  listen(null);
  assert.is(traced(make(), copyinstr(FREE + 0xff8)), `fault ${FAULT.BADADDR}`);
});

test("a user's address above the lower half, and copyin of the tracer's own memory, are bad addresses", () => {
  for (const at of [-4096, Number(0x0d00_0000_0400_0000n)]) {
    assert.is(traced(guest({}), copyin(at)), `fault ${FAULT.BADADDR}`);
    listen(null);
  }
});

test('the tables of the moment count: a new CR3 shows other memory', () => {
  // Two address spaces that differ in one page.
  const other = 0x3_0000;
  const g = guest({ code: `e6 80 ${mov(0, other)} 0f 22 d8 e6 80 f4` });
  g.put64(other, (other + 0x1000) | P_W_U);
  g.put64(other + 0x1000, (other + 0x2000) | P_W_U);
  g.put64(other + 0x2000, (other + 0x3000) | P_W_U);
  for (let i = 0; i < 512; i++) g.put64(other + 0x3000 + 8 * i, (i << 12) | P_W_U);
  g.put64(PT + 8 * 0x155, FREE | P_W_U);
  g.put64(other + 0x3000 + 8 * 0x155, (FREE + 0x1000) | P_W_U);
  g.put32(FREE, 1);
  g.put32(FREE + 0x1000, 2);
  const p = new Traced(g.vm).enable(program([clause(probe('kvm-pio'), [trace(read(0x15_5000))])]));
  g.run(1000);
  assert.equal(
    p.records().map((r) => r.data[0]),
    [1n, 2n],
  );
});

/** Frames in the stack page: RBP points to the first; each is (RBP of the caller, return address). */
function frames(g: Guest, word: 4 | 8, returns: readonly number[]): void {
  const put = (at: number, value: number): void => (word === 8 ? g.put64(at, value) : g.put32(at, value));
  returns.forEach((pc, i) => {
    const at = STACK - 0x200 + 0x20 * i;
    put(at, i === returns.length - 1 ? 0 : at + 0x20);
    put(at + word, pc);
  });
  g.vcpu.setRegs({ ...g.vcpu.getRegs(), rbp: BigInt(STACK - 0x200) });
}

for (const mode of ['long', 'paged32'] as const) {
  test(`${mode}: stack() and caller follow frame pointers of the kernel, ustack() those of user code`, () => {
    for (const cpl of [0, 3] as const) {
      const g = guest({ mode, cpl });
      // Users may use every port.
      g.vcpu.setRegs({ ...g.vcpu.getRegs(), rflags: 0x3002n });
      frames(g, mode === 'long' ? 8 : 4, [0x1111, 0x2222, 0x3333]);
      const p = new Traced(g.vm).enable(
        program([
          clause(probe('kvm-pio'), [
            trace(builtin('caller', UNSIGNED_LONG)),
            trace(builtin('ucaller', UNSIGNED_LONG)),
            trace(builtin('stackdepth')),
            trace(builtin('ustackdepth')),
          ]),
          clause(probe('kvm-pio'), [action('stack', [], { size: 6 })]),
          clause(probe('kvm-pio'), [action('ustack', [], { size: 6 })]),
        ]),
      );
      g.run(100);
      const [builtins] = p.records();
      assert.equal(builtins?.data.map(Number), cpl === 0 ? [0x1111, 0, 4, 0] : [0, 0x1111, 0, 4]);
      listen(null);
    }
  });
}

test('a return to no canonical address is no frame', () => {
  const g = guest({});
  g.put64(STACK - 0x200, STACK - 0x100);
  g.put64(STACK - 0x1f8, 0x0009_fc00_0010_0000n);
  g.vcpu.setRegs({ ...g.vcpu.getRegs(), rbp: BigInt(STACK - 0x200) });
  assert.is(traced(g, builtin('stackdepth')), '1');
});

test('a frame that points down, nowhere or to itself ends the stack', () => {
  for (const last of [STACK - 0x300, STACK - 0x200, 0x7fff_ffff_f000]) {
    const g = guest({});
    g.put64(STACK - 0x200, last);
    g.put64(STACK - 0x1f8, 0x1111);
    g.vcpu.setRegs({ ...g.vcpu.getRegs(), rbp: BigInt(STACK - 0x200) });
    assert.is(traced(g, builtin('stackdepth')), '2');
    listen(null);
  }
});

test.run();
