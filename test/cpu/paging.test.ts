/**
 * Paging against a model of SDM vol. 3, 4.3 to 4.8 that shares nothing with the core: which accesses fault, with which error code and CR2, and
 * which accessed and dirty bits follow, for all three paging modes; large pages, reserved bits, and what a TLB may and may not remember.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, Guest, hex, le, type Mode } from '../vmm/guest.ts';
import { numbers } from './random-code.ts';

const [P, W, U, A, D, PS, G] = [1n, 2n, 4n, 0x20n, 0x40n, 0x80n, 0x100n];
const NX = 1n << 63n;
const WP = 0x1_0000n;
const [PSE, PGE, SMEP, SMAP] = [0x10n, 0x80n, 0x10_0000n, 0x20_0000n];
const NXE = 0x800n;
const AC = 0x4_0000;

/** Tables of the page under test, top down; unused by everything else. */
const TABLE = [0x19000, 0x1a000, 0x1b000, 0x1c000];
const USER_CODE = 0x9000;

interface Paging {
  readonly mode: Mode;
  /** The linear address under test, and the addresses of the entries that map it, top down. */
  readonly linear: bigint;
  readonly entries: readonly number[];
  readonly bytes: 4 | 8;
}

const PAGINGS: readonly Paging[] = [
  { mode: 'paged32', linear: 0x80_0000n, entries: [0x10000 + 4 * 2, TABLE[3] as number], bytes: 4 },
  { mode: 'pae', linear: 0x80_0000n, entries: [0x12000 + 8 * 4, TABLE[3] as number], bytes: 8 },
  { mode: 'long', linear: 0x80_0000_0000n, entries: [0x10000 + 8, TABLE[0] as number, TABLE[1] as number, TABLE[2] as number], bytes: 8 },
];

type Access = 'read' | 'write' | 'fetch';
interface Controls {
  readonly user: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly nxe: boolean;
  readonly ac: boolean;
}

/** Error code of the fault (sections 4.6 and 4.7), or undefined. `bad(entry, level)`: it is present and sets reserved bits. */
function model(
  p: Paging,
  entries: readonly bigint[],
  access: Access,
  c: Controls,
  bad: (entry: bigint, level: number) => boolean,
): number | undefined {
  const pae = p.mode !== 'paged32';
  let error = (access === 'write' ? 2 : 0) | (c.user ? 4 : 0);
  if (access === 'fetch' && (c.smep || (pae && c.nxe))) error |= 16;
  for (const [level, entry] of entries.entries()) {
    if ((entry & P) === 0n) return error;
    if (bad(entry, level)) return error | 9;
  }
  const all = (bit: bigint): boolean => entries.every((e) => (e & bit) !== 0n);
  const userPage = all(U);
  const writable = all(W);
  const nx = pae && c.nxe && entries.some((e) => (e & NX) !== 0n);
  let allowed: boolean;
  if (c.user) allowed = userPage && (access === 'read' || (access === 'write' ? writable : !nx));
  else if (access === 'fetch') allowed = !nx && !(userPage && c.smep);
  else allowed = (!userPage || !c.smap || c.ac) && (access === 'read' || writable || !c.wp);
  return allowed ? undefined : error | 1;
}

/** Guests by mode: making one costs more than an access. */
const guests = new Map<Mode, Guest>();
function guestFor(mode: Mode): Guest {
  const known = guests.get(mode);
  if (known !== undefined) return known;
  const g = new Guest({ mode, code: '', memory: 0x80_0000 });
  // The supervisor's own pages are the supervisor's, so that SMEP and SMAP leave them alone; one page of code and one of stack are a user's.
  for (let page = 0; page < 0x20; page++) {
    if (page === USER_CODE >> 12 || page === 0xa) continue;
    if (mode === 'paged32') g.put32(0x13000 + 4 * page, (page << 12) | 3);
    else g.put64(0x13000 + 8 * page, (page << 12) | 3);
  }
  g.touchAll();
  guests.set(mode, g);
  return g;
}

const STOP = 'cd 31';
const CODES: Record<Access, string> = { read: `8a 03 ${STOP}`, write: `88 03 ${STOP}`, fetch: 'ff e3' };

