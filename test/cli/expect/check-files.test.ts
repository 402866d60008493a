/** Several files of expectations at once, as a CI service gives them to `lucid expect`. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from '../stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-checking-'));
const test = suite('lucid expect, several files');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);
const GUEST = 'guest: {kernel: guest.elf, debug-exit: 0xf4, limit: time=10}\n';

function file(name: string, expectations: string, guest = GUEST): string {
  writeFileSync(at(name), `${guest}expect:\n${expectations}`);
  return at(name);
}

test.before(() => {
  // cpuid; out f4h, 0
  writeFileSync(at('guest.elf'), multiboot([0x0f, 0xa2, 0xb0, 0, 0xe6, 0xf4]));
  writeFileSync(at('dies.elf'), multiboot([0x0f, 0x0b]));
});

const MET = '  - {exits: CPUID, count: 1}\n';
const NOT = '  - {name: no CPUID, exits: CPUID, count: 0}\n  - {outcome: debug-exit 0}\n';

test('each is reported as it is alone, and the whole at the end; the status is the worst', async () => {
  const files = [file('a.yaml', MET), file('b.yaml', NOT)];
  const [a, b, both] = await Promise.all([lucid('expect', at('a.yaml')), lucid('expect', at('b.yaml')), lucid('expect', ...files)]);
  assert.is(both.out, `${a.out}\n${b.out}\n1 of 2 files met; not: ${at('b.yaml')}\n`);
  assert.equal([a.status, b.status, both.status, both.err], [0, 1, 1, '']);
  const again = await lucid('expect', at('a.yaml'), at('a.yaml'));
  assert.match(again.out, /\n2 of 2 files met\n$/);
  assert.is(again.status, 0);
});

test('--json prints a line for each, --junit has a suite for each', async () => {
  const files = [file('a.yaml', MET), file('b.yaml', NOT), file('c.yaml', MET, GUEST.replace('guest.elf', 'dies.elf'))];
  const { out, status } = await lucid('expect', '--json', '--junit', at('all.xml'), ...files);
  const reports = out.trimEnd().split('\n');
  assert.equal(
    reports.map((line) => JSON.parse(line).exitStatus),
    [0, 1, 6],
  );
  assert.is(status, 6);
  const xml = readFileSync(at('all.xml'), 'utf8');
  assert.match(xml, /^<testsuites tests="7" failures="2" errors="1">$/m);
  assert.is(xml.match(/<testsuite name/g)?.length, 3);
});

test('a mistake in the last file is told before the first guest starts', async () => {
  const { out, err, status } = await lucid('expect', file('a.yaml', MET), file('wrong.yaml', '  - {exit: CPUID}\n'), at('nix.yaml'));
  assert.is(out, '');
  assert.match(err, /^lucid: \S*wrong\.yaml:3: .*\nlucid: \S*nix\.yaml: No such file or directory\n$/);
  assert.is(status, 2);
});

test('a guest that cannot be started is told, and the others are checked all the same', async () => {
  const files = [file('a.yaml', MET, GUEST.replace('guest.elf', 'nix.elf')), file('b.yaml', MET)];
  const { out, err, status } = await lucid('expect', '--junit', at('started.xml'), ...files);
  assert.match(err, /^lucid: \S*a\.yaml:1: guest: --kernel \S*nix\.elf: there is no such file\n$/);
  assert.match(out, /b\.yaml: 1 of 1 expectations met\n\n1 of 2 files met; not: \S*a\.yaml\n$/);
  assert.is(status, 2);
  assert.match(
    readFileSync(at('started.xml'), 'utf8'),
    /<error message="\S*a\.yaml:1: guest: --kernel \S*nix\.elf: there is no such file">/,
  );
});

test('--list says what is expected and where, and runs nothing', async () => {
  const files = [file('a.yaml', MET, GUEST.replace('guest.elf', 'nix.elf')), file('b.yaml', NOT)];
  const { out, status } = await lucid('expect', '--list', ...files);
  assert.is(out, `${files[0]}:3: exits CPUID: 1\n${files[1]}:3: no CPUID\n${files[1]}:4: outcome debug-exit 0\n`);
  assert.is(status, 0);
  const json = await lucid('expect', '--list', '--json', files[0] as string);
  assert.equal(JSON.parse(json.out), { file: files[0], expectations: [{ name: 'exits CPUID: 1', line: 3, kind: 'exits' }] });
  const wrong = await lucid('expect', '--list', files[0] as string, at('nix.yaml'));
  assert.equal([wrong.out, wrong.status], [`${files[0]}:3: exits CPUID: 1\n`, 2]);
});

test('--only checks what has the words in its name, in the files that have it', async () => {
  const files = [file('a.yaml', MET), file('b.yaml', NOT)];
  const { out, status } = await lucid('expect', ...files, '--only', 'outcome');
  assert.match(out, /^met {5}outcome debug-exit 0\n[\s\S]*b\.yaml: 1 of 1 expectations met\n$/);
  assert.not.match(out, 'a.yaml');
  assert.is(status, 0);
  const none = await lucid('expect', ...files, '--only', 'HLT');
  assert.match(none.err, /^lucid: --only 'HLT': no expectation has this in its name; lucid expect --list shows their names\n$/);
  assert.is(none.status, 2);
});

test('names of code are those of the kernel that runs', async () => {
  const yaml = file('named.yaml', '  - {exits: CPUID, count: 0}\n', `${GUEST}symbols: names.map\n`);
  writeFileSync(at('names.map'), '0000000000100000 T theirs\n');
  writeFileSync(at('own.map'), '0000000000100000 T own\n');
  assert.match((await lucid('expect', yaml)).out, / theirs\+0x/);
  assert.not.match((await lucid('expect', yaml, '--', '--kernel', at('guest.elf'))).out, / theirs\+0x/);
  assert.match((await lucid('expect', yaml, '--symbols', at('own.map'), '--', '--kernel', at('guest.elf'))).out, / own\+0x/);
});

test('a report of an earlier run is gone when this one cannot be written, and no file of another kind is lost', async () => {
  const yaml = file('a.yaml', MET);
  writeFileSync(at('old.xml'), '<?xml version="1.0"?><testsuites/>\n');
  assert.is((await lucid('expect', at('nix.yaml'), '--junit', at('old.xml'))).status, 2);
  assert.match(readFileSync(at('old.xml'), 'utf8'), /<error message="\S*nix\.yaml: No such file or directory">/);
  for (const name of ['a.yaml', 'guest.elf']) {
    const before = readFileSync(at(name));
    const { err, status } = await lucid('expect', yaml, '--junit', at(name));
    assert.match(err, /^lucid: --junit \S*: there is a file of another kind, which would be lost; give another name, or remove it\n$/);
    assert.is(status, 2);
    assert.ok(before.equals(readFileSync(at(name))));
  }
  assert.is(existsSync(at('a.yaml.baseline.json')), false);
});

test('options that do not go together are refused', async () => {
  const yaml = file('a.yaml', MET);
  for (const [args, message] of [
    [['--update', '--only', 'CPUID'], /^lucid: --update: not with --only; /],
    [['--list', '--update'], /^lucid: --list: runs nothing; /],
    [['--list', '--junit', at('x.xml')], /^lucid: --list: runs nothing; /],
    [['--only'], /^lucid: --only: needs a value/],
  ] as [string[], RegExp][]) {
    const { err, status } = await lucid('expect', yaml, ...args);
    assert.match(err, message);
    assert.is(status, 2);
  }
});

test.run();
