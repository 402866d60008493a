/** A machine that starts in a ROM, as processors do. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Machine } from '../../vmm/machine.ts';

const DEBUG_EXIT = 0xf4;

/** 64 KiB of FFh with `code` at its start, which the reset vector jumps to, or with other bytes there. */
function rom(code: readonly number[], bytes = 0x1_0000): Uint8Array {
  const image = new Uint8Array(bytes).fill(0xff);
  image.set(code, bytes - 0x1_0000);
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], bytes - 16); // jmp f000:0000
  return image;
}

function run(firmware: Uint8Array): { readonly outcome: ReturnType<Machine['run']>; readonly text: string } {
  let text = '';
  const machine = Machine.createSync({
    memory: '2M',
    firmware,
    debugExit: DEBUG_EXIT,
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  assert.ok(machine.boot().ok);
  return { outcome: machine.run({ insns: 100_000 }), text };
}

// mov dx,3fbh; mov al,3; out dx,al (eight bits a character); mov dl,f8h; mov al,'A'; out dx,al; mov al,5; out f4h,al
const HELLO = [0xba, 0xfb, 0x03, 0xb0, 0x03, 0xee, 0xb2, 0xf8, 0xb0, 0x41, 0xee, 0xb0, 0x05, 0xe6, DEBUG_EXIT];

test('a processor starts at the end of the image, 16 bytes below 4 GiB', () => {
  const image = rom([]);
  // mov al,[cs:fff8h]; out f4h,al, and the byte: only the ROM below 4 GiB and its copy have it.
  image.set([0x2e, 0xa0, 0xf8, 0xff, 0xe6, DEBUG_EXIT, 0xf4, 0xff, 0x2a], 0xfff0);
  assert.equal(run(image).outcome, { kind: 'debug-exit', value: 0x2a });
});

test('the last 128 KiB stand below 1 MiB, where a far jump goes', () => {
  for (const bytes of [0x1_0000, 0x2_0000, 0x4_0000]) {
    assert.equal(run(rom(HELLO, bytes)), { outcome: { kind: 'debug-exit', value: 5 }, text: 'A' });
  }
});

test('an image that is no whole number of pages ends at 4 GiB all the same', () => {
  const image = new Uint8Array(0x1_0000 + 100).fill(0xff);
  image.set(rom(HELLO), 100);
  assert.is(run(image).text, 'A');
});

test('the ROM is read-only, its copy below 1 MiB is not', () => {
  // In the copy: mov byte [cs:ff00h],7; mov al,[cs:ff00h]; out f4h,al
  const image = rom([0x2e, 0xc6, 0x06, 0x00, 0xff, 0x07, 0x2e, 0xa0, 0x00, 0xff, 0xe6, DEBUG_EXIT]);
  assert.equal(run(image).outcome, { kind: 'debug-exit', value: 7 });
  // The same at the reset vector, where CS still has its base below 4 GiB: what is read is what was there.
  image.set([0x2e, 0xc6, 0x06, 0x00, 0xff, 0x07, 0x2e, 0xa0, 0x00, 0xff, 0xe6, DEBUG_EXIT, 0xf4, 0xff, 0xff, 0xff], 0xfff0);
  image[0xff00] = 9;
  assert.equal(run(image).outcome, { kind: 'debug-exit', value: 9 });
});

test('a reset starts the firmware again, its copy fresh', () => {
  // Counts its starts at 500h; the copy's byte at ff00h is FFh at each start. Twice through CF9h, then the count.
  const code = [
    0x31,
    0xc0,
    0x8e,
    0xd8,
    0xfe,
    0x06,
    0x00,
    0x05,
    0x80,
    0x3e,
    0x00,
    0x05,
    0x03,
    0x74,
    0x0f,
    0x2e,
    0xfe,
    0x06,
    0x00,
    0xff,
    0x75,
    0x0e,
    0xba,
    0xf9,
    0x0c,
    0xb0,
    0x06,
    0xee,
    0xeb,
    0xfe,
    0xa0,
    0x00,
    0x05,
    0xe6,
    DEBUG_EXIT,
    0xf4,
    0xb0,
    0x63,
    0xe6,
    DEBUG_EXIT,
    0xf4,
  ];
  assert.equal(run(rom(code)).outcome, { kind: 'debug-exit', value: 3 });
});

test('an image that is none is refused with what would be right', () => {
  const make = (bytes: number) => () => Machine.createSync({ memory: '2M', firmware: new Uint8Array(bytes), output() {} });
  assert.throws(make(0), /0 bytes; a firmware image has at least/);
  assert.throws(make(16 * 1048576 + 1), /at most 16 MiB/);
});

test.run();
