import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Vga } from '../../devices/vga.ts';
import { PLANE_BYTES, TEXT, VGA, VGA_BYTES } from '../../devices/vga-state.ts';
import { type AccessSize, type MmioDevice, StateError } from '../../vmm/bus.ts';
import { FakeClock } from './fake.ts';
import { FakePorts, randomSource, spoiled } from './fake-board.ts';

/** A VGA whose text buffer, while it is RAM, is read and written as the board would. */
function board() {
  const clock = new FakeClock();
  const ports = new FakePorts();
  const state = new Uint8Array(VGA_BYTES);
  const text = { bytes: new Uint8Array(TEXT.bytes), mapped: false, map: (on: boolean) => void (text.mapped = on) };
  const vga = new Vga({ clock, state, text });
  vga.attach(ports);
  let mmio: MmioDevice | undefined;
  vga.attachMemory({ addMmio: (_gpa, _bytes, device) => void (mmio = device), removeMmio() {}, freeMmio: () => true });
  const inText = (gpa: number): boolean => text.mapped && gpa >= TEXT.gpa && gpa < TEXT.gpa + TEXT.bytes;
  const peek = (gpa: number, size: AccessSize = 1): number =>
    inText(gpa) ? (text.bytes[gpa - TEXT.gpa] as number) : (mmio?.mmioRead(gpa - 0xa0000, size) ?? 0);
  const poke = (gpa: number, value: number, size: AccessSize = 1): void => {
    if (inText(gpa)) text.bytes[gpa - TEXT.gpa] = value;
    else mmio?.mmioWrite(gpa - 0xa0000, size, value);
  };
  const seq = (index: number, value: number): void => ports.write(0x3c4, index | (value << 8), 2);
  const gc = (index: number, value: number): void => ports.write(0x3ce, index | (value << 8), 2);
  const crtc = (index: number, value: number): void => ports.write(0x3d4, index | (value << 8), 2);
  const plane = (p: number, at: number): number => state[VGA.PLANES + p * PLANE_BYTES + at] as number;
  /** All planes at A0000h, one byte after the other. */
  const planar = (): void => {
    seq(4, 0x06);
    gc(5, 0x00);
    gc(6, 0x05);
    gc(8, 0xff);
    seq(2, 0x0f);
  };
  return { vga, clock, ports, state, text, peek, poke, seq, gc, crtc, plane, planar };
}

test('in text mode 3 the buffer is RAM, filled with spaces', () => {
  const { vga, text, peek, poke } = board();
  assert.is(text.mapped, false);
  vga.enterTextMode();
  assert.is(text.mapped, true);
  assert.equal([peek(0xb8000), peek(0xb8001), peek(0xb8000 + 3999)], [0x20, 0x07, 0x07]);
  poke(0xb8000, 0x41);
  assert.is(peek(0xb8000), 0x41);
});

test('a font is loaded into plane 2 as a BIOS does it, and the text comes back', () => {
  const { vga, text, peek, poke, seq, gc, plane } = board();
  vga.enterTextMode();
  poke(0xb8000, 0x41);
  poke(0xb8001, 0x1e);
  seq(2, 0x04);
  assert.is(text.mapped, false);
  seq(4, 0x07);
  gc(4, 0x02);
  gc(5, 0x00);
  gc(6, 0x04);
  for (let i = 0; i < 32; i++) poke(0xa0000 + 0x41 * 32 + i, i);
  assert.is(peek(0xa0000 + 0x41 * 32 + 5), 5);
  assert.equal([plane(0, 0), plane(1, 0), plane(2, 0x41 * 32 + 7)], [0x41, 0x1e, 7]);
  seq(2, 0x03);
  seq(4, 0x03);
  gc(4, 0x00);
  gc(5, 0x10);
  gc(6, 0x0e);
  assert.is(text.mapped, true);
  assert.equal([peek(0xb8000), peek(0xb8001)], [0x41, 0x1e]);
});

test('the windows: 128 KB, A0000h, B0000h, B8000h; elsewhere and with memory off there is nothing', () => {
  const { ports, peek, poke, planar, gc } = board();
  ports.write(0x3c2, 0x67);
  planar();
  for (const [map, at, not] of [
    [0x01, 0xa0000, -1],
    [0x05, 0xa0000, 0xb0000],
    [0x09, 0xb0000, 0xa0000],
    [0x0d, 0xb8000, 0xb0000],
  ] as const) {
    gc(6, map);
    poke(at + 0x123, 0x5a + map);
    assert.is(peek(at + 0x123), 0x5a + map);
    if (not >= 0) assert.is(peek(not + 0x123), 0xff);
  }
  ports.write(0x3c2, 0x65);
  assert.is(peek(0xb8123), 0xff);
});

