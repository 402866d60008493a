import { createRequire } from 'node:module';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import helpLayout, { wrapWords } from '../../vmm/cli/help-layout.ts';

type Layout = ReturnType<typeof helpLayout>;

/** What yargs would have used. */
const cliui = createRequire(import.meta.url)('cliui') as (options: { width: number }) => Layout;

const test = suite('layout of help');

/** The same numbers each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function words(random: (limit: number) => number, most: number): string {
  return Array.from({ length: random(most) }, () => 'x'.repeat(random(14))).join(' ');
}

/** Rows such as yargs makes them: a usage, groups of options with hints at the right, examples, an epilogue. */
function fill(layout: Layout, seed: number): string {
  const random = numbers(seed);
  layout.div({ text: words(random, 8) });
  layout.div({ text: words(random, 30), padding: [1, 0, 0, 0] });
  layout.div();
  layout.div('Options:');
  const width = 8 + random(20);
  for (let i = 0; i < 6; i++) {
    const name = { text: `--${words(random, 4)}`, padding: [0, 2, 0, 2 + 4 * random(2)], width } as const;
    layout.span(name, random(4) === 0 ? words(random, 30) : { text: words(random, 30) });
    if (random(3) === 0) layout.div();
    else layout.div({ text: `[${words(random, 5)}]`, padding: [0, 0, 0, 2], align: 'right' });
  }
  layout.div();
  layout.div({ text: words(random, 9), padding: [0, 2, 0, 2], width }, { text: words(random, 20) });
  layout.div(`  ${words(random, 40)}\nmore ${words(random, 9)}\n`);
  return layout.toString();
}

test('is that of cliui for ASCII', () => {
  for (let seed = 1; seed < 400; seed++) {
    const width = 40 + (seed % 81);
    assert.is(fill(helpLayout({ width }), seed), fill(cliui({ width }), seed), `seed ${seed}`);
  }
});

test('words go on at the next line, and longer ones are broken', () => {
  assert.equal(wrapWords('one two three', 7), ['one two', 'three']);
  assert.equal(wrapWords('a verylongword', 6), ['a', 'verylo', 'ngword']);
  assert.equal(wrapWords('', 6), ['']);
});

test.run();
