/** `lucid stop`, `lucid reset`, and what `lucid ps` says of a VM's state. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start, until } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-stop-'));
const test = suite('lucid stop and reset');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));

// mov dx, 3fbh; mov al, 3; out dx, al: eight bits; mov dx, 3f8h; mov al, 'A'; out dx, al
const SAYS_A = [0x66, 0xba, 0xfb, 0x03, 0xb0, 3, 0xee, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee];
// mov dx, 602h; mov ax, 100h; out dx, ax: PWRBTN_EN
const LISTENS = [0x66, 0xba, 0x02, 0x06, 0x66, 0xb8, 0x00, 0x01, 0x66, 0xef];
// again: mov dx, 600h; in ax, dx; test ah, 1; jz again; mov dx, 604h; mov ax, 3400h; out dx, ax: S5
const OBEYS = [0x66, 0xba, 0, 6, 0x66, 0xed, 0xf6, 0xc4, 1, 0x74, 0xf5, 0x66, 0xba, 4, 6, 0x66, 0xb8, 0, 0x34, 0x66, 0xef, 0xeb, 0xfe];
const FOR_EVER = [0xeb, 0xfe];

interface Running {
  readonly ended: Promise<Finished>;
  out(): string;
}

/** Runs a guest until it has said its first A. */
async function running(name: string, code: readonly number[]): Promise<Running> {
  const kernel = join(folder, `${name}.elf`);
  writeFileSync(kernel, multiboot([...code]));
  const child = start('lucid', ['run', '--kernel', kernel, '--name', name, '--no-exits', '--limit', 'wall=120'], place.xdg);
  let out = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  const ended = finished(child);
  await until('the guest', ended, () => out.includes('A'));
  await until('its socket', ended, async () => (await states()).has(name));
  return { ended, out: () => out };
}

async function states(): Promise<Map<string, string>> {
  const { out } = await lucid('ps', '--json');
  return new Map((JSON.parse(out) as { name: string; state: string }[]).map(({ name, state }) => [name, state]));
}

test('a guest that listens to the power button powers off, also when it was paused meanwhile', async () => {
  const { ended } = await running('obeys', [...LISTENS, ...SAYS_A, ...OBEYS]);
  await lucid('pause', 'obeys');
  assert.is((await states()).get('obeys'), 'paused');
  const { status, err } = await lucid('stop', 'obeys');
  assert.is(status, 0);
  assert.match(err, /^lucid: obeys \(pid \d+\) is paused; its guest hears of it when it goes on\n$/);
  await lucid('resume', 'obeys');
  assert.is((await ended).status, 0);
});

test('one that does not is told, reset, and ended by force', async () => {
  const { ended, out } = await running('stubborn', [...SAYS_A, ...FOR_EVER]);
  assert.is((await states()).get('stubborn'), 'running');
  const asked = await lucid('stop', 'stubborn');
  assert.is(asked.status, 2);
  assert.is(asked.err, 'lucid: stubborn: its guest does not listen to the power button (yet); stop --force ends it\n');
  assert.equal(await lucid('reset', 'stubborn'), { status: 0, signal: null, out: '', err: '' });
  await until('the second boot', ended, () => out() === 'AA');
  await lucid('pause', 'stubborn');
  assert.equal(await lucid('stop', '--force', 'stubborn'), { status: 0, signal: null, out: '', err: '' });
  const { status, err } = await ended;
  assert.is(status, 143);
  assert.match(err, /lucid: stopped by lucid stop --force\n$/);
});

test('what cannot be is told in one line', async () => {
  for (const [args, message] of [
    [['stop', 'nobody'], /^lucid: nobody: no running VM has this process number or name; lucid ps lists them\n$/],
    [['reset', 'nobody'], /^lucid: nobody: no running VM/],
    [['stop'], /^lucid: which VM\? give its process number or name; see lucid ps\n$/],
    [['stop', 'nobody', '--force=yes'], /^lucid: --force=yes: a switch takes no value/],
  ] as const) {
    const { status, out, err } = await lucid(...args);
    assert.match(err, message);
    assert.equal([status, out], [2, '']);
  }
});

test.run();