function entryOf(g: Guest, p: Paging, level: number): bigint {
  const at = p.entries[level] as number;
  return p.bytes === 8 ? g.read64(at) : BigInt(g.read(at, 4));
}

/** Makes one access under `entries` and says how it ended. */
function perform(
  g: Guest,
  p: Paging,
  entries: readonly bigint[],
  access: Access,
  c: Controls,
  setUp?: () => void,
): { error?: number; cr2?: bigint; vector: number } {
  entries.forEach((e, level) => {
    const at = p.entries[level] as number;
    g.put(
      at,
      Uint8Array.from({ length: p.bytes }, (_, i) => Number((e >> BigInt(8 * i)) & 0xffn)),
    );
  });
  g.enter({ code: CODES[access], at: c.user ? USER_CODE : CODE, cpl: c.user ? 3 : 0, rflags: 2 | (c.ac ? AC : 0) });
  const s = g.vcpu.getSregs();
  const pae = p.mode !== 'paged32';
  g.vcpu.setSregs({
    cr0: c.wp ? s.cr0 | WP : s.cr0 & ~WP,
    cr2: 0n,
    cr4: (s.cr4 & ~(SMEP | SMAP)) | (c.smep ? SMEP : 0n) | (c.smap ? SMAP : 0n),
    efer: (pae ? s.efer & ~NXE : 0n) | (c.nxe ? NXE : 0n),
  });
  // A store leaves the code at the target as it is.
  g.vcpu.setRegs({ rax: 0xcdn, rbx: p.linear, rsp: c.user ? 0xaf00n : 0x7000n });
  setUp?.();
  assert.is(g.run().reason, 'hlt', g.vcpu.exit.detail);
  const vector = g.vector;
  if (vector !== 14) return { vector };
  return { vector, error: g.read(g.rsp, 4), cr2: g.vcpu.getSregs().cr2 };
}

const never = (): boolean => false;
const ACCESSES: readonly Access[] = ['read', 'write', 'fetch'];
const bits = (n: number): Controls => ({
  user: (n & 1) !== 0,
  wp: (n & 2) !== 0,
  smep: (n & 4) !== 0,
  smap: (n & 8) !== 0,
  nxe: (n & 16) !== 0,
  ac: (n & 32) !== 0,
});
const text = (entries: readonly bigint[], access: Access, c: Controls): string =>
  `${entries.map((e) => e.toString(16)).join(' ')} ${access} ${Object.entries(c)
    .filter(([, on]) => on)
    .map(([k]) => k)
    .join(' ')}`;

/** One case against the model, accessed and dirty bits included. */
function check(
  g: Guest,
  p: Paging,
  entries: readonly bigint[],
  access: Access,
  c: Controls,
  bad: (entry: bigint, level: number) => boolean,
): void {
  const expected = model(p, entries, access, c, bad);
  const found = perform(g, p, entries, access, c);
  const what = text(entries, access, c);
  if (expected === undefined) assert.is(found.vector, 0x31, what);
  else assert.equal(found, { vector: 14, error: expected, cr2: p.linear }, what);
  entries.forEach((e, level) => {
    const leaf = level === entries.length - 1 || (level > 0 || p.entries.length < 4 ? (e & PS) !== 0n : false);
    // A protection violation leaves the entries above the one that maps the page accessed.
    const violation = expected !== undefined && (expected & 9) === 1 && !leaf;
    const after = expected === undefined ? e | A | (leaf && access === 'write' ? D : 0n) : violation ? e | A : e;
    assert.is(entryOf(g, p, level), after, `${what}: entry ${level} afterwards`);
  });
}

