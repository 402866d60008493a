/** Names for addresses, compared with what nm says of a program that the host's compiler made. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadSymbols, SymbolsError, SymbolTable } from '../../vmm/symbols.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-symbols-'));
const test = suite('symbols');
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const compiler = spawnSync('gcc', ['--version']).status === 0;

const SOURCE =
  'static int inner(int n) { return n * 3; }\nint outer(int n) { return inner(n) + 1; }\nint main(void) { return outer(2); }\n';

for (const bits of [64, 32] as const) {
  const build = (): boolean => {
    writeFileSync(at('p.c'), SOURCE);
    const args = [
      '-O0',
      '-fno-inline',
      '-nostdlib',
      '-static',
      '-e',
      'main',
      ...(bits === 32 ? ['-m32', '-fno-pic'] : []),
      '-o',
      at('p'),
      at('p.c'),
    ];
    return compiler && spawnSync('gcc', args).status === 0;
  };
  const run = build() ? test : test.skip;
  run(`every function of an ELF file of ${bits} bits is named as nm names it, inside and at its end`, () => {
    build();
    const table = loadSymbols(at('p'));
    const listing = execFileSync('nm', ['-S', at('p')], { encoding: 'utf8' });
    const functions = [...listing.matchAll(/^([0-9a-f]+) ([0-9a-f]+) [Tt] (\S+)$/gm)];
    assert.ok(functions.length >= 3);
    for (const [, address = '', size = '', name = ''] of functions) {
      const from = BigInt(`0x${address}`);
      const bytes = BigInt(`0x${size}`);
      assert.is(table.name(from), name);
      assert.is(table.name(from + 1n), `${name}+0x1`);
      assert.is(table.name(from + bytes - 1n), `${name}+0x${(bytes - 1n).toString(16)}`);
      assert.is.not(table.name(from + bytes)?.split('+')[0], name);
    }
    const moved = loadSymbols(at('p'), 0x1000n);
    const [, address = '', , name = ''] = functions[0] as unknown as string[];
    assert.is(moved.name(BigInt(`0x${address}`) + 0x1000n), name);
  });
}

test('an ELF file that is cut or damaged anywhere is refused in one line, or read', () => {
  const whole = readFileSync(compiler ? at('p') : process.execPath).subarray(0, 65536);
  for (let cut = 4; cut < whole.length; cut += 97) {
    for (const spoilt of [whole.subarray(0, cut), Buffer.from(whole).fill(0xff, cut, cut + 8)]) {
      writeFileSync(at('bad'), spoilt);
      try {
        loadSymbols(at('bad'));
      } catch (error) {
        assert.instance(error, SymbolsError);
        assert.not.match((error as Error).message, /\n/);
      }
    }
  }
});

test("a System.map names functions up to the next one, and a kernel's hidden addresses name nothing", () => {
  writeFileSync(at('map'), 'ffffffff81000000 T _text\nffffffff81000100 t helper\nffffffff81000100 T public\nffffffff82000000 D data\n');
  const table = loadSymbols(at('map'));
  assert.is(table.size, 2);
  assert.is(table.name(0xffff_ffff_8100_00ffn), '_text+0xff');
  assert.is(table.name(0xffff_ffff_8100_0100n), 'public');
  assert.is(table.name(0xffff_ffff_80ff_ffffn), undefined);
  writeFileSync(at('map'), '0000000000000000 T _text\n0000000000000000 T helper\n');
  assert.throws(() => loadSymbols(at('map')), /has no symbols/);
  assert.throws(
    () =>
      new SymbolTable(
        [
          { address: 1n, size: 0n, global: true, name: 'a' },
          { address: 2n ** 64n - 1n, size: 0n, global: true, name: 'b' },
        ],
        1n,
      ),
    /around the end/,
  );
});

test.run();
