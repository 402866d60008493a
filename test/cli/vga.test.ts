/** `--vga text`, `lucid screen` and `lucid type`, as a person uses them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { terminalOf } from '../../vmm/cli/console-option.ts';
import { UsageError } from '../../vmm/cli/options.ts';
import { parseVga } from '../../vmm/cli/vga-option.ts';
import { multiboot } from '../vmm/guests.ts';
import { haveScript, Sat } from './pty.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-vga-'));
const test = suite('lucid --vga');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

/** Writes "Hi" in yellow on blue at the top; then shows the scan code of each key that is pressed, as a character at row 1 and on, and ends at Enter. */
const ECHO = multiboot([
  ...[0x66, 0xc7, 0x05, 0x00, 0x80, 0x0b, 0x00, 0x48, 0x1e], // mov word [b8000h], 1e48h
  ...[0x66, 0xc7, 0x05, 0x02, 0x80, 0x0b, 0x00, 0x69, 0x1e], // mov word [b8002h], 1e69h
  ...[0xbf, 0xa0, 0x80, 0x0b, 0x00], // mov edi, b80a0h
  ...[0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa], // 1: in al, 64h; test al, 1; jz 1b
  ...[0xe4, 0x60], // in al, 60h
  ...[0x3c, 0x9c, 0x74, 0x07], // cmp al, 9ch (Enter goes up); je 2f
  ...[0x88, 0x07, 0x47, 0x47], // mov [edi], al; inc edi; inc edi
  ...[0xeb, 0xee, 0x90], // jmp 1b; nop
  ...[0xb0, 0x03, 0xe6, 0xf4], // 2: mov al, 3; out f4h, al
  ...[0xeb, 0xfe],
]);
const RUN = ['run', '--kernel', at('echo.elf'), '--vga', 'text', '--debug-exit', '0xf4', '--limit', 'wall=60'];

test.before(() => writeFileSync(at('echo.elf'), ECHO));

test('keys come from a pipe, the screen is printed at the end, and with --json is part of the summary', async () => {
  const child = start('lucid', [...RUN, '--json'], place.xdg);
  child.stdin?.end('aB\r');
  const { status, out, err } = await finished(child);
  assert.is(status, 7, err);
  // Scan codes of set 1 as characters of code page 437: a, a up, Shift, b, b up, Shift up, Enter.
  const lines = ['Hi', '▲₧*0░¬∟'];
  assert.equal(err, `${lines.join('\n')}\nlucid: the guest wrote 3 to the debug-exit port\n`);
  const { screen } = JSON.parse(out) as { screen: { mode: string; columns: number; rows: number; lines: string[] } };
  assert.equal([screen.mode, screen.columns, screen.rows, screen.lines.slice(0, 2)], ['text', 80, 25, lines]);
});

test('lucid type presses keys of a running VM, lucid screen waits for text and prints it', async () => {
  const child = start('lucid', [...RUN, '--name', 'typed'], place.xdg);
  const ended = finished(child);
  let seen = await lucid('screen', 'typed', '--wait', 'Hi');
  for (; /no running VM/.test(seen.err); seen = await lucid('screen', 'typed', '--wait', 'Hi')) await setTimeout(100);
  assert.equal([seen.status, seen.out, seen.err], [0, 'Hi\n', '']);
  assert.equal((await lucid('type', 'typed', 'a', '--key', 'f1')).status, 0);
  // a, a up, F1, F1 up.
  seen = await lucid('screen', 'typed', '--wait', '▲₧;╗', '--json');
  assert.equal([seen.status, (JSON.parse(seen.out) as { lines: string[] }).lines[1]], [0, '▲₧;╗']);
  seen = await lucid('screen', 'typed', '--wait', 'never', '--timeout', '100ms');
  assert.equal([seen.status, seen.err], [1, "lucid: 'never' did not come onto the screen\n"]);
  await lucid('type', 'typed', '\\r');
  assert.is((await ended).status, 7);
});

test('a snapshot has the screen', async () => {
  const child = start('lucid', [...RUN, '--name', 'kept'], place.xdg);
  const ended = finished(child);
  let seen = await lucid('screen', 'kept', '--wait', 'Hi');
  for (; /no running VM/.test(seen.err); seen = await lucid('screen', 'kept', '--wait', 'Hi')) await setTimeout(100);
  await lucid('save', 'kept', at('snap'));
  await lucid('type', 'kept', '\\r');
  await ended;
  const restored = start('lucid', ['run', '--restore', at('snap'), '--limit', 'wall=60'], place.xdg);
  restored.stdin?.end('a\r');
  const { status, out, err } = await finished(restored);
  assert.is(status, 7, err);
  assert.equal(out.split('\n').slice(0, 2), ['Hi', '▲₧∟']);
});

