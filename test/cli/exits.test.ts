/** `lucid exits`, as a person uses it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-exits-'));
const test = suite('lucid exits');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

// mov esp,80000h; mov ebp,esp; call f; mov al,1; out f4h,al; f: push ebp; mov ebp,esp; mov ecx,9; l: in al,71h; loop l; out 80h,al; leave; ret
const CODE = [
  0xbc, 0, 0, 8, 0, 0x89, 0xe5, 0xe8, 4, 0, 0, 0, 0xb0, 1, 0xe6, 0xf4, 0x55, 0x89, 0xe5, 0xb9, 9, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, 0xe6,
  0x80, 0xc9, 0xc3,
];
const kernel = multiboot(CODE);
writeFileSync(at('guest.elf'), kernel);
const GUEST = ['--kernel', at('guest.elf'), '--debug-exit', '0xf4', '--serial', 'null'];

/** Where the code is: its first byte's address, as exits tell it. */
async function base(): Promise<number> {
  const { out } = await lucid('events', at('log'), '--port', '0xf4', '--print', 'json');
  return Number((JSON.parse(out) as { rip: string }).rip) - 14;
}

test('exits are counted by what caused them, and named by symbols', async () => {
  assert.is((await lucid('run', ...GUEST, '--no-exits', '--events', `${at('log')},stack`)).status, 3);
  const ports = await lucid('exits', at('log'), '--by', 'port', '--reason', 'io-instruction');
  assert.is(ports.status, 0, ports.err);
  assert.match(ports.out, /^PORT +Exits +Exits% +Time%\n0x71 +9 +81\.82% .*\n0x80 +1 .*\n0xf4 +1 .*\n\(times are modelled/);
  const start = await base();
  const line = (offset: number, name: string): string => `${(start + offset).toString(16).padStart(16, '0')} T ${name}\n`;
  writeFileSync(at('System.map'), `${line(0, 'main')}${line(16, 'reader')}`);
  const chains = await lucid('exits', at('log'), '--by', 'call-chain', '--symbols', at('System.map'), '--port', '0x71');
  assert.match(chains.out, /^CALL-CHAIN +Exits .*\nreader\+0x8 < main\+0xc +9 +100\.00% /);
  const folded = await lucid('exits', at('log'), '--folded', '--symbols', at('System.map'), '--port', '0x71-0x80');
  assert.is(folded.out, 'main;reader;IO_INSTRUCTION 10\n');
  const json = await lucid('exits', at('log'), '--by', 'rip', '--top', '1', '--json', '--port', '0x71');
  const { rows, complete } = JSON.parse(json.out) as { complete: boolean; rows: { key: string; count: number }[] };
  assert.equal([complete, rows.length, rows[0]?.key, rows[0]?.count], [true, 1, `0x${(start + 24).toString(16)}`, 9]);
});

test('a run that it starts is counted at once, and leaves its status', async () => {
  const { out, status } = await lucid('exits', '--by', 'port', '--reason', 'io-instruction', '--', ...GUEST);
  assert.match(out, /\n0x71 +9 /);
  assert.is(status, 3);
});

test('what cannot be is told in one line', async () => {
  writeFileSync(at('none.map'), 'nothing\n');
  const elf = readFileSync(at('guest.elf'));
  writeFileSync(at('stripped.elf'), elf);
  for (const [args, message] of [
    [['exits'], /^lucid: give a log of lucid run --events, or -- and the options of lucid run; see lucid exits --help\n$/],
    [['exits', at('log'), '--', ...GUEST], /^lucid: give a log of lucid run --events, or -- /],
    [['exits', at('log'), '--top', '0'], /^lucid: --top 0: not a number of lines\n$/],
    [['exits', at('log'), '--symbols', at('none.map')], /^lucid: --symbols \S*none\.map: has no symbols: /],
    [['exits', at('log'), '--symbols', at('stripped.elf')], /^lucid: --symbols \S*stripped\.elf: has no symbols: /],
    [['exits', at('log'), '--symbols', at('nix')], /^lucid: --symbols \S*nix: No such file or directory\n$/],
    [['exits', at('log'), '--symbols', '/dev/zero'], /^lucid: --symbols \/dev\/zero: File too large\n$/],
    [['exits', at('log'), '--port', '0x10000'], /^lucid: --port 0x10000: there are none beyond 0xffff\n$/],
    [['exits', at('log'), '--folded', '--json'], /^lucid: --folded: counts call chains, in a form of its own; leave --json away\n$/],
    [['exits', at('log'), '--folded', '--by', 'rip'], /^lucid: --folded: .* leave --by rip away\n$/],
    [['exits', '--', '--kernel', at('nix')], /^lucid: --kernel \S*nix: there is no such file\n$/],
  ] as const) {
    const { status, out, err } = await lucid(...args);
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  }
});

test.run();
