/** `lucid save` and `lucid run --restore`, as a person uses them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-save-'));
const test = suite('lucid save');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

// inc dword [600000h]; jmp $-6: never ends.
const COUNTING = multiboot([0xff, 0x05, 0x00, 0x00, 0x60, 0x00, 0xeb, 0xf8]);

/** Waits until `lucid save` finds the VM. */
async function saved(name: string, path: string): Promise<Finished> {
  for (;;) {
    const result = await lucid('save', name, path, '--json');
    if (!/no running VM/.test(result.err)) return result;
    await setTimeout(100);
  }
}

test('a running VM is saved and goes on; the snapshot runs on from there', async () => {
  writeFileSync(at('guest.elf'), COUNTING);
  const run = start(
    'lucid',
    ['run', '--kernel', at('guest.elf'), '--name', 'counting', '--serial', 'null', '--limit', 'wall=120'],
    place.xdg,
  );
  const ended = finished(run);
  const { status, out, err } = await saved('counting', at('snap'));
  assert.is(err, '');
  assert.is(status, 0);
  const { instructions, bytes } = JSON.parse(out) as { instructions: number; bytes: number };
  assert.is(readFileSync(at('snap')).length, bytes);
  assert.ok(instructions > 0);
  const more = await lucid('run', '--restore', at('snap'), '--serial', 'null', '--json', '--limit', `insns=${instructions + 1_000_000}`);
  assert.is(more.status, 4, more.err);
  const report = JSON.parse(more.out) as { name: string; instructions: number; outcome: { kind: string } };
  assert.equal([report.name, report.instructions, report.outcome.kind], ['counting', instructions + 1_000_000, 'limit']);
  run.kill('SIGINT');
  await ended;
});

test('a guest that was restored may reset: its kernel is loaded again', async () => {
  // mov ecx, 10,000,000; loop $; mov dx, cf9h; mov al, 6; out dx, al; jmp $
  writeFileSync(at('reset.elf'), multiboot([0xb9, 0x80, 0x96, 0x98, 0, 0xe2, 0xfe, 0x66, 0xba, 0xf9, 0x0c, 0xb0, 6, 0xee, 0xeb, 0xfe]));
  const run = start(
    'lucid',
    ['run', '--kernel', at('reset.elf'), '--name', 'resetting', '--serial', 'null', '--limit', 'wall=120'],
    place.xdg,
  );
  const ended = finished(run);
  assert.match((await saved('resetting', at('reset.elf'))).err, /reset\.elf: would overwrite --kernel of this VM; give another file/);
  const { out } = await saved('resetting', at('reset.snap'));
  const { instructions } = JSON.parse(out) as { instructions: number };
  const more = await lucid(
    'run',
    '--restore',
    at('reset.snap'),
    '--serial',
    'null',
    '--no-exits',
    '--limit',
    `insns=${instructions + 25_000_000}`,
  );
  assert.is(more.status, 4, more.err);
  run.kill('SIGINT');
  await ended;
});

test('what cannot be is told in one line', async () => {
  writeFileSync(at('text'), 'this is no snapshot but it is long enough to be one, is it not?\n');
  for (const [args, message] of [
    [['save', 'nobody', at('x')], /^lucid: nobody: no running VM has this process number or name; lucid ps lists them\n$/],
    [['save', 'nobody'], /^lucid: .*\n$/],
    [['run', '--restore', at('none')], /^lucid: --restore \S*none: there is no such file\n$/],
    [['run', '--restore', at('text')], /^lucid: --restore \S*text: is not a snapshot of a VM\n$/],
    [['run', '--restore', at('text'), '--kernel', at('guest.elf')], /^lucid: --kernel: not with --restore/],
    [
      ['run', '--restore', at('text'), '--memory', '256M'],
      /^lucid: --memory: not with --restore, which goes on with the machine that was saved\n$/,
    ],
    [['run', '--restore', at('text'), '--cpus', '1'], /^lucid: --cpus: not with --restore/],
    [['run', '--restore', at('text'), '--rng'], /^lucid: --rng: not with --restore/],
    [['run', '--restore', folder], /^lucid: --restore \S*: is not a file\n$/],
  ] as const) {
    const { status, out, err } = await lucid(...args);
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  }
});

test.run();