test('a VM without a VGA has no screen', async () => {
  const child = start('lucid', ['run', '--kernel', at('echo.elf'), '--name', 'blind', '--limit', 'wall=60'], place.xdg);
  const ended = finished(child);
  let seen = await lucid('screen', 'blind');
  for (; /no running VM/.test(seen.err); seen = await lucid('screen', 'blind')) await setTimeout(100);
  assert.equal([seen.status, seen.err], [2, 'lucid: blind: has no screen; lucid run gives it one with --vga text\n']);
  child.kill('SIGINT');
  await ended;
});

test('bad options have one line each', async () => {
  const bios = at('bios.bin');
  writeFileSync(bios, new Uint8Array(65536));
  const said = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      if (error instanceof UsageError) return error.message;
      throw error;
    }
    return '';
  };
  assert.is(
    said(() => parseVga('svga', undefined)),
    '--vga svga: unknown; there is text, text,rom=FILE, none',
  );
  assert.is(
    said(() => parseVga('text,rom=x', undefined)),
    '--vga text,rom=x: only firmware runs a video BIOS; leave rom= out',
  );
  assert.is(
    said(() => parseVga('text', bios)),
    `--vga text: there is no ${at('vgabios-isavga.bin')}, and firmware shows nothing without a video BIOS; give --vga text,rom=FILE`,
  );
  assert.equal(parseVga('text,rom=x', bios), { vga: 'text', vgaBios: 'x' });
  assert.equal(parseVga('none', bios), {});
  assert.is(
    said(() => terminalOf({ serial: 'stdio' }, { vga: 'text' })),
    '--serial stdio: the terminal shows the VGA (--vga text); give --serial null or a file',
  );
  assert.is(
    said(() => terminalOf({}, { vga: 'text', console: {} })),
    '--console virtio: the terminal shows the VGA (--vga text); give one of them',
  );
  assert.is(terminalOf({}, { vga: 'text' }).serial, 'null');
  const { status, err } = await lucid('run', '--bios', bios, '--vga', `text,rom=${at('echo.elf')}`);
  assert.equal(
    [status, err],
    [2, `lucid: --vga text,rom=${at('echo.elf')}: not a video BIOS, which starts with 55 AA and has at most 64 kB\n`],
  );
});

/** What a terminal gets, as the sitting notes it. */
const sent = (text: string): string => Buffer.from(text).toString('latin1');

if (haveScript) {
  test('on a terminal the screen is drawn there, keys are pressed there, and it is put back', async () => {
    const sat = new Sat([...RUN, '--no-exits']);
    await sat.until('\x1b[?1049h');
    await sat.until('\x1b[0;93;44mHi');
    sat.type('a');
    await sat.until(sent('₧'));
    // The help stands until the next key, then all of the screen is drawn again.
    sat.type('\x01h');
    await sat.until('Ctrl-A x  quit');
    sat.type('b');
    await sat.until(sent('\x1b[2;1H▲₧'));
    await sat.until(sent('░'));
    sat.type('\r');
    const { status, output, before, after } = await sat.end();
    assert.is(status, 7);
    assert.is(after, before);
    const end = output.slice(output.lastIndexOf('\x1b[?1049l'));
    assert.match(output.slice(output.lastIndexOf('Ctrl-A x  quit')), /\x1b\[2J.*Hi/, 'drawn again over the help');
    assert.ok(end.startsWith(sent('\x1b[?1049lHi\r\n▲₧0░∟\r\n')), 'the last screen stays');
  });

  for (const by of ['Ctrl-A x', 'SIGTERM'] as const) {
    test(`${by} quits and puts the terminal back`, async () => {
      const sat = new Sat(RUN);
      await sat.until('Hi');
      if (by === 'SIGTERM') process.kill(await sat.pid(), by);
      else sat.type('\x01x');
      const { status, output, before, after } = await sat.end();
      assert.equal([status, after], [130, before]);
      assert.match(output, /\x1b\[\?25h\x1b\[\?1049l/);
    });
  }
}

test.run();
