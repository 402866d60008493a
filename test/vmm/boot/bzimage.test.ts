import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGuest, type BootOptions, type EntryState } from '../../../vmm/boot/index.ts';
import { bzImage, GuardedRam, MB, options } from './synthetic.ts';

function boot(ram: GuardedRam, kernel: Uint8Array, more: Partial<BootOptions> = {}): EntryState {
  const result = loadGuest(options(ram, kernel, more));
  if (!result.ok) throw new Error(result.reason);
  return result.entry;
}

function refusal(ram: GuardedRam, kernel: Uint8Array, more: Partial<BootOptions> = {}): string {
  const result = loadGuest(options(ram, kernel, more));
  if (result.ok) throw new Error(`booted as ${result.kind}`);
  return result.reason;
}

test('the 64-bit entry: long mode, paging on, interrupts off, RSI at the zero page', () => {
  const ram = new GuardedRam(8 * MB);
  const entry = boot(ram, bzImage());
  assert.is(entry.mode, 'long');
  assert.is(entry.rip, MB + 0x200);
  assert.is(entry.cr0, 0x8000_0011);
  assert.is(entry.cr4, 0x20);
  assert.is(entry.efer, 0x500);
  assert.is(entry.rflags, 2);
  assert.is(entry.cs.selector, 0x10);
  assert.is(entry.cs.ar, 0xa09b);
  assert.is(entry.ds.selector, 0x18);
  assert.is(ram.bytes[MB], 0x90);
});

test('the page tables map the first 4 GiB onto themselves in 2 MB pages', () => {
  const ram = new GuardedRam(8 * MB);
  const { cr3 } = boot(ram, bzImage());
  const entryAt = (table: number, index: number): bigint => ram.view().getBigUint64(table + index * 8, true);
  const next = (entry: bigint): number => Number(entry & 0xf_ffff_f000n);
  for (const address of [0, 0x20_0000, 0x1234_5000, 0x8000_0000, 0xffe0_0000]) {
    const pdpt = next(entryAt(cr3, 0));
    const pd = next(entryAt(pdpt, Math.floor(address / 2 ** 30)));
    const leaf = entryAt(pd, Math.floor(address / 2 ** 21) % 512);
    assert.is(leaf & 0x83n, 0x83n);
    assert.is(Number(leaf & 0xf_ffe0_0000n), Math.floor(address / 2 ** 21) * 2 ** 21);
  }
  assert.is(entryAt(next(entryAt(cr3, 0)), 4), 0n);
});

test('the GDT holds flat descriptors for the selectors of the entry', () => {
  const ram = new GuardedRam(8 * MB);
  const { gdtr } = boot(ram, bzImage());
  assert.is(gdtr.limit, 47);
  assert.is(ram.view().getBigUint64(gdtr.base + 0x10, true), 0x00af9b000000ffffn);
  assert.is(ram.view().getBigUint64(gdtr.base + 0x18, true), 0x00cf93000000ffffn);
});

test('the zero page: header, command line, initrd, memory map, RSDP', () => {
  const ram = new GuardedRam(8 * MB);
  const initrd = new Uint8Array(5000).fill(7);
  const { rsi } = boot(ram, bzImage(), { initrd, append: 'quiet root=/dev/ram0' });
  const view = ram.view();
  assert.is(view.getUint32(rsi + 0x202, true), 0x53726448);
  assert.is(view.getUint8(rsi + 0x1ef), 0, 'sentinel');
  assert.is(view.getUint8(rsi + 0x210), 0xff);
  assert.is(view.getUint32(rsi + 0x214, true), MB);
  assert.is(ram.text(view.getUint32(rsi + 0x228, true)), 'quiet root=/dev/ram0');
  const at = view.getUint32(rsi + 0x218, true);
  assert.is(at, 8 * MB - 0x2000);
  assert.is(view.getUint32(rsi + 0x21c, true), 5000);
  assert.ok(ram.bytes.subarray(at, at + 5000).every((b) => b === 7));
  assert.is(view.getBigUint64(rsi + 0x70, true), 0xe0000n);
  assert.is(view.getUint8(rsi + 0x1e8), 4);
  assert.is(view.getBigUint64(rsi + 0x2d0 + 60, true), 0x100000n);
  assert.is(view.getUint32(rsi + 0x2d0 + 76, true), 1);
});

test('no initrd leaves its fields zero', () => {
  const ram = new GuardedRam(8 * MB);
  const { rsi } = boot(ram, bzImage());
  assert.is(ram.view().getUint32(rsi + 0x218, true), 0);
  assert.is(ram.view().getUint32(rsi + 0x21c, true), 0);
});

