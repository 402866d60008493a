/** What the person at the terminal sees: keys, the escape key, and a terminal that is as it was whatever happens. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { numbers } from '../cpu/random-code.ts';
import { multiboot } from '../vmm/guests.ts';
import { haveScript, Sat, type Sitting } from './pty.ts';

const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-terminal-'));

/** Prints '>', then of each key the character 64 further on, until 'q' powers off. */
const ECHO = [
  0x66,
  0xba,
  0xfb,
  0x03,
  0xb0,
  0x03,
  0xee, // mov dx, 3fbh; mov al, 3; out dx, al: words of 8 bits
  0x66,
  0xba,
  0xf8,
  0x03,
  0xb0,
  0x3e,
  0xee, // mov dx, 3f8h; mov al, '>'; out dx, al
  0x66,
  0xba,
  0xfd,
  0x03,
  0xec,
  0xa8,
  0x01,
  0x74,
  0xfb, // poll: mov dx, 3fdh; in al, dx; test al, 1; jz
  0x66,
  0xba,
  0xf8,
  0x03,
  0xec,
  0x3c,
  0x71,
  0x74,
  0x05, // mov dx, 3f8h; in al, dx; cmp al, 'q'; je off
  0x04,
  0x40,
  0xee,
  0xeb,
  0xe9, // add al, 40h; out dx, al; jmp poll
  0x66,
  0xba,
  0x04,
  0x06,
  0x66,
  0xb8,
  0x00,
  0x34,
  0x66,
  0xef,
  0xf4, // off: S5
];
const kernel = join(folder, 'echo');
writeFileSync(kernel, multiboot(ECHO));

const test = suite('terminal');
test.after(() => rmSync(folder, { recursive: true }));
// There is no other way to a terminal here.
const it = haveScript ? test : test.skip;

function sane(sitting: Sitting, what: string): void {
  assert.ok(sitting.gone, `${what}: the process lives on`);
  assert.not.equal(sitting.before, '', what);
  assert.is(sitting.after, sitting.before, `${what}: stty before and after`);
  assert.equal(sitting.litter, [], `${what}: files left`);
}

it('every key reaches the guest, Ctrl-C too; Ctrl-A is the escape', async () => {
  const sat = new Sat(['run', '--kernel', kernel, '--no-exits']);
  await sat.until('>');
  sat.type('\x03');
  await sat.until('>C');
  sat.type('\x1a\x1c\x01\x01');
  await sat.until('>CZ\\A');
  sat.type('\x01a');
  await sat.until('>CZ\\AA');
  sat.type('\x01h');
  await sat.until('Ctrl-A x  quit');
  sat.type('q');
  const sitting = await sat.end();
  sane(sitting, 'keys');
  assert.is(sitting.status, 0, sitting.output);
});

it('Ctrl-A x ends the run with status 130', async () => {
  const sat = new Sat(['run', '--kernel', kernel]);
  await sat.until('>');
  sat.type('\x01x');
  const sitting = await sat.end();
  sane(sitting, 'Ctrl-A x');
  assert.is(sitting.status, 130);
  // On a terminal the summary is the default.
  assert.match(sitting.output, /echo: interrupted\r\n[\s\S]*VM exit /);
});

/** Interrupts a run by a signal, or by typing Ctrl-C and later Ctrl-A x, `ms` after its start. */
async function interrupted(guest: string, by: NodeJS.Signals | 'keys', ms: number): Promise<void> {
  const what = `${by} after ${ms} ms`;
  const sat = new Sat(['run', '--kernel', guest, '--no-exits']);
  const pid = await sat.pid();
  await setTimeout(ms);
  if (by === 'keys') {
    sat.type('\x03');
    await setTimeout(1000);
    sat.type('\x01x');
  } else {
    try {
      process.kill(pid, by);
    } catch {
      // It has ended.
    }
  }
  const sitting = await sat.end();
  sane(sitting, what);
  // Before a program runs at all, a signal ends it the system's way.
  const early = by === 'keys' || by === 'SIGINT' ? 130 : by === 'SIGTERM' ? 143 : 129;
  const ends = guest === BUILTIN ? [0, 130, early] : [130, early];
  assert.ok(ends.includes(sitting.status), `${what}: status ${sitting.status}: ${sitting.output}`);
}

const WAYS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'keys'] as const;
/** 20 moments from the first to after the last; all of them only on request. */
const MOMENTS = process.env['LUCID_SLOW'] === 'full' ? 20 : 2;

for (const way of WAYS) {
  it(`${way === 'keys' ? 'Ctrl-C typed' : way} at any moment leaves the terminal as it was`, async () => {
    const pick = numbers(WAYS.indexOf(way) + 1);
    for (let i = 0; i < MOMENTS; i++) await interrupted(i % 4 === 3 ? BUILTIN : kernel, way, pick(MOMENTS === 2 ? 500 : 1200));
  });
}

test.run();
