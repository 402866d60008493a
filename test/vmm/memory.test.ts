import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import { GuestRam, HIGH_RAM_BASE, LOW_RAM_END, MemorySizeError, parseMemorySize, standardSlots } from '../../vmm/memory.ts';

const MIB = 1048576;

function ram(bytes: number): GuestRam {
  const pages = (MEMORY_MAP.RAM_BASE + bytes) / 65536;
  return new GuestRam(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), bytes);
}

test('sizes are read with units; a bare number is MiB', () => {
  assert.is(parseMemorySize('64M'), 64 * MIB);
  assert.is(parseMemorySize('2g'), 2048 * MIB);
  assert.is(parseMemorySize('2GiB'), 2048 * MIB);
  assert.is(parseMemorySize('1024K'), MIB);
  assert.is(parseMemorySize('96'), 96 * MIB);
  assert.is(parseMemorySize(3 * MIB), 3 * MIB);
});

test('sizes that cannot be are refused with the reason', () => {
  const reason = (size: string | number): string => {
    try {
      parseMemorySize(size);
    } catch (error) {
      assert.instance(error, MemorySizeError);
      return (error as Error).message;
    }
    return 'accepted';
  };
  assert.match(reason('lots'), /not a size/);
  assert.match(reason('4K'), /too small/);
  assert.match(reason('4G'), /32-bit WebAssembly memory.*3584M/);
  assert.match(reason(1.5), /multiple/);
  assert.match(reason('-1M'), /not a size/);
});

test('RAM above 3 GiB continues at 4 GiB', () => {
  const slots = standardSlots(3584 * MIB);
  assert.equal(
    slots.map((s) => [s.gpa, s.bytes]),
    [
      [0, LOW_RAM_END],
      [HIGH_RAM_BASE, 512 * MIB],
    ],
  );
  assert.is(slots[1].host, MEMORY_MAP.RAM_BASE + LOW_RAM_END);
});

test('reads and writes stop at nothing but RAM', () => {
  const r = ram(2 * MIB);
  r.setSlots(standardSlots(2 * MIB, { gpa: 0xa0000, bytes: 0x20000 }));
  const writes: [number, number][] = [];
  r.written = (host, length) => writes.push([host - MEMORY_MAP.RAM_BASE, length]);
  assert.is(r.write(0x1000, Uint8Array.of(1, 2, 3)), true);
  const back = new Uint8Array(5).fill(9);
  assert.is(r.read(0xfff, back), true);
  assert.equal([...back], [0, 1, 2, 3, 0]);
  // Across the start of the hole, and across the end of RAM.
  assert.is(r.write(0x9ffff, Uint8Array.of(7, 8)), false);
  assert.is(r.write(2 * MIB - 1, Uint8Array.of(7, 8)), false);
  back.fill(9);
  assert.is(r.read(2 * MIB - 1, back), false);
  assert.equal([...back], [7, 0, 0, 0, 0]);
  assert.is(r.read(0xffff_ffff_f000, back), false);
  assert.equal([...back], [0, 0, 0, 0, 0]);
  assert.equal(writes, [
    [0x1000, 3],
    [0x9ffff, 1],
    [2 * MIB - 1, 1],
  ]);
});

test('addresses translate both ways', () => {
  const r = ram(2 * MIB);
  r.setSlots(standardSlots(2 * MIB, { gpa: 0xa0000, bytes: 0x20000 }));
  assert.is(r.gpaOf(r.hostOf(0x123456)), 0x123456);
  assert.is(r.hostOf(0xb8000), 0);
  assert.is(r.hostOf(0x9fff0, 0x20), 0);
  assert.is(r.gpaOf(0), -1);
  assert.is(r.view(0x9ff00, 0x100)?.length, 0x100);
});

test('slots that overlap or leave the RAM are refused', () => {
  const r = ram(MIB);
  const host = MEMORY_MAP.RAM_BASE;
  const slot = { gpa: 0, bytes: 4096, host, readOnly: false };
  assert.throws(() => r.setSlots([slot, { ...slot, gpa: 0 }]), /overlaps/);
  assert.throws(() => r.setSlots([{ ...slot, host: host + MIB }]), /outside/);
  assert.throws(() => r.setSlots([{ ...slot, gpa: 5 }]), /whole pages/);
});

test.run();
