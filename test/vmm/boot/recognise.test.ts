import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGuest, type BootKind } from '../../../vmm/boot/index.ts';
import { bzImage, elf, GuardedRam, MB, multibootHeader, options } from './synthetic.ts';

function outcome(kernel: Uint8Array, kind?: BootKind): string {
  const result = loadGuest(options(new GuardedRam(8 * MB), kernel, { kind }));
  return result.ok ? result.kind : result.reason;
}

test('each kind is recognised from the file; PVH goes before multiboot', () => {
  assert.is(outcome(bzImage()), 'bzimage');
  assert.is(outcome(elf()), 'pvh');
  assert.is(outcome(elf({ head: multibootHeader(0) })), 'pvh');
  assert.is(outcome(elf({ head: multibootHeader(0) }), 'multiboot'), 'multiboot');
});

test('what is no boot image is said to look like what it is', () => {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from([...values, ...Array<number>(600).fill(0x80)]);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const late = new Uint8Array(16_384);
  late.set(elf({ pvhEntry: null }).subarray(0, 4096));
  late.set(multibootHeader(0), 8192);
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /kernel: empty; a bzImage, an ELF file with a PVH note or a multiboot 1 image is needed$/],
    [bytes(0x1f, 0x8b), /a gzip file; unpack it first/],
    [bytes(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), /an XZ file/],
    [text('#!/bin/sh\necho hello\n'), /a script/],
    [text('just words'), /text/],
    [text('070701'), /cpio archive; that is an initramfs, for --initrd/],
    [bytes(0x4d, 0x5a), /a PE executable/],
    [new Uint8Array(10_000), /nothing but zero bytes/],
    [elf({ pvhEntry: null }), /an ELF file without a PVH note or multiboot header/],
    [late, /a multiboot header at 8192, beyond the first 8192 bytes of the file; put its section first/],
    [bytes(0xde, 0xad, 0xbe, 0xef), /unknown data \(first bytes de ad be ef\)/],
    [bytes(0x7f, 0x45, 0x4c, 0x46, 2, 2), /big-endian/],
  ];
  for (const [kernel, expected] of cases) {
    assert.match(outcome(kernel), expected);
    assert.not.match(outcome(kernel), /\n/);
  }
});

test('a kind that the file does not have is refused', () => {
  assert.match(outcome(elf(), 'bzimage'), /the kind bzimage was asked for/);
  assert.match(outcome(new Uint8Array(4), 'pvh'), /the kind pvh was asked for/);
  assert.match(outcome(bzImage(), 'multiboot'), /no multiboot 1 header/);
  assert.match(outcome(new Uint8Array(0), 'multiboot'), /empty/);
});

test.run();