for (const p of PAGINGS) {
  test(`paging: rights of ${p.mode}, every combination at the last two levels and a sample of all`, () => {
    const g = guestFor(p.mode);
    g.put(FREE, STOP);
    const pick = numbers(7);
    const upper = p.entries.slice(0, -1).map((_, level) => BigInt(p.entries[level + 1] as number) & ~0xfffn);
    const variants =
      p.mode === 'paged32' ? [P | W | U, P | W, P | U, P, W | U] : [P | W | U, P | W, P | U, P, W | U, P | W | U | NX, P | NX];
    let cases = 0;
    for (let controls = 0; controls < 64; controls++) {
      const c = bits(controls);
      // NX is a reserved bit without NXE: its own test.
      const usable = variants.filter((v) => c.nxe || (v & NX) === 0n);
      for (const access of ACCESSES) {
        for (const leaf of usable) {
          for (const directory of usable) {
            if (pick(4) !== 0) continue;
            const above = upper.slice(0, -1).map((at) => at | (pick(3) === 0 ? (usable[pick(usable.length)] as bigint) : P | W | U));
            check(g, p, [...above, (upper.at(-1) as bigint) | directory, BigInt(FREE) | leaf], access, c, never);
            cases++;
          }
        }
      }
    }
    assert.ok(cases > 1000, `${cases} cases`);
  });
}

/** Bits that are reserved at a level (sections 4.3 to 4.5), with 40 bits of physical address. */
function reservedBits(p: Paging, level: number, large: boolean, nxe: boolean): bigint[] {
  const range = (from: number, to: number): bigint[] => Array.from({ length: to - from + 1 }, (_, i) => 1n << BigInt(from + i));
  if (p.mode === 'paged32') return large ? [1n << 21n] : [];
  const out = [...range(40, 51), ...(nxe ? [] : [NX])];
  if (p.mode === 'pae') out.push(...range(52, 62));
  const fromTop = p.entries.length - level;
  if (fromTop === 4) out.push(PS);
  if (large) out.push(...range(13, fromTop === 3 ? 29 : 20));
  return out;
}

test('paging: reserved bits fault at their level, others are ignored', () => {
  for (const p of PAGINGS) {
    const g = guestFor(p.mode);
    g.put(FREE, STOP);
    const plain = [...p.entries.slice(1).map((at) => (BigInt(at) & ~0xfffn) | P | W | U), BigInt(FREE) | P | W | U];
    for (const c of [bits(0), bits(16), bits(17)]) {
      for (let level = 0; level < plain.length; level++) {
        const reserved = reservedBits(p, level, false, c.nxe);
        for (let bit = 0; bit < 8 * p.bytes; bit++) {
          const b = 1n << BigInt(bit);
          // What is no flag: the address (below bit 40) and, where it makes the page large, PS.
          const isLeaf = level === plain.length - 1;
          if ((bit >= 12 && bit < 40) || bit < 3 || b === A || b === D || (b === PS && !isLeaf && !reserved.includes(PS))) continue;
          if (b === NX && c.nxe) continue;
          const entries = plain.map((e, i) => (i === level ? e | b : e));
          check(g, p, entries, 'read', c, (e, i) => i === level && reserved.includes(b) && (e & b) !== 0n);
        }
      }
    }
  }
});

test('paging: an entry that is not present may hold anything', () => {
  for (const p of PAGINGS) {
    const g = guestFor(p.mode);
    const plain = [...p.entries.slice(1).map((at) => (BigInt(at) & ~0xfffn) | P | W | U), BigInt(FREE) | P | W | U];
    for (let level = 0; level < plain.length; level++) {
      check(
        g,
        p,
        plain.map((e, i) => (i === level ? BigInt.asUintN(8 * p.bytes, ~P) : e)),
        'read',
        bits(16),
        never,
      );
    }
  }
});

test('paging: large pages of 4 MiB, 2 MiB and 1 GiB', () => {
  for (const p of PAGINGS) {
    const g = guestFor(p.mode);
    for (let level = p.entries.length - 2; level >= Math.max(0, p.entries.length - 3); level--) {
      const above = p.entries.slice(1, level + 1).map((at) => (BigInt(at) & ~0xfffn) | P | W | U);
      const isLarge = level > 0 || p.entries.length === 2;
      if (!isLarge || (p.mode === 'long' && level === 0)) continue;
      // Onto physical 0: the byte under test is the first of memory.
      const large = P | W | U | PS;
      g.put(0, STOP);
      for (const access of ACCESSES) check(g, p, [...above, large], access, bits(2), never);
      check(g, p, [...above, large & ~W], 'write', bits(2), never);
      check(g, p, [...above, large & ~U], 'read', bits(1), never);
      // PAT of a large page is bit 12.
      check(g, p, [...above, large | 0x1000n | G], 'read', bits(0), never);
      for (const b of reservedBits(p, level, true, true))
        check(g, p, [...above, large | b], 'read', bits(16), (_, i) => i === above.length);
    }
  }
});

