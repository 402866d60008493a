/** A VGA under Debian's SeaBIOS: its messages, a boot sector's text by INT 10h and by writing to B8000h, keys by INT 16h, and a snapshot in the middle. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import { openDisk } from '../../vmm/disks.ts';
import { ScreenGuest } from './screen-guest.ts';
import { reportOf } from '../../vmm/report.ts';

const VIDEO_BIOS = join(dirname(FIRMWARE), 'vgabios-isavga.bin');

/** Mode 3, "Hi" by teletype, A to Z in yellow on blue at row 5, then shows keys by teletype until q, which ends the run with status 16. */
const BOOT_SECTOR: readonly (readonly number[])[] = [
  [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x7c], // xor ax,ax; mov ds,ax; mov ss,ax; mov sp,7c00h
  [0xb8, 0x03, 0x00, 0xcd, 0x10], // mov ax,3; int 10h
  [0xb8, 0x48, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10], // mov ax,0e48h; mov bx,7; int 10h
  [0xb8, 0x69, 0x0e, 0xcd, 0x10], // mov ax,0e69h; int 10h
  [0xb8, 0x00, 0xb8, 0x8e, 0xc0, 0xbf, 0x20, 0x03], // mov ax,b800h; mov es,ax; mov di,5*160
  [0xb8, 0x41, 0x1e, 0xb9, 0x1a, 0x00], // mov ax,1e41h; mov cx,26
  [0xab, 0xfe, 0xc0, 0xe2, 0xfb], // 1: stosw; inc al; loop 1b
  [0xb4, 0x00, 0xcd, 0x16], // 2: mov ah,0; int 16h
  [0x3c, 0x71, 0x74, 0x09], // cmp al,'q'; je 3f
  [0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10, 0xeb, 0xef], // mov ah,0eh; mov bx,7; int 10h; jmp 2b
  [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xfa, 0xf4], // 3: mov dx,f4h; mov al,10h; out dx,al; cli; hlt
];

/** Calls INT 10h with one AX after the other, each time shows a D by teletype and waits for a key. */
const MODES_SECTOR: readonly (readonly number[])[] = [
  [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x7c], // xor ax,ax; mov ds,ax; mov ss,ax; mov sp,7c00h
  [0xbe, 0x40, 0x7c], // mov si,7c40h
  [0xad, 0x85, 0xc0, 0x74, 0x12], // 1: lodsw; test ax,ax; jz 2f
  [0x31, 0xdb, 0xcd, 0x10], // xor bx,bx; int 10h
  [0xb8, 0x44, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10], // mov ax,0e44h; mov bx,7; int 10h
  [0xb4, 0x00, 0xcd, 0x16, 0xeb, 0xe9], // mov ah,0; int 16h; jmp 1b
  [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xfa, 0xf4], // 2: mov dx,f4h; mov al,10h; out dx,al; cli; hlt
  new Array<number>(0x15).fill(0),
  // Mode 1, mode 3, a font of 8 lines, mode 13h, mode 3. (This BIOS programs mode 7 at ports that do not answer before it is set.)
  [0x01, 0x00, 0x03, 0x00, 0x12, 0x11, 0x13, 0x00, 0x03, 0x00, 0x00, 0x00],
];

const folder = mkdtempSync(join(tmpdir(), 'lucid-video-'));
test.after(() => rmSync(folder, { recursive: true }));

function disk(name: string, sector: readonly (readonly number[])[]): string {
  const path = join(folder, name);
  const bytes = new Uint8Array(1048576);
  bytes.set(sector.flat());
  bytes.set([0x55, 0xaa], 510);
  writeFileSync(path, bytes);
  return path;
}

const HELLO = disk('hello.img', BOOT_SECTOR);

function guest(path = HELLO): ScreenGuest {
  return new ScreenGuest(
    { memory: '16M', firmware: readFileSync(FIRMWARE), disks: [openDisk({ path, snapshot: true })], debugExit: 0xf4 },
    readFileSync(VIDEO_BIOS),
  );
}

