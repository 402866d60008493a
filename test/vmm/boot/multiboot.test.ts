import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGuest, type BootOptions } from '../../../vmm/boot/index.ts';
import { elf, GuardedRam, MB, multibootHeader, options } from './synthetic.ts';

function boot(ram: GuardedRam, kernel: Uint8Array, more: Partial<BootOptions> = {}) {
  const result = loadGuest(options(ram, kernel, more));
  if (!result.ok) throw new Error(result.reason);
  assert.is(result.kind, 'multiboot');
  return result.entry;
}

function refusal(kernel: Uint8Array, more: Partial<BootOptions> = {}): string {
  const result = loadGuest(options(new GuardedRam(8 * MB), kernel, more));
  if (result.ok) throw new Error(`booted as ${result.kind}`);
  return result.reason;
}

const image32 = (flags = 3): Uint8Array => elf({ is64: false, pvhEntry: null, head: multibootHeader(flags) });

test('a 32-bit ELF file is loaded by physical address and entered flat with the magic in EAX', () => {
  const ram = new GuardedRam(8 * MB);
  const entry = boot(ram, image32());
  assert.is(entry.rax, 0x2badb002);
  assert.is(entry.rip, MB + 0x10);
  assert.equal([entry.mode, entry.cr0, entry.rflags, entry.cs.ar, entry.ss.ar], ['protected', 0x11, 2, 0xc09b, 0xc093]);
  assert.is(ram.bytes[MB + 0xff], 0xcc);
});

test('a virtual entry point is turned into a physical one', () => {
  const kernel = elf({ is64: false, pvhEntry: null, head: multibootHeader(0), vaddr: 0xc010_0000, entry: 0xc010_0018 });
  assert.is(boot(new GuardedRam(8 * MB), kernel).rip, MB + 0x18);
});

test('EBX points at memory sizes, command line, map, modules and loader name', () => {
  const ram = new GuardedRam(8 * MB);
  const modules = [{ bytes: new Uint8Array(10).fill(9), name: 'second.bin' }];
  const { rbx } = boot(ram, image32(), { initrd: new Uint8Array(5000).fill(8), initrdName: 'dir/first.bin', modules });
  const view = ram.view();
  const u32 = (at: number): number => view.getUint32(at, true);
  assert.is(u32(rbx), 0x24d);
  assert.equal([u32(rbx + 4), u32(rbx + 8)], [639, 7 * 1024]);
  assert.is(ram.text(u32(rbx + 16)), 'kernel console=ttyS0');
  assert.is(u32(rbx + 20), 2);
  const list = u32(rbx + 24);
  assert.is(u32(list) % 0x1000, 0);
  assert.ok(u32(list) >= MB + 0x180);
  assert.is(u32(list + 4) - u32(list), 5000);
  assert.is(ram.text(u32(list + 8)), 'first.bin');
  assert.is(ram.bytes[u32(list + 16)], 9);
  assert.is(ram.text(u32(list + 24)), 'second.bin');
  assert.is(u32(rbx + 44), 4 * 24);
  const map = u32(rbx + 48);
  assert.equal([u32(map), u32(map + 4), u32(map + 12), u32(map + 20)], [20, 0, 0x9fc00, 1]);
  assert.is(ram.text(u32(rbx + 64)), 'Lucid');
});

test('the address fields load any file and take precedence over ELF', () => {
  const at = 0x40;
  const load = 0x20_0000;
  const header = multibootHeader(0x1_0003, [load + at, load, load + 0x300, load + 0x800, load + 0x100]);
  const file = new Uint8Array(0x400).fill(0x55);
  file.set(header, at);
  const ram = new GuardedRam(8 * MB);
  ram.bytes.fill(0xff, load, load + 0x1000);
  const entry = boot(ram, file);
  assert.is(entry.rip, load + 0x100);
  assert.equal([ram.bytes[load], ram.bytes[load + 0x2ff], ram.bytes[load + 0x300], ram.bytes[load + 0x800]], [0x55, 0x55, 0, 0xff]);
  // load_end_addr 0: to the end of the file.
  file.set(multibootHeader(0x1_0003, [load + at, load, 0, 0, load]), at);
  boot(ram, file);
  assert.is(ram.bytes[load + 0x3ff], 0x55);
});

test('the header is found only 4-byte aligned, whole and within 8192 bytes, and with a right checksum', () => {
  const at = (offset: number, header = multibootHeader(0x1_0000, [MB + offset, MB, 0, 0, MB])): Uint8Array => {
    const file = new Uint8Array(0x3000).fill(0x55);
    file.set(header, offset);
    return file;
  };
  boot(new GuardedRam(8 * MB), at(8192 - 32));
  for (const offset of [8192 - 28, 8192, 2]) assert.match(refusal(at(offset)), /multiboot 1 image is needed/);
  const wrong = multibootHeader(0);
  wrong[8] = (wrong[8] ?? 0) ^ 1;
  assert.match(refusal(at(0, wrong)), /multiboot 1 image is needed/);
});

test('requirements that are not met and addresses that make no sense are refused', () => {
  const file = (addresses: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(0x400);
    bytes.set(multibootHeader(0x1_0000, addresses));
    return bytes;
  };
  assert.match(refusal(image32(7)), /requires 0x4/);
  assert.match(refusal(file([MB, 2 * MB, 0, 0, MB])), /does not fit header_addr/);
  assert.match(refusal(file([MB, MB, MB - 16, 0, MB])), /lies before load_addr/);
  assert.match(refusal(file([MB, MB, MB + 0x500, 0, MB])), /truncated: 1024 bytes, the multiboot header promises 1280/);
  assert.match(refusal(file([MB, MB, 0, 9 * MB, MB])), /needs at least 9 MB of memory, the guest has 8 MB/);
  assert.match(refusal(file([0xa_0000, 0xa_0000, 0, 0, 0xa_0000])), /not RAM/);
  assert.match(refusal(file([MB, MB, 0, 0, 2 * MB])), /outside what is loaded/);
  assert.match(refusal(image32(), { initrd: new Uint8Array(0), initrdName: 'm' }), /^m: the module is empty/);
});

test.run();