test('the initrd stays below initrd_addr_max', () => {
  const ram = new GuardedRam(8 * MB);
  const { rsi } = boot(ram, bzImage({ initrdMax: 0x3f_ffff }), { initrd: new Uint8Array(4096) });
  assert.is(ram.view().getUint32(rsi + 0x218, true), 0x3f_f000);
});

test('a kernel without the 64-bit entry is entered in protected mode at its first byte', () => {
  for (const fields of [{ xloadflags: 0 }, { version: 0x0208 }]) {
    const ram = new GuardedRam(8 * MB);
    const result = loadGuest(options(ram, bzImage(fields)));
    assert.ok(result.ok);
    if (!result.ok) return;
    assert.is(result.kind, 'bzimage32');
    const { entry } = result;
    assert.is(entry.mode, 'protected');
    assert.is(entry.rip, MB);
    assert.is(entry.cr0, 0x11);
    assert.is(entry.cs.ar, 0xc09b);
    assert.equal([entry.rbp, entry.rdi, entry.rbx], [0, 0, 0]);
    assert.is(ram.view().getUint32(entry.rsi + 0x202, true), 0x53726448);
  }
});

test('the real-mode entry: setup at 0x90000, command line behind its heap, a BIOS behind its vectors', () => {
  const ram = new GuardedRam(8 * MB);
  const entry = boot(ram, bzImage(), { kind: 'bzimage16' });
  assert.is(entry.mode, 'real');
  assert.equal([entry.cs.selector, entry.rip, entry.cs.base], [0x9020, 0, 0x90200]);
  assert.equal([entry.ss.selector, entry.rsp, entry.ds.selector], [0x9000, 0xe000, 0x9000]);
  assert.is(entry.cr0, 0x10);
  const view = ram.view();
  assert.is(view.getUint8(0x90211) & 0x80, 0x80);
  assert.is(view.getUint16(0x90224, true), 0xde00);
  assert.is(ram.text(view.getUint32(0x90228, true)), 'console=ttyS0');
  // INT 15h points into the EBDA, which the memory map reserves.
  assert.is(view.getUint16(0x15 * 4 + 2, true), 0x9fc0);
  assert.is(view.getUint16(0x9fc00 + 0xe0, true), 4, 'entries that INT 15h E820 reports');
});

test('a relocatable kernel whose preferred place is taken goes higher', () => {
  const ram = new GuardedRam(16 * MB);
  const memoryMap = [
    { base: 0, length: 0x9fc00, type: 1 },
    { base: 3 * MB, length: 13 * MB, type: 1 },
  ];
  assert.is(boot(ram, bzImage({ prefAddress: 0x10_0000n }), { memoryMap }).rip, 4 * MB + 0x200);
  assert.match(refusal(ram, bzImage({ relocatable: 0 }), { memoryMap }), /needs/);
});

test('memory that is too small is named with what is needed', () => {
  const reason = refusal(new GuardedRam(16 * MB), bzImage({ prefAddress: 0x100_0000n, initSize: 0x200_0000 }));
  assert.is(
    reason,
    'some/folder/kernel: loads at 16 MB and needs 32 MB there while it unpacks: at least 48 MB of memory, the guest has 16 MB (--memory)',
  );
});

test('an initrd that does not fit is named', () => {
  const reason = refusal(new GuardedRam(8 * MB), bzImage(), { initrd: new Uint8Array(8 * MB), initrdName: 'big.cpio' });
  assert.match(reason, /no room for the initrd big\.cpio \(8388608 bytes\): the guest has 8 MB, at least \d+ MB are needed/);
});

test('bad files and options are refused in one line', () => {
  const ram = new GuardedRam(8 * MB);
  assert.match(refusal(ram, bzImage().subarray(0, 0x700)), /truncated: 1792 bytes, the bzImage header promises \d+/);
  assert.match(refusal(ram, bzImage().subarray(0, 0x220)), /truncated/);
  assert.match(refusal(ram, bzImage({ version: 0x0201 })), /boot protocol 2\.01; 2\.02 or later is needed/);
  assert.match(refusal(ram, bzImage({ cmdlineSize: 5 })), /at most 5 bytes, --append has 13/);
  assert.match(refusal(ram, bzImage(), { append: 'a\0b' }), /NUL/);
  assert.match(refusal(ram, bzImage(), { initrd: new Uint8Array(0), initrdName: 'x.cpio' }), /^x\.cpio: the initrd is empty/);
  assert.match(refusal(ram, bzImage({ xloadflags: 0 }), { kind: 'bzimage' }), /no 64-bit entry/);
  assert.match(refusal(ram, bzImage(), { modules: [{ bytes: new Uint8Array(1), name: 'm' }] }), /no further modules/);
  assert.match(refusal(new GuardedRam(0x8_0000), bzImage(), { kind: 'bzimage16' }), /real-mode entry needs RAM/);
});

test.run();