if (!existsSync(VIDEO_BIOS)) {
  console.log('video: skipped: seabios is not installed');
  test.skip('SeaBIOS with a VGA', () => {});
} else {
  test('SeaBIOS says who it is on the screen; a boot sector writes there and reads keys', () => {
    const g = guest();
    assert.ok(g.machine.boot().ok);
    g.until(/SeaBIOS \(version/);
    g.until(/^Hi/);
    assert.is(g.lines[5], 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
    g.type('Keys: 3 < 5 & {ok}');
    g.until(/^HiKeys: 3 < 5 & \{ok\}$/m);
    g.type('q');
    assert.equal(g.end(), { kind: 'debug-exit', value: 16 });
  });

  test('keys that are typed before the firmware runs arrive, and more of them than its buffer holds', () => {
    const g = guest();
    assert.ok(g.machine.boot().ok);
    g.type('abcdefghijklmn');
    g.until(/^Hiabcdefghijklmn/);
    const long = 'pack my box with five dozen jugs of liver oil';
    g.type(long);
    g.until(new RegExp(`abcdefghijklmn${long}`));
  });

  test("the video BIOS's modes: 40 columns, 80, 50 rows, graphics", () => {
    const g = guest(disk('modes.img', MODES_SECTOR));
    assert.ok(g.machine.boot().ok);
    const seen: unknown[] = [];
    for (const shows of [/^D$/m, /^D$/m, /^DD$/m, /a graphics mode/, /^D$/m]) {
      g.until(shows);
      // Until it waits for a key in this mode.
      g.machine.run({ timeNs: g.machine.vm.clock.now() + 200e6 });
      const { mode, columns, rows } = g.screen;
      seen.push(mode === 'text' ? `${columns}x${rows}` : mode);
      if (seen.length < 5) {
        g.type(' ');
        g.machine.run({ timeNs: g.machine.vm.clock.now() + 40e6 });
      }
    }
    g.type(' ');
    assert.equal(seen, ['40x25', '80x25', '80x50', 'graphics', '80x25']);
    assert.equal(g.end(), { kind: 'debug-exit', value: 16 });
  });

  test('Ctrl-Alt-Delete starts the firmware again', () => {
    const g = guest();
    assert.ok(g.machine.boot().ok);
    g.until(/^Hi/);
    g.type('once');
    g.until(/^Hionce/);
    g.press('ctrl-alt-delete');
    g.until(/SeaBIOS \(version/);
    g.until(/^Hi$/m);
    g.type('again');
    g.until(/^Hiagain/);
  });

  test('saved while a font is being loaded and restored, it goes on alike', () => {
    const whole = guest();
    assert.ok(whole.machine.boot().ok);
    // The video BIOS is at its fonts: the text buffer is not in memory.
    const inText = (): boolean => whole.machine.vm.ram.slots.some((slot) => slot.gpa === 0xb8000);
    while (!inText()) whole.machine.run({ insns: whole.instructions + 5000 });
    while (inText()) whole.machine.run({ insns: whole.instructions + 50 });
    const { vm } = whole.machine;
    const saved = structuredClone(vm.saveState());
    const blobs = [...vm.blobs].map(([name, blob]): [string, Uint8Array] => [name, blob.saveBytes()]);
    const again = guest();
    again.machine.vm.restoreState(saved);
    for (const [name, bytes] of blobs) again.machine.vm.blobs.get(name)?.restoreBytes(bytes);
    const ends = [whole, again].map((g) => {
      g.until(/^Hi/);
      g.type('xyq');
      assert.equal(g.end(), { kind: 'debug-exit', value: 16 });
      const { exitHash, instructions } = reportOf(g.machine.vm);
      return { exitHash, instructions, lines: g.lines };
    });
    assert.is(ends[0]?.lines[0], 'Hixy');
    assert.equal(ends[1], ends[0]);
  });
}

test.run();
