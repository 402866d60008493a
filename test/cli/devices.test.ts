/** `lucid run` with a share, a virtio console, virtio over MMIO, an HPET, and what of them cannot be. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseShares } from '../../vmm/cli/share-option.ts';
import { boardOf } from '../../vmm/saved-machine.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start, until } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-devices-'));
const test = suite('lucid run: devices');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);
writeFileSync(at('guest.elf'), multiboot([0xeb, 0xfe]));
mkdirSync(at('dir'));
mkdirSync(at('a,b'));

test('--share: directory, tag, and whether it may be written', () => {
  assert.equal(parseShares(['d', 'e,tag=x,rw', 'a,,b,ro']), [
    { path: 'd', tag: 'share', writable: false },
    { path: 'e', tag: 'x', writable: true },
    { path: 'a,b', tag: 'share2', writable: false },
  ]);
  for (const [texts, message] of [
    [[''], /--share '': which directory\?/],
    [['d,frob'], /--share d,frob: 'frob' is unknown; there is tag=NAME, ro, rw/],
    [['d,tag=a b'], /'a b' is not a tag/],
    [['d,tag='], /'' is not a tag/],
    [['d,tag=x', 'e,tag=x'], /two have the tag 'x'/],
  ] as const)
    assert.throws(() => parseShares(texts), message);
});

test('what cannot be is told in one line that names the option', async () => {
  const run = ['run', '--kernel', at('guest.elf'), '--serial', 'null', '--limit', 'insns=1000'];
  for (const [args, message] of [
    [['--share', at('none')], /^lucid: --share \S*none: there is no such directory\n$/],
    [['--share', at('guest.elf')], /^lucid: --share \S*guest\.elf: is not a directory\n$/],
    [['--share', `${at('dir')},frob`], /^lucid: --share \S*: 'frob' is unknown/],
    [['--console', 'frob'], /^lucid: --console frob: unknown; there is serial, virtio\n$/],
    [['--virtio', 'isa'], /^lucid: --virtio isa: unknown; there is pci, mmio\n$/],
    [['--hpet=yes'], /^lucid: --hpet=yes: a switch takes no value/],
  ] as const) {
    const { status, err } = await lucid(...run, ...args);
    assert.match(err, message);
    assert.is(status, 2, args.join(' '));
  }
});

test('a board with all of them is saved, and comes back from its snapshot alone', async () => {
  const board = ['--share', `${at('a,,b')},tag=files,rw`, '--console', 'virtio', '--virtio', 'mmio', '--hpet', '--ecam', '--rng'];
  const run = start('lucid', ['run', '--kernel', at('guest.elf'), '--name', 'board', '--limit', 'wall=120', ...board], place.xdg);
  const ended = finished(run);
  await until('the snapshot', ended, async () => (await lucid('save', 'board', at('snap'))).status === 0);
  const { shares, console, virtio, hpet, ecam } = boardOf(at('snap'));
  assert.equal(
    { shares, console, virtio, hpet, ecam },
    { shares: [{ path: at('a,b'), tag: 'files', writable: true }], console: {}, virtio: 'mmio', hpet: true, ecam: true },
  );
  const { status, err } = await lucid('run', '--restore', at('snap'), '--limit', 'wall=1', '--no-exits');
  assert.is(status, 4, err);
  const refused = await lucid('run', '--restore', at('snap'), '--hpet');
  assert.match(refused.err, /^lucid: --hpet: not with --restore/);
  assert.is((await lucid('stop', '--force', 'board')).status, 0);
  assert.is((await ended).status, 143);
});

test.run();
