/** `lucid diff`, as a person uses it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-diff-'));
const test = suite('lucid diff');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

/** Says "ok", reads a port so many times, powers off: mov dx,3f8h; mov al,'o'; out dx,al; mov al,'k'; out dx,al; mov ecx,n; l: in al,port; loop l; out f4h,al */
async function logged(name: string, reads: number, port: number): Promise<void> {
  const code = [0x66, 0xba, 0xf8, 3, 0xb0, 0x6f, 0xee, 0xb0, 0x6b, 0xee, 0xb9, reads, 0, 0, 0, 0xe4, port, 0xe2, 0xfc, 0xe6, 0xf4];
  writeFileSync(at(`${name}.elf`), multiboot(code));
  await lucid('run', '--kernel', at(`${name}.elf`), '--debug-exit', '0xf4', '--serial', 'null', '--no-exits', '--events', at(name));
}

test.before(async () => {
  await logged('a', 10, 0x71);
  await logged('again', 10, 0x71);
  await logged('more', 30, 0x71);
  await logged('other', 10, 0x80);
});

test('two runs of one guest do not differ', async () => {
  const { out, status } = await lucid('diff', at('a'), at('again'));
  assert.match(out, /^exits (\d+) before, \1 after \(\+0\), in ([\d.]+us) and \2\n$/);
  assert.is(status, 0);
});

test('what changed is named, the weightiest first, and where', async () => {
  const more = await lucid('diff', at('a'), at('more'));
  assert.match(more.out, /\nmore IO_INSTRUCTION in 0x71 +10 +30 +\+20 +\+[\d.]+us\n\(times are modelled/);
  assert.is(more.status, 1);
  const other = await lucid('diff', at('a'), at('other'), '--json');
  const { differ, phases } = JSON.parse(other.out) as { differ: boolean; phases: { differences: { key: string; what: string }[] }[] };
  const named = phases[0]?.differences.map(({ key, what }) => `${what} ${key}`).sort();
  assert.equal([differ, named], [true, ['gone IO_INSTRUCTION in 0x71', 'new IO_INSTRUCTION in 0x80']]);
  const phased = await lucid('diff', at('a'), at('more'), '--mark', 'serial:ok');
  assert.match(
    phased.out,
    /\nfrom the start to serial 'ok': no difference\n\nfrom serial 'ok' to the end: \n.*\nmore IO_INSTRUCTION in 0x71 /,
  );
});

test('baselines and reports of lucid expect are compared as logs are', async () => {
  const yaml = at('e.yaml');
  writeFileSync(yaml, 'guest: {kernel: a.elf, debug-exit: 0xf4}\nmarks: {ok: {serial: ok}}\nexpect:\n  - baseline: {counts: exact}\n');
  await lucid('expect', yaml, '--update');
  const [baseline, report] = [`${yaml}.baseline.json`, at('more.json')];
  writeFileSync(report, (await lucid('expect', yaml, '--json', '--', '--kernel', at('more.elf'))).out);
  const same = await lucid('diff', baseline, baseline);
  assert.match(same.out, /^exits (\d+) before, \1 after \(\+0\)\n\nfrom start to ok: no difference\n\nfrom ok to end: no difference\n$/);
  assert.is(same.status, 0);
  const more = await lucid('diff', baseline, report);
  assert.match(more.out, /\nfrom ok to end: \n.*\nmore IO_INSTRUCTION in 0x71 +10 +30 +\+20 +\+[\d.]+us\n/);
  assert.is(more.status, 1);
  const mixed = await lucid('diff', baseline, at('a'));
  assert.match(mixed.err, /baseline\.json: has counts, the other file is a log of exits; give two of one kind\n$/);
  assert.match(
    (await lucid('diff', baseline, report, '--by', 'rip')).err,
    /^lucid: --by: not with baselines, which have counts by cause; /,
  );
});

test('what cannot be is told in one line', async () => {
  for (const [args, message] of [
    [[at('a')], /^lucid: which two logs\? give files that lucid run --events wrote\n$/],
    [[at('a'), at('nix')], /^lucid: \S*nix: No such file or directory\n$/],
    [[at('a'), at('more'), '--mark', 'serial:never'], /^lucid: \S*a: never comes to serial 'never'; the console's last line is: ok\n$/],
    [[at('a'), at('more'), '--mark', 'port:0xf4=x'], /^lucid: --mark port:0xf4=x: x is not a value of 32 bits; /],
    [[at('a'), at('more'), '--mark', 'time:1'], /^lucid: --mark time:1: 'time' is unknown; write serial:TEXT, /],
    [[at('a'), at('more'), '--by', 'colour'], /^lucid: --by colour: unknown; there is reason, cause, /],
  ] as const) {
    const { status, out, err } = await lucid('diff', ...args);
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  }
});

test.run();