test('paging: the offset into a large page, and 36 bits of address in 4 MiB pages', () => {
  const cases: [Paging, bigint[], bigint, number][] = [
    [PAGINGS[0] as Paging, [0x40_0000n | P | W | U | PS], 0x12_3456n, 0x52_3456],
    [PAGINGS[1] as Paging, [0x60_0000n | P | W | U | PS], 0x12_3456n, 0x72_3456],
    [PAGINGS[2] as Paging, [BigInt(TABLE[0] as number) | P | W | U, P | W | U | PS], 0x12_3456n, 0x12_3456],
  ];
  for (const [p, entries, offset, gpa] of cases) {
    const g = guestFor(p.mode);
    g.put(gpa, '5a');
    const at = { ...p, linear: p.linear + offset };
    assert.is(perform(g, at, entries, 'read', bits(0)).vector, 0x31);
    assert.is(Number(g.reg(0) & 0xffn), 0x5a);
  }
  // PSE-36: bits 20:13 are address bits 39:32, where this machine has no RAM: the access leaves run() with that address.
  const g = new Guest({ mode: 'paged32', code: `a0 00 00 80 00` });
  g.put32(0x10008, Number(0x40_0000n | (0x5n << 13n) | P | W | U | PS));
  assert.equal([g.run().reason, g.vcpu.exit.gpa], ['mmio', 0x5_0040_0000]);
});

test('paging: without CR4.PSE the PS bit of 32-bit paging is ignored', () => {
  const p = PAGINGS[0] as Paging;
  const g = guestFor(p.mode);
  const found = perform(g, p, [(BigInt(TABLE[3] as number) & ~0xfffn) | P | W | U | PS, BigInt(FREE) | P], 'read', bits(0), () => {
    g.put32(0x10000, 0x13007);
    g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 & ~PSE });
  });
  assert.is(found.vector, 0x31);
});

test('paging: PDPTEs of PAE are checked when CR3 is loaded, and then live in registers', () => {
  const g = guestFor('pae');
  const load = (code: string): number => {
    g.enter({ code: `${code} ${STOP}`, at: CODE });
    assert.is(g.run().reason, 'hlt');
    return g.vector;
  };
  const at = 0x1d000;
  for (const [bit, faults] of [
    [0, false],
    [1, true],
    [2, true],
    [3, false],
    [4, false],
    [5, true],
    [6, true],
    [7, true],
    [8, true],
    [9, false],
    [39, false],
    [40, true],
    [52, true],
    [63, true],
  ] as const) {
    g.put64(at, 0x12001);
    g.put64(at + 24, (1n << BigInt(bit)) | 1n);
    assert.is(load(`b8 ${le(at, 4)} 0f 22 d8`), faults ? 13 : 0x31, `bit ${bit}`);
  }
  // What is not present is not checked; what memory says later does not count.
  g.put64(at + 24, ~1n);
  assert.is(load(`b8 ${le(at, 4)} 0f 22 d8 31 c0 a3 ${le(at, 4)} 0f 01 3d ${le(at, 4)} 8a 05 ${le(FREE, 4)}`), 0x31);
});