test('write modes 0 to 3 and read mode 1 (graphics controller)', () => {
  const { ports, peek, poke, planar, gc, plane } = board();
  ports.write(0x3c2, 0x67);
  planar();
  const at = (offset: number): number[] => [0, 1, 2, 3].map((p) => plane(p, offset));
  gc(8, 0xff);
  // Mode 0: rotated; set/reset where enabled.
  gc(3, 0x04);
  gc(1, 0x03);
  gc(0, 0x01);
  poke(0xa0000, 0x1f);
  assert.equal(at(0), [0xff, 0x00, 0xf1, 0xf1]);
  // Mode 0 with XOR through the bit mask: what is outside comes from the latches.
  gc(1, 0);
  gc(3, 0x18);
  gc(8, 0x0f);
  peek(0xa0000);
  poke(0xa0000, 0xff);
  assert.equal(at(0), [0xf0, 0x0f, 0xfe, 0xfe]);
  // Mode 1: the latches.
  gc(5, 1);
  peek(0xa0000);
  poke(0xa0001, 0x00);
  assert.equal(at(1), [0xf0, 0x0f, 0xfe, 0xfe]);
  // Mode 2: the low four bits are a colour.
  gc(5, 2);
  gc(3, 0);
  gc(8, 0xff);
  poke(0xa0002, 0x0a);
  assert.equal(at(2), [0x00, 0xff, 0x00, 0xff]);
  // Mode 3: the byte is the mask of the set/reset colour.
  gc(5, 3);
  gc(0, 0x05);
  peek(0xa0002);
  poke(0xa0002, 0xf0);
  assert.equal(at(2), [0xf0, 0x0f, 0xf0, 0x0f]);
  // Read mode 1: pixels of colour 5 in all planes; then plane 1 does not count.
  gc(5, 0x08);
  gc(7, 0x0f);
  gc(2, 0x05);
  assert.is(peek(0xa0002), 0xf0);
  gc(7, 0x00);
  assert.is(peek(0xa0002), 0xff);
  // CRTC 22h shows the latch of the plane to be read.
  gc(4, 1);
  peek(0xa0002);
  ports.write(0x3d4, 0x22);
  assert.is(ports.read(0x3d5), 0x0f);
});

test('chain 4 gives each byte a plane of its own; the map mask holds', () => {
  const { ports, peek, poke, planar, seq, gc, plane } = board();
  ports.write(0x3c2, 0x67);
  planar();
  gc(8, 0xff);
  seq(4, 0x0e);
  poke(0xa0000, 0x44332211, 4);
  assert.equal([plane(0, 0), plane(1, 0), plane(2, 0), plane(3, 0)], [0x11, 0x22, 0x33, 0x44]);
  assert.is(peek(0xa0000, 4), 0x44332211);
  seq(2, 0x02);
  poke(0xa0004, 0x44332211, 4);
  assert.equal([plane(0, 4), plane(1, 4), plane(2, 4), plane(3, 4)], [0, 0x22, 0, 0]);
});

test('indexed registers read back the bits that exist; CR0 to CR7 are protected by CR11 bit 7', () => {
  const { ports, crtc, seq, gc } = board();
  ports.write(0x3c2, 0x67);
  const read = (port: number, index: number): number => {
    ports.write(port, index);
    return ports.read(port + 1);
  };
  seq(1, 0xff);
  gc(6, 0xff);
  assert.equal([read(0x3c4, 1), read(0x3ce, 6)], [0x3d, 0x0f]);
  crtc(0, 0x5f);
  crtc(0x11, 0x80);
  crtc(0, 0x12);
  crtc(7, 0xff);
  assert.equal([read(0x3d4, 0), read(0x3d4, 7)], [0x5f, 0x10]);
  crtc(0x11, 0x00);
  crtc(0, 0x12);
  assert.is(read(0x3d4, 0), 0x12);
  assert.is(read(0x3d4, 0x3f), 0);
});

test('miscellaneous output moves the CRT controller between 3B4h and 3D4h', () => {
  const { ports } = board();
  ports.write(0x3c2, 0x66);
  ports.write(0x3b4, 0x0e);
  ports.write(0x3b5, 0x12);
  assert.equal([ports.read(0x3b5), ports.read(0x3d5)], [0x12, 0xff]);
  ports.write(0x3c2, 0x67);
  assert.equal([ports.read(0x3b5), ports.read(0x3d5), ports.read(0x3cc)], [0xff, 0x12, 0x67]);
});

