import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Vga } from '../../devices/vga.ts';
import { TEXT, VGA_BYTES } from '../../devices/vga-state.ts';
import { ScreenView } from '../../vmm/cli/screen-view.ts';
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import { glyph, readScreen, screenLines } from '../../vmm/text-screen.ts';
import { FakeClock } from '../devices/fake.ts';
import { FakePorts } from '../devices/fake-board.ts';

function card() {
  const memory = new SharedArrayBuffer(MEMORY_MAP.RAM_BASE + 0x10_0000);
  const bytes = new Uint8Array(memory, MEMORY_MAP.RAM_BASE + TEXT.gpa, TEXT.bytes);
  const state = new Uint8Array(new SharedArrayBuffer(VGA_BYTES));
  const ports = new FakePorts();
  const vga = new Vga({ clock: new FakeClock(), state, text: { bytes, map() {} } });
  vga.attach(ports);
  const crtc = (index: number, value: number): void => ports.write(0x3d4, index | (value << 8), 2);
  const put = (row: number, column: number, text: string, attribute = 7): void =>
    [...text].forEach((c, i) => {
      bytes.set([c.charCodeAt(0), attribute], (row * 80 + column + i) * 2);
    });
  return { vga, ports, bytes, crtc, put, read: () => readScreen(memory, state) };
}

test('nothing is on before a mode is set; then 80 columns by 25 rows with the cursor at the top', () => {
  const { vga, read } = card();
  assert.equal([read().mode, screenLines(read())], ['off', ['(the display is off)']]);
  vga.enterTextMode();
  const { mode, columns, rows, cursor } = read();
  assert.equal([mode, columns, rows, cursor], ['text', 80, 25, 0]);
});

test('the start address scrolls, around the end of the buffer', () => {
  const { vga, put, crtc, bytes, read } = card();
  vga.enterTextMode();
  put(3, 0, 'third');
  crtc(0x0d, 240);
  assert.is(screenLines(read())[0], 'third');
  crtc(0x0c, 0x3f);
  crtc(0x0d, 0xff);
  bytes.set([0x5a, 7], 0x7ffe);
  assert.is(screenLines(read())[0], 'Z');
  assert.is(screenLines(read())[3]?.slice(1), 'third');
});

test('the cursor: where the controller has it, off by bit 5 or outside the screen', () => {
  const { vga, crtc, read } = card();
  vga.enterTextMode();
  crtc(0x0f, 85);
  assert.is(read().cursor, 85);
  crtc(0x0a, 0x2d);
  assert.is(read().cursor, -1);
  crtc(0x0a, 0x0d);
  crtc(0x0e, 0xff);
  assert.is(read().cursor, -1);
});

test('50 rows of 8 lines; 40 columns; a graphics mode says so', () => {
  const { vga, ports, crtc, read } = card();
  vga.enterTextMode();
  crtc(0x09, 0x47);
  assert.is(read().rows, 50);
  crtc(0x11, 0x0e);
  crtc(0x01, 0x27);
  crtc(0x13, 0x14);
  assert.is(read().columns, 40);
  ports.write(0x3ce, 0x0506, 2);
  assert.equal(screenLines(read()), ['(a graphics mode: no text to show)']);
});

test('text that is in the planes is shown all the same (a monochrome mode at B0000h)', () => {
  const { vga, ports, put, read } = card();
  vga.enterTextMode();
  put(0, 0, 'kept');
  ports.write(0x3ce, 0x0a06, 2);
  assert.is(screenLines(read())[0], 'kept');
});

test('code page 437 has a glyph of one column for each code', () => {
  const all = Array.from({ length: 256 }, (_, code) => glyph(code));
  assert.ok(all.every((c) => c.length === 1));
  assert.equal([all[0x41], all[0xc9], all[0xdb], all[0xb0], all[0xe1], all[1], all[0]], ['A', '╔', '█', '░', 'ß', '☺', ' ']);
});

test('the terminal gets what changed, in its colours, and nothing when nothing changed', () => {
  const { vga, put, crtc, read } = card();
  vga.enterTextMode();
  const view = new ScreenView();
  const first = view.update(read(), 100, 30);
  assert.match(first, /^\x1b\[0m\x1b\[2J\x1b\[1;1H\x1b\[0;37;40m {80}/);
  assert.is(view.update(read(), 100, 30), '');
  put(2, 10, 'Hi', 0x1e);
  assert.is(view.update(read(), 100, 30), '\x1b[3;11H\x1b[0;93;44mHi\x1b[1;1H\x1b[?25h');
  crtc(0x0f, 81);
  assert.is(view.update(read(), 100, 30), '\x1b[2;2H\x1b[?25h');
  assert.match(view.update(read(), 20, 5), /\x1b\[2J/, 'another size of the terminal: all of it again');
  put(20, 0, 'below');
  assert.is(view.update(read(), 20, 5), '', 'rows that the terminal does not have');
});

test.run();