test('paging: an access across pages faults for the page that is missing, and stores nothing', () => {
  for (const mode of ['long', 'paged32'] as const) {
    const store = mode === 'long' ? '48 89 03' : '89 03';
    for (const missing of [0, 1]) {
      const g = new Guest({ mode, code: `${store} ${STOP}` });
      const first = FREE + 0x1000;
      for (const page of [0, 1]) {
        const entry = first + page * 0x1000 + (page === missing ? 0 : 7);
        if (mode === 'long') g.put64(g.pte(first + page * 0x1000), entry);
        else g.put32(g.pte(first + page * 0x1000), entry);
      }
      g.vcpu.setRegs({ rax: ~0n & 0xffff_ffff_ffff_ffffn, rbx: BigInt(first + 0x1000 - 1) });
      assert.is(g.run().reason, 'hlt');
      assert.is(g.vector, 14);
      assert.is(Number(g.vcpu.getSregs().cr2), missing === 0 ? first + 0xfff : first + 0x1000);
      assert.is(g.read(first + 0xfff, 1), 0);
      assert.is(g.read(g.rsp, 4), 2);
    }
  }
});

test('paging: addresses that are not canonical', () => {
  for (const [code, vector] of [
    ['8a 03', 13],
    ['88 03', 13],
    ['ff e3', 13],
    ['48 89 dc 58', 12],
    ['48 89 dc 50', 12],
    ['48 89 dd 8a 45 00', 12],
    ['65 8a 03', 13],
  ] as const) {
    const g = new Guest({ code: `${code} ${STOP}`, cpl: 3 });
    g.vcpu.setRegs({ rbx: 0x8000_0000_0010n });
    assert.is(g.run().reason, 'hlt');
    assert.is(g.vector, vector, code);
    assert.is(g.read(g.rsp, 4), 0);
  }
  // The last canonical byte is there; an access that runs over it is not.
  const g = new Guest({ code: '8b 03 cd 31' });
  g.vcpu.setRegs({ rbx: 0x7fff_ffff_fffen });
  assert.is(g.run().reason, 'hlt');
  assert.ok(g.vector === 13 || g.vector === 14);
});

/** What a TLB may remember: reads a byte through T, changes T's mapping from FREE to FREE + 1000h, does something, reads again. */
const T = FREE + 0x9000;
const REMAP = (g: Guest, flags: number): string => `c7 04 25 ${le(g.pte(T), 4)} ${le((FREE + 0x1000) | flags, 4)}`;
const READ = `48 c1 e2 08 8a 14 25 ${le(T, 4)}`;

const STALE: [string, string, number, number][] = [
  ['nothing: the old one stays', '90', 7, 0x102 - 1],
  ['INVLPG', `0f 01 3c 25 ${le(T + 5, 4)}`, 7, 0x102],
  ['MOV CR3', '0f 20 d8 0f 22 d8', 7, 0x102],
  ['MOV CR3, a global page', '0f 20 d8 0f 22 d8', 0x107, 0x101],
  ['INVLPG, a global page', `0f 01 3c 25 ${le(T, 4)}`, 0x107, 0x102],
  ['PGE off and on, a global page', '0f 20 e0 34 80 0f 22 e0 34 80 0f 22 e0', 0x107, 0x102],
  ['CR0.WP off and on, a global page', '0f 20 c0 48 35 00 00 01 00 0f 22 c0 48 35 00 00 01 00 0f 22 c0', 0x107, 0x102],
];

for (const [name, code, flags, rdx] of STALE) {
  test(`TLB: ${name}`, () => {
    for (const slice of [100_000, 1]) {
      const g = new Guest({ code: '' });
      g.put64(g.pte(T), FREE | flags);
      g.put(FREE, '01');
      g.put(FREE + 0x1000, '02');
      g.enter({ code: `${READ} ${REMAP(g, flags)} ${code} ${READ} f4` });
      const s = g.vcpu.getSregs();
      g.vcpu.setSregs({ cr4: s.cr4 | PGE });
      g.vm.slice = slice;
      assert.is(g.run().reason, 'hlt');
      assert.is(Number(g.reg(2)), rdx, `slice ${slice}`);
    }
  });
}

