import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { extractVmlinux } from '../../../vmm/boot/vmlinux.ts';
import { loadGuest, type BootOptions } from '../../../vmm/boot/index.ts';
import { bzImage, elf, GuardedRam, lz4Payload, MB, options } from './synthetic.ts';

function boot(ram: GuardedRam, kernel: Uint8Array, more: Partial<BootOptions> = {}) {
  const result = loadGuest(options(ram, kernel, more));
  if (!result.ok) throw new Error(result.reason);
  return result;
}

function refusal(kernel: Uint8Array, more: Partial<BootOptions> = {}, ram = new GuardedRam(8 * MB)): string {
  const result = loadGuest(options(ram, kernel, more));
  if (result.ok) throw new Error(`booted as ${result.kind}`);
  return result.reason;
}

test('an ELF file of either class with the note is entered in flat protected mode at the note', () => {
  for (const is64 of [true, false]) {
    const ram = new GuardedRam(8 * MB);
    ram.bytes.fill(0xff, MB, MB + 0x1000);
    const { kind, entry } = boot(ram, elf({ is64 }));
    assert.is(kind, 'pvh');
    assert.is(entry.rip, MB + 0x20);
    assert.is(entry.cr0, 0x11);
    assert.is(entry.cr4, 0);
    assert.equal([entry.cs.base, entry.cs.limit, entry.cs.ar], [0, 0xffff_ffff, 0xc09b]);
    assert.equal([entry.tr.limit, entry.tr.ar], [0x67, 0x8b]);
    assert.is(ram.bytes[MB], 0xcc);
    assert.is(ram.bytes[MB + 0x17f], 0, 'bss is zeroed');
    assert.is(ram.bytes[MB + 0x180], 0xff, 'nothing behind it is');
  }
});

test('EBX points at hvm_start_info version 1', () => {
  const ram = new GuardedRam(8 * MB);
  const { entry } = boot(ram, elf(), { initrd: new Uint8Array(100).fill(5), initrdName: '/x/init.cpio' });
  const view = ram.view();
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const info = entry.rbx;
  assert.equal([view.getUint32(info, true), view.getUint32(info + 4, true)], [0x336ec578, 1]);
  assert.is(view.getUint32(info + 12, true), 1);
  const module = u64(info + 16);
  assert.is(u64(module), 8 * MB - 0x1000);
  assert.is(u64(module + 8), 100);
  assert.is(ram.text(u64(module + 16)), 'init.cpio');
  assert.is(ram.text(u64(info + 24)), 'console=ttyS0');
  assert.is(u64(info + 32), 0xe0000);
  const map = u64(info + 40);
  assert.is(view.getUint32(info + 48, true), 4);
  assert.equal([u64(map + 72), u64(map + 80), view.getUint32(map + 88, true)], [MB, 7 * MB, 1]);
});

test('boot data keeps out of the way of segments in low memory', () => {
  const ram = new GuardedRam(8 * MB);
  const { entry } = boot(ram, elf({ paddr: 0x1000, memsz: 0x2000 }));
  assert.ok(entry.rbx >= 0x3000);
  assert.is(ram.bytes[0x10ff], 0xcc);
});

test('a bzImage is unpacked and entered by PVH when asked to, whatever of the three it is packed with', () => {
  const vmlinux = elf();
  const sized = (packed: Uint8Array): Uint8Array => {
    const out = new Uint8Array(packed.length + 4);
    out.set(packed);
    new DataView(out.buffer).setUint32(packed.length, vmlinux.length, true);
    return out;
  };
  for (const payload of [lz4Payload(vmlinux), gzipSync(vmlinux), sized(zstdCompressSync(vmlinux))]) {
    const ram = new GuardedRam(8 * MB);
    const image = bzImage({ payload });
    assert.equal(Buffer.from(extractVmlinux(image) ?? []), Buffer.from(vmlinux));
    const { kind, entry } = boot(ram, image, { kind: 'pvh' });
    assert.equal([kind, entry.rip], ['pvh', MB + 0x20]);
  }
});

test('a payload that is damaged or packed otherwise is refused by name', () => {
  const damaged = lz4Payload(elf());
  damaged[6] = 0xff;
  assert.match(refusal(bzImage({ payload: damaged }), { kind: 'pvh' }), /lz4 payload of the bzImage is damaged/);
  assert.match(refusal(bzImage({ payload: Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0, 0, 0, 0, 0]) }), { kind: 'pvh' }), /packed with xz/);
  assert.is(extractVmlinux(bzImage()), null);
  assert.is(extractVmlinux(new Uint8Array(3)), null);
});

test('segments outside RAM, overlapping or cut off are refused with the address', () => {
  assert.match(
    refusal(elf({ memsz: 16 * MB })),
    /segment at 0x100000 of 16777216 bytes needs at least 17 MB of memory, the guest has 8 MB/,
  );
  assert.match(refusal(elf({ paddr: 0xa_0000 })), /0xa0000 of 384 bytes is not in RAM/);
  assert.match(refusal(elf({ paddr: 2 ** 40 })), /physical load address \(p_paddr\) below 4 GiB/);
  assert.match(refusal(elf({ memsz: 0x80 })), /more bytes in the file/);
  assert.match(refusal(elf({ pvhEntry: 0x1234 })), /PVH entry 0x1234 is in no loaded segment/);
  assert.match(refusal(elf().subarray(0, 0x280)), /truncated: 640 bytes, the ELF segment at 0x100000 ends at 768/);
  assert.match(refusal(elf().subarray(0, 70)), /truncated: 70 bytes end before the ELF program headers do/);
});

test.run();
