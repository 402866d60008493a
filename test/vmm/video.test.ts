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

const folder = mkdtempSync(join(tmpdir(), 'lucid-video-'));
test.after(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'disk.img');
const bytes = new Uint8Array(1048576);
bytes.set(BOOT_SECTOR.flat());
bytes.set([0x55, 0xaa], 510);
writeFileSync(path, bytes);

function guest(): ScreenGuest {
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