test('TLB: what a page holds besides does not change what a store sees', () => {
  // The second store goes to the old page whether or not the page has decoded code in it: the TLB entry of the first is still there.
  for (const code of [false, true]) {
    const g = new Guest({ code: '' });
    g.put64(g.pte(T), FREE | 7);
    g.put(FREE + 0x800, 'c3');
    const call = (at: number): string => `e8 ${le(T + 0x800 - at - 5, 4)}`;
    const store = `c6 04 25 ${le(T, 4)} 01`;
    g.enter({ code: `${store} ${code ? call(CODE + 8) : '90 90 90 90 90'} ${REMAP(g, 7)} c6 04 25 ${le(T, 4)} 02 f4` });
    assert.is(g.run().reason, 'hlt');
    assert.equal([g.read(FREE, 1), g.read(FREE + 0x1000, 1)], [2, 0], code ? 'with code' : 'without');
  }
});

test('TLB: a right that is withdrawn by a control register is gone at once', () => {
  const g = new Guest({ code: '' });
  g.put64(g.pte(T), FREE | 5);
  // A read-only page is written with WP clear, then WP is set.
  g.enter({ code: `88 04 25 ${le(T, 4)} 0f 20 c0 48 0d 00 00 01 00 0f 22 c0 88 04 25 ${le(T, 4)} f4` });
  g.vcpu.setSregs({ cr0: g.vcpu.getSregs().cr0 & ~WP });
  assert.is(g.run().reason, 'hlt');
  assert.is(g.vector, 14);
  assert.is(g.read(g.rsp, 4), 3);
  assert.is(g.read(g.rsp + 8, 8), CODE + 7 + 3 + 6 + 3);
});

test('TLB: RFLAGS.AC lets a supervisor through SMAP, and stops it again', () => {
  const g = guestFor('long');
  g.put64(g.pte(T), FREE | 7);
  // POPF with AC, read, POPF without, read.
  g.enter({ at: CODE, code: `68 02 00 04 00 9d 8a 04 25 ${le(T, 4)} 6a 02 9d 8a 04 25 ${le(T, 4)} f4` });
  g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | SMAP });
  assert.is(g.run().reason, 'hlt');
  assert.is(g.vector, 14);
  assert.is(g.read(g.rsp, 4), 1);
  assert.is(g.read(g.rsp + 8, 8), CODE + 6 + 7 + 3);
});

test('TLB: SMAP stops the processor at a descriptor table of a user, whatever AC is', () => {
  const g = guestFor('long');
  g.enter({ at: CODE, code: 'cd 30 f4', rflags: 2 | AC });
  const s = g.vcpu.getSregs();
  g.put(FREE, (g.vm.ram.view(0x2000, 0x1000) as Uint8Array).slice());
  g.put64(g.pte(T), FREE | 7);
  g.vcpu.setSregs({ cr4: s.cr4 | SMAP, idtr: { base: BigInt(T), limit: 0xfff } });
  assert.is(g.run().reason, 'shutdown', 'so does every entry');
  assert.is(Number(g.vcpu.getSregs().cr2 & ~0xfffn), T);
});

test('TLB: STAC and CLAC are obeyed by the next access', () => {
  const g = guestFor('long');
  g.put64(g.pte(T), FREE | 7);
  g.enter({ at: CODE, code: `0f 01 cb 8a 04 25 ${le(T, 4)} 0f 01 ca 8a 04 25 ${le(T, 4)} f4` });
  g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | SMAP });
  assert.is(g.run().reason, 'hlt');
  assert.is(g.vector, 14);
  assert.is(g.read(g.rsp, 4), 1);
  assert.is(g.read(g.rsp + 8, 8), CODE + 3 + 7 + 3);
});

test('TLB: WRPKRU takes rights away and gives them back at once, for its key only', () => {
  const g = guestFor('long');
  const pkru = (value: number): string => `b8 ${le(value, 4)} 0f 01 ef`;
  const read = `8a 14 25 ${le(T, 4)}`;
  const write = `88 14 25 ${le(T, 4)}`;
  // Key 5: access disable is bit 10, write disable bit 11. EDX must be 0.
  const clear = `31 c9 31 d2 ${pkru(0)}`;
  for (const [code, error] of [
    [`${clear} ${write} ${pkru(0xffff_f3ff)} ${read} ${write} 31 d2 ${pkru(0x400)} ${read} f4`, 0x21],
    [`${clear} ${write} ${pkru(0x800)} ${read} 31 d2 ${pkru(0)} ${write} ${pkru(0x800)} ${read} ${write} f4`, 0x23],
  ] as const) {
    g.put64(g.pte(T), BigInt(FREE | 7) | (5n << 59n));
    g.put(FREE, '00');
    g.enter({ at: CODE, code });
    g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 0x40_0000n });
    assert.is(g.run().reason, 'hlt');
    assert.equal([g.vector, g.read(g.rsp, 4)], [14, error]);
    assert.is(g.read(g.rsp + 8, 8), CODE + hex(code).length - 8, 'the last access');
  }
});

