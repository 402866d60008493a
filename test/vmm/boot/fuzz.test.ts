/**
 * Ten thousand damaged variants of one valid image for each loader: an entry or one line, never an exception, never a write outside RAM.
 * The same variants every time (seeded).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadGuest, type BootKind, type BootOptions } from '../../../vmm/boot/index.ts';
import { bzImage, elf, GuardedRam, lz4Payload, MB, multibootHeader, options, prng } from './synthetic.ts';

const MUTATIONS = 10_000;
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

type Random = (below: number) => number;

/** One to four of: cut, random bytes, an edge value in a field of 1, 2, 4 or 8 bytes, a copied stretch. */
function mutate(image: Uint8Array, random: Random, hot: number): Uint8Array {
  let file = image.slice();
  for (let n = 1 + random(4); n > 0; n--) {
    if (file.length < 16) break;
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    // Half of the damage goes where the headers are.
    const at = random(2) === 0 ? random(Math.min(hot, file.length - 8)) : random(file.length - 8);
    const edge = EDGES[random(EDGES.length)] as number;
    switch (random(8)) {
      case 0:
        file = file.subarray(0, random(file.length));
        break;
      case 1:
        for (let i = 0; i < 8; i++) view.setUint8(at + i, random(256));
        break;
      case 2:
        view.setUint8(at, edge & 0xff);
        break;
      case 3:
        view.setUint16(at, edge & 0xffff, true);
        break;
      case 4:
      case 5:
        view.setUint32(at, (edge + random(3) - 1) >>> 0, true);
        break;
      case 6:
        view.setBigUint64(at, BigInt.asUintN(64, BigInt(edge) << BigInt(random(33))), true);
        break;
      default:
        file.copyWithin(at, random(file.length), random(file.length));
    }
  }
  return file;
}

/** Runs the mutations; how many still booted. */
function fuzz(image: Uint8Array, seed: number, kind: BootKind | undefined, more: Partial<BootOptions> = {}): number {
  const random = prng(seed);
  const ram = new GuardedRam(2 * MB);
  let booted = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    const kernel = mutate(image, random, 0x300);
    const result = loadGuest(options(ram, kernel, { kind, ...more }));
    if (result.ok) {
      booted++;
      assert.ok(Number.isSafeInteger(result.entry.rip) && result.entry.rip >= 0 && result.entry.rip < ram.size, `rip ${result.entry.rip}`);
    } else {
      assert.match(result.reason, /^[^\n]{10,300}$/);
      assert.not.match(result.reason, /the loader itself failed/, `mutation ${i}`);
    }
    assert.equal(ram.outside, [], `mutation ${i}`);
  }
  return booted;
}

const initrd = new Uint8Array(3000).fill(1);
const multibootElf = elf({ is64: false, pvhEntry: null, head: multibootHeader(3) });
const multibootFlat = (() => {
  const file = new Uint8Array(0x400).fill(0x90);
  file.set(multibootHeader(0x1_0003, [MB + 0x100, MB, MB + 0x300, MB + 0x1000, MB + 0x40]), 0x100);
  return file;
})();

const CASES: readonly (readonly [string, Uint8Array, BootKind | undefined])[] = [
  ['bzImage', bzImage(), undefined],
  ['bzImage by its 32-bit entry', bzImage({ xloadflags: 0 }), undefined],
  ['bzImage by real mode', bzImage(), 'bzimage16'],
  ['bzImage with an LZ4 payload by PVH', bzImage({ payload: lz4Payload(elf()) }), 'pvh'],
  ['ELF64 by PVH', elf(), undefined],
  ['ELF32 by PVH', elf({ is64: false }), undefined],
  ['ELF32 by multiboot', multibootElf, undefined],
  ['multiboot by address fields', multibootFlat, undefined],
];

CASES.forEach(([name, image, kind], i) => {
  test(`${name}: ${MUTATIONS} mutations end in an entry or one line, inside guest RAM`, () => {
    const booted = fuzz(image, 1000 + i, kind, { initrd });
    assert.ok(booted > 100 && booted < MUTATIONS - 100, `${booted} of ${MUTATIONS} booted`);
  });
});

test('random bytes as kernel and any RAM size end in one line', () => {
  const random = prng(7);
  for (let i = 0; i < 2000; i++) {
    const kernel = Uint8Array.from({ length: random(700) }, () => random(256));
    const ram = new GuardedRam(random(2) === 0 ? random(0x20_0000) : 0x1000 * random(8));
    for (const bytes of [kernel, bzImage(), elf(), multibootElf]) {
      const result = loadGuest(options(ram, bytes, { initrd: kernel }));
      if (!result.ok) assert.not.match(result.reason, /the loader itself failed/);
    }
    assert.equal(ram.outside, []);
  }
});

test.run();
