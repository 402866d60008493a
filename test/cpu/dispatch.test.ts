/**
 * The core's large switches are jump tables. asc makes a br_table of a switch only when it is dense and not too large, and otherwise,
 * without a word, a chain of comparisons that is half as fast: so the text of the compiled core is read.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE, root } from '../../scripts/core-inputs.mjs';

const source = (file: string): string => readFileSync(`${root}vmm/cpu/core/${file}.ts`, 'utf8');

/** Most labels of a br_table by function of the core (`file/name`), default included. */
async function jumpTables(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let name = '';
  for await (const line of createInterface({ input: createReadStream(CORE.wat) })) {
    const fn = /^ \(func \$vmm\/cpu\/core\/(\S+)/.exec(line)?.[1];
    if (fn !== undefined) name = fn;
    const labels = /^\s*\(?br_table ((?:\$\S+ ?)+)/.exec(line)?.[1]?.trim().split(' ').length;
    if (labels !== undefined) found.set(name, Math.max(labels, found.get(name) ?? 0));
  }
  return found;
}
const tables = await jumpTables();

/** Highest number among the cases of the largest switch of a function, counted from its lowest: what a jump table must span. */
function span(file: string, fn: string): number {
  const text = source(file);
  const start = text.search(new RegExp(`^(export )?function ${fn}\\(`, 'm'));
  assert.ok(start >= 0, `${file} has no function ${fn}`);
  const body = text.slice(start, text.indexOf('\n}\n', start));
  const cases = [...body.matchAll(/\bcase (0x[\da-f]+|\d+):/g)].map((m) => Number(m[1]));
  return Math.max(...cases) - Math.min(...cases) + 1;
}

test('the interpreter is one br_table with a target for each micro-op', () => {
  const numbers = [...source('uop.gen').matchAll(/^export const \w+: u32 = (\d+);/gm)].map((m) => Number(m[1]));
  const uops = Math.max(...numbers) + 1;
  assert.ok(uops > 400, `${uops} micro-ops`);
  assert.is(tables.get('interp.gen/interp'), uops + 1);
  // asc's limit.
  assert.ok(uops <= 1000);
});

test('the second, slow switch is one br_table', () => {
  assert.is(tables.get('interp.gen/slow'), span('interp.gen', 'slow') + 1);
});

test('the other large switches are br_tables', () => {
  for (const [file, fn] of [
    ['sys', 'sys'],
    ['opcodes', 'oneByte'],
    ['opcodes-0f', 'twoByte'],
    ['sse', 'exec0f'],
    ['x87', 'groupD9'],
  ] as const) {
    const labels = tables.get(`${file}/${fn}`) ?? 0;
    assert.ok(labels >= span(file, fn), `${file}/${fn}: ${labels} labels for a span of ${span(file, fn)}`);
  }
});

test.run();
