/** MSRs from both sides: what RDMSR and WRMSR see is what `getMsr` and `setMsr` see, and what is not there is #GP and undefined. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Guest, le } from './guest.ts';

/** One guest for all: MSR accesses do not disturb each other here. */
function guest(): Guest {
  const g = new Guest({ code: '' });
  g.vm.createIrqchip();
  return g;
}

/** RDMSR in the guest; undefined = #GP. */
function rdmsr(g: Guest, index: number): bigint | undefined {
  g.enter({ code: `b9 ${le(index, 4)} 0f 32 cd 31` });
  assert.is(g.run().reason, 'hlt');
  if (g.vector === 13) return undefined;
  assert.is(g.vector, 0x31);
  return (g.reg(2) << 32n) | g.reg(0);
}

/** WRMSR in the guest; false = #GP. */
function wrmsr(g: Guest, index: number, value: bigint): boolean {
  g.enter({ code: `b9 ${le(index, 4)} b8 ${le(value & 0xffff_ffffn, 4)} ba ${le(value >> 32n, 4)} 0f 30 cd 31` });
  assert.is(g.run().reason, 'hlt');
  assert.ok(g.vector === 13 || g.vector === 0x31);
  return g.vector === 0x31;
}

const CANONICAL = 0xffff_8000_1234_5678n;
const NOT_CANONICAL = 0x1234_5678_9abc_def0n;

/** Index, a value that is taken, one that is refused. */
const WRITABLE: [string, number, bigint, bigint | undefined][] = [
  ['FS_BASE', 0xc000_0100, CANONICAL, NOT_CANONICAL],
  ['GS_BASE', 0xc000_0101, CANONICAL, NOT_CANONICAL],
  ['KERNEL_GS_BASE', 0xc000_0102, CANONICAL, NOT_CANONICAL],
  ['STAR', 0xc000_0081, 0x0023_0010_0000_0000n, undefined],
  ['LSTAR', 0xc000_0082, CANONICAL, NOT_CANONICAL],
  ['CSTAR', 0xc000_0083, CANONICAL, NOT_CANONICAL],
  ['FMASK', 0xc000_0084, 0x4_7700n, undefined],
  ['SYSENTER_CS', 0x174, 0x10n, undefined],
  ['SYSENTER_ESP', 0x175, CANONICAL, NOT_CANONICAL],
  ['SYSENTER_EIP', 0x176, CANONICAL, NOT_CANONICAL],
  ['PAT', 0x277, 0x0007_0406_0007_0401n, 0x0007_0406_0007_0402n],
  ['MTRR_DEF_TYPE', 0x2ff, 0xc06n, 0x1000n],
  ['MTRR fixed', 0x26f, 0x0606_0606_0505_0505n, 0x0202_0202_0202_0202n],
  ['MTRR variable', 0x200, 0x8000_0006n, 0x0100_0080_0000_0006n],
  ['MCG_STATUS', 0x17a, 4n, 8n],
  ['DEBUGCTL', 0x1d9, 1n, 0x1_0000n],
];

test('writable MSRs hold what WRMSR and setMsr put there, and refuse what they cannot hold', () => {
  const g = guest();
  for (const [name, index, good, bad] of WRITABLE) {
    assert.is(wrmsr(g, index, good), true, name);
    // `enter` sets the segments anew, bases included.
    if (name === 'FS_BASE' || name === 'GS_BASE') continue;
    assert.is(g.vcpu.getMsr(index), good, name);
    assert.is(rdmsr(g, index), good, name);
    if (bad !== undefined) assert.is(wrmsr(g, index, bad), false, name);
    assert.is(rdmsr(g, index), good, name);
    assert.is(g.vcpu.setMsr(index, 0n), true, name);
    assert.is(rdmsr(g, index), 0n, name);
    assert.is(g.vcpu.setMsr(index, good), true, name);
    assert.is(rdmsr(g, index), good, name);
  }
});

test('FS and GS bases are the segments', () => {
  const g = new Guest({ code: `b9 ${le(0xc000_0100, 4)} b8 00 00 02 00 99 0f 30 64 8a 04 25 10 00 00 00 f4` });
  g.put(0x20010, '5a');
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0) & 0xffn), 0x5a);
  assert.is(g.vcpu.getMsr(0xc000_0100), 0x20000n);
  assert.is(g.vcpu.getSregs().fs.base, 0x20000n);
});

test('what is not there is #GP(0) in the guest, and undefined or false outside', () => {
  const g = guest();
  for (const index of [0x2, 0x4b0, 0x480, 0x9999, 0x4000_0000, 0x4b56_4d00, 0xc000_007f, 0xc000_0104, 0xc001_0015, 0xffff_ffff]) {
    assert.is(rdmsr(g, index), undefined, index.toString(16));
    assert.is(wrmsr(g, index, 0n), false, index.toString(16));
    assert.is(g.vcpu.getMsr(index), undefined, index.toString(16));
    assert.is(g.vcpu.setMsr(index, 0n), false, index.toString(16));
  }
});

test('reading what can only be written, and writing what can only be read', () => {
  const g = guest();
  assert.is(wrmsr(g, 0xfe, 0n), false, 'MTRRCAP');
  assert.is(wrmsr(g, 0x179, 0n), false, 'MCG_CAP');
  assert.ok((rdmsr(g, 0xfe) ?? 0n) !== 0n);
  assert.is(wrmsr(g, 0x8b, 0n), true, 'BIOS_SIGN_ID is cleared before CPUID');
});

test("EFER: LMA is not the guest's, LME is fixed under paging, undefined bits are #GP", () => {
  const g = guest();
  const efer = g.vcpu.getMsr(0xc000_0080) as bigint;
  assert.is(efer, 0xd01n);
  assert.is(wrmsr(g, 0xc000_0080, efer & ~0x400n), true);
  assert.is(g.vcpu.getMsr(0xc000_0080), efer);
  assert.is(wrmsr(g, 0xc000_0080, efer & ~0x100n), false);
  assert.is(wrmsr(g, 0xc000_0080, efer | 0x4000n), false);
});

test('EFER.NXE takes effect at the next access', () => {
  // Without it NX is a reserved bit, for data too. The page was read before.
  const read = '8a 04 25 00 00 03 00';
  const g = new Guest({ code: `${read} b9 80 00 00 c0 0f 32 80 e4 f7 0f 30 ${read} f4` });
  g.put64(g.pte(0x30000), (1n << 63n) | 0x30007n);
  assert.is(g.run().reason, 'hlt');
  assert.is(g.vector, 14);
  assert.is(g.read(g.rsp, 4), 9);
});

test('the TSC: reading follows the clock, from both sides', () => {
  const g = new Guest({ code: `b9 10 00 00 00 0f 32 f4` });
  assert.is(g.run().reason, 'hlt');
  assert.is(Number(g.reg(0)), 1);
  assert.is(g.vcpu.getMsr(0x10), 3n);
  g.vcpu.setMsr(0x10, 1000n);
  assert.is(g.vcpu.getMsr(0x10), 1000n);
});

test.run();