test('the attribute controller takes index and data in turn; input status 1 starts with the index', () => {
  const { ports } = board();
  ports.write(0x3c2, 0x67);
  ports.write(0x3c0, 0x11);
  ports.read(0x3da);
  ports.write(0x3c0, 0x10);
  ports.write(0x3c0, 0x0c);
  ports.write(0x3c0, 0x30);
  assert.is(ports.read(0x3c1), 0x0c);
  ports.read(0x3da);
  // With the display on, the palette is locked.
  ports.write(0x3c0, 0x21);
  ports.write(0x3c0, 0x3f);
  assert.is(ports.read(0x3c1), 0);
  ports.write(0x3c0, 0x01);
  ports.write(0x3c0, 0x3f);
  assert.is(ports.read(0x3c1), 0x3f);
});

test('the palette takes three bytes a colour, and reads with its own index', () => {
  const { ports } = board();
  ports.write(0x3c8, 0xff);
  for (const value of [0xff, 0x20, 0x01, 0x11, 0x12, 0x13]) ports.write(0x3c9, value);
  assert.equal([ports.read(0x3c8), ports.read(0x3c7)], [1, 0]);
  ports.write(0x3c7, 0xff);
  assert.is(ports.read(0x3c7), 3);
  assert.equal(
    Array.from({ length: 6 }, () => ports.read(0x3c9)),
    [0x3f, 0x20, 0x01, 0x11, 0x12, 0x13],
  );
});

test('the retrace follows the clock: 70 frames a second, 2 lines of vertical retrace', () => {
  const { vga, ports, clock } = board();
  vga.enterTextMode();
  let frames = 0;
  let retraceNs = 0;
  let before = 0;
  for (let t = 0; t < 1e9; t += 10_000) {
    clock.runTo(t);
    const now = ports.read(0x3da) & 0x08;
    if (now !== 0) {
      retraceNs += 10_000;
      if (before === 0) frames++;
      assert.is(ports.read(0x3da) & 1, 1, 'nothing is displayed in the retrace');
    }
    before = now;
  }
  assert.is(frames, 70);
  assert.ok(retraceNs / frames > 50_000 && retraceNs / frames < 80_000, `${retraceNs / frames} ns`);
});

test('save and restore keep registers, planes and where the text is', () => {
  const one = board();
  one.vga.enterTextMode();
  one.poke(0xb8000, 0x41);
  one.seq(2, 0x04);
  one.seq(4, 0x07);
  one.gc(6, 0x04);
  one.poke(0xa0040, 0x99);
  const two = board();
  two.vga.restore(one.vga.save());
  two.vga.restoreBytes(one.vga.saveBytes());
  assert.equal(two.state, one.state);
  assert.is(two.peek(0xa0040), one.peek(0xa0040));
  const saved = one.vga.save();
  const registers = saved['registers'] as number[];
  const other = (at: number, value: number): object => ({ registers: registers.map((r, i) => (i === at ? value : r)) });
  for (const state of [...spoiled(saved), other(VGA.SEQ, 0xff), other(VGA.DAC_STEP, 3), other(VGA.TEXT_IN_RAM, 1)])
    assert.throws(
      () => two.vga.restore(state as { registers: number[] }),
      (e: Error) => e instanceof StateError,
    );
  assert.throws(
    () => two.vga.restoreBytes(new Uint8Array(3)),
    (e: Error) => e instanceof StateError,
  );
});

test('a reset clears the registers and keeps video memory', () => {
  const { vga, text, peek, ports, plane } = board();
  vga.enterTextMode();
  text.bytes[0] = 0x41;
  vga.reset();
  assert.is(text.mapped, false);
  assert.equal([plane(0, 0), ports.read(0x3cc), peek(0xb8000)], [0x41, 0, 0xff]);
});

test('a million random accesses to ports and memory: no throw, every answer in range', () => {
  const { vga, ports, clock, peek, poke } = board();
  const random = randomSource(7);
  const sizes = [1, 2, 4] as const;
  const portList = [0x3b4, 0x3b5, 0x3ba, 0x3d4, 0x3d5, 0x3da, ...Array.from({ length: 16 }, (_, i) => 0x3c0 + i)];
  for (let i = 0; i < 1_000_000; i++) {
    const size = sizes[random(3)] as AccessSize;
    const port = portList[random(portList.length)] as number;
    const gpa = 0xa0000 + random(0x20000 - 3);
    const kind = random(8);
    if (kind < 3) ports.write(port, random(2) ? random(0x100) : random(0x1_0000), size);
    else if (kind < 5) {
      const value = ports.read(port, size);
      assert.ok(value >= 0 && value < 2 ** (8 * size));
    } else if (kind === 5) poke(gpa, random(0x1_0000) * 0x1_0000 + random(0x1_0000), size);
    else assert.ok(peek(gpa, size) >= 0);
    clock.skip(random(1000));
  }
  const twin = board();
  twin.text.bytes.fill(0);
  twin.vga.restore(vga.save());
});

test.run();