test('TLB: with PCIDs a context keeps its entries over CR3 loads that say so, and INVPCID withdraws them', () => {
  const g = guestFor('long');
  const cr3 = (value: bigint): string => `48 b8 ${le(value, 8)} 0f 22 d8`;
  const read = `8a 04 25 ${le(T, 4)}`;
  const unmap = `c7 04 25 ${le(g.pte(T), 4)} 00 00 00 00`;
  const keep = (1n << 63n) | 0x10005n;
  // 66 0F 38 82 /r: INVPCID rcx, [FREE].
  const invpcid = (type: number): string => `b9 ${le(type, 4)} 66 0f 38 82 0c 25 ${le(FREE, 4)}`;
  const cases: [string, boolean][] = [
    [cr3(keep), false],
    [cr3(0x10005n), true],
    [`${cr3(0x10006n)} ${cr3(keep)}`, true],
    [invpcid(0), true],
    [invpcid(1), true],
    [invpcid(2), true],
    [invpcid(3), true],
    [`0f 01 3c 25 ${le(T, 4)}`, true],
  ];
  for (const [code, faults] of cases) {
    g.put64(g.pte(T), FREE | 3);
    g.put64(FREE, 5);
    g.put64(FREE + 8, T);
    g.enter({ at: CODE, code: `${read} ${unmap} ${code} ${read} ${STOP}` });
    g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 0x2_0000n, cr3: 0x10005n });
    assert.is(g.run().reason, 'hlt');
    // Keeping more than that is allowed only where the SDM says "may": this core keeps nothing it need not.
    assert.is(g.vector, faults ? 14 : 0x31, code);
  }
});

test('5-level paging: branches, returns and data beyond 48 bits; the hole begins at bit 56', () => {
  const g = guestFor('long');
  g.put64(0x19000, 0x10000 | 7);
  g.put64(0x19008, 0x10000 | 7);
  const far = (1n << 48n) + BigInt(CODE + 0x100);
  const beyond = (1n << 56n) + BigInt(CODE + 0x100);
  const rax = (value: bigint): string => `48 b8 ${le(value, 8)}`;
  const ways: Record<string, string> = {
    'JMP r': 'ff e0',
    'CALL r': 'ff d0',
    RET: '50 c3',
    'JMP m': '50 ff 24 24',
    'CALL m': '50 ff 14 24',
  };
  for (const [name, way] of Object.entries(ways)) {
    for (const [target, vector] of [
      [far, 0x31],
      [beyond, 13],
      [-(1n << 55n), 14],
    ] as const) {
      g.put(CODE + 0x100, STOP);
      g.enter({ at: CODE, code: `${rax(target)} ${way}` });
      const s = g.vcpu.getSregs();
      g.vcpu.setSregs({ cr4: s.cr4 | 0x1000n, cr3: 0x19000n });
      assert.is(g.run().reason, 'hlt');
      assert.is(g.vector, vector, `${name} ${target.toString(16)}`);
    }
  }
  for (const [address, vector] of [
    [(1n << 48n) + BigInt(FREE), 0x31],
    [1n << 56n, 13],
    [(1n << 56n) - 1n, 13],
    [-(1n << 56n) - 1n, 13],
  ] as const) {
    g.enter({ at: CODE, code: `${rax(address)} 66 8b 18 ${STOP}` });
    g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 0x1000n, cr3: 0x19000n });
    assert.is(g.run().reason, 'hlt');
    assert.is(g.vector, vector, address.toString(16));
  }
});

test.run();
