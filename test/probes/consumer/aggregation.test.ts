/** Aggregations: what is printed of them, in which order, alone, joined, merged. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Element, mergeElements, readElements, resultOf } from '../../../probes/consumer/aggregation.ts';
import { RecordBytes } from '../../../probes/consumer/datum.ts';
import { aggregation, dynamic, element, finalOf, printaOf, quantized, type TestAggregation, type TestElement, types } from './trace.ts';

const STRING = [types.string, 256] as const;
const count = (id = 1, keys: Parameters<typeof aggregation>[3] = []): TestAggregation => aggregation(id, 'a', { name: 'count' }, keys);
const sum = (id = 1, keys: Parameters<typeof aggregation>[3] = []): TestAggregation => aggregation(id, 'a', { name: 'sum' }, keys);

test('without keys, the value alone', () => {
  assert.is(finalOf([[count(), element([], 12)]]), '               12\n');
  assert.is(finalOf([[sum(), element([], -5)]]), '               -5\n');
});

test('keys in the widths of their types, then the value', () => {
  const keyed = count(1, [types.char, types.short, types.int, types.long, STRING]);
  assert.is(
    finalOf([[keyed, element([1, 2, 3, 4, 'five'], 6)]]),
    `   1     2        3                4  ${'five'.padEnd(50)}                6\n`,
  );
});

test('keys of 64 and 32 bits are signed, smaller ones are not', () => {
  const keyed = count(1, [types.long, types.int, types.short, types.char]);
  assert.is(finalOf([[keyed, element([-1, -2, -3, -4], 1)]]), '               -1       -2 65533 252                1\n');
});

test('elements are ordered by value, those of equal value by key', () => {
  const keyed = count(1, [STRING]);
  const lines = finalOf([[keyed, element(['c'], 2), element(['b'], 1), element(['a'], 2), element(['d'], -7)]]);
  assert.equal(
    lines.split('\n').map((line) => line.trim().split(/\s+/).join(' ')),
    ['d -7', 'b 1', 'a 2', 'c 2', ''],
  );
});

/** The keys of what is printed, one number each. */
function order(
  elements: readonly TestElement[],
  options: Record<string, number>,
  keys: Parameters<typeof aggregation>[3] = [types.int],
): string {
  return finalOf([[sum(1, keys), ...elements]], options)
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(0, -1).join(','))
    .join(' ');
}

test('aggsortkey, aggsortkeypos and aggsortrev', () => {
  const elements = [element([1, 30], 3), element([2, 20], 1), element([3, 10], 2)];
  const keys = [types.int, types.int];
  assert.is(order(elements, {}, keys), '2,20 3,10 1,30');
  assert.is(order(elements, { aggsortrev: 1 }, keys), '1,30 3,10 2,20');
  assert.is(order(elements, { aggsortkey: 1 }, keys), '1,30 2,20 3,10');
  assert.is(order(elements, { aggsortkey: 1, aggsortkeypos: 1 }, keys), '3,10 2,20 1,30');
  assert.is(order(elements, { aggsortkey: 1, aggsortkeypos: 1, aggsortrev: 1 }, keys), '1,30 2,20 3,10');
  assert.is(order(elements, { aggsortkey: 1, aggsortkeypos: 9 }, keys), '1,30 2,20 3,10');
});

test('aggsortkeypos also breaks ties of values', () => {
  const elements = [element([1, 30], 5), element([2, 20], 5), element([3, 10], 5)];
  assert.is(order(elements, {}, [types.int, types.int]), '1,30 2,20 3,10');
  assert.is(order(elements, { aggsortkeypos: 1 }, [types.int, types.int]), '3,10 2,20 1,30');
});

test('integer keys are ordered as unsigned numbers, and printed as signed', () => {
  const elements = [-2, -1, 0, 1, 2].map((key) => element([key], key));
  assert.is(order(elements, { aggsortkey: 1 }), '0 1 2 -2 -1');
  assert.is(order(elements, {}), '-2 -1 0 1 2');
  assert.is(order(elements, { aggsortkey: 1 }, [types.long]), '0 1 2 -2 -1');
  assert.is(order(elements, { aggsortkey: 1 }, [types.char]), '0 1 2 254 255');
});

test('aggregations follow each other by their numbers; aggsortrev turns that round too', () => {
  const two: [TestAggregation, ...TestElement[]][] = [
    [count(2), element([], 2)],
    [count(1), element([], 100)],
  ];
  assert.is(finalOf(two), '              100\n                2\n');
  assert.is(finalOf(two, { aggsortrev: 1 }), '                2\n              100\n');
});

test('avg and stddev divide as integers, towards 0', () => {
  const avg = aggregation(1, 'a', { name: 'avg' });
  assert.is(finalOf([[avg, element([], 2, 7)]]), '                3\n');
  assert.is(finalOf([[avg, element([], 2, -7)]]), '               -3\n');
  assert.is(finalOf([[avg, element([], 0, 0)]]), '                0\n');
  const stddev = aggregation(1, 'a', { name: 'stddev' });
  assert.is(finalOf([[stddev, element([], 3, 15, 107, 0)]]), '                3\n');
  // 0 and 2^33: squares of 2^66.
  assert.is(finalOf([[stddev, element([], 2, 2n ** 33n, 0, 4)]]), '       4294967296\n');
  assert.is(finalOf([[stddev, element([], 0, 0, 0, 0)]]), '                0\n');
});

test('normalization divides what is printed', () => {
  const keyed = sum(1, [STRING]);
  assert.is(printaOf([[keyed, element(['a'], 1999)]], undefined, {}, 1000), `\n  ${'a'.padEnd(50)}                1\n`);
  assert.is(printaOf([[keyed, element(['a'], 1999)]], '%s %@d\n', {}, 1000), 'a 1\n');
  assert.is(printaOf([[sum(), element([], -1999)]], '%@d', {}, 1000), '-1');
  const avg = aggregation(1, 'a', { name: 'avg' });
  assert.is(printaOf([[avg, element([], 2, 400)]], '%@d', {}, 100), '2');
});

test('printa() without a format begins a line; of an empty aggregation that is all', () => {
  assert.is(printaOf([[count(), element([], 3)]], undefined), '\n                3\n');
  assert.is(printaOf([[count()]], undefined), '\n');
  assert.is(printaOf([[count()]], '%@d\n'), '');
});

test('printa() with a format, once for each key', () => {
  const keyed = count(1, [STRING, types.int]);
  const elements = [element(['read', -1], 5), element(['write', 2], 10)];
  assert.is(printaOf([[keyed, ...elements]], '%-8s|%4d|%@8d|%@x\n'), 'read    |  -1|       5|5\nwrite   |   2|      10|a\n');
  assert.is(printaOf([[keyed, ...elements]], '%@d of %s\n'), '5 of read\n10 of write\n');
  assert.is(printaOf([[keyed, ...elements]], 'x'), 'xx');
  assert.is(printaOf([[sum(), element([], -1)]], '%@d %@u %@x %@o'), '-1 18446744073709551615 ffffffffffffffff 1777777777777777777777');
});

test('printa() with stacks and symbols among the keys', () => {
  const stack = new Uint8Array(new BigUint64Array([0x10n, 0x20n, 0n]).buffer);
  const keyed = count(1, [[dynamic('stack', 24), 24]]);
  assert.is(printaOf([[keyed, element([stack], 4)]], '%k%@d\n'), '\n0x10\n0x20\n4\n');
  assert.is(printaOf([[keyed, element([stack], 4)]], undefined), '\n\n              0x10\n              0x20\n                4\n');
  const symbol = count(1, [[dynamic('sym', 8), 8]]);
  assert.is(printaOf([[symbol, element([0x99], 1)]], '%a %@d'), '0x99 1');
  assert.is(finalOf([[symbol, element([0x99], 1)]]), `  ${'0x99'.padEnd(50)}                1\n`);
});

test('several aggregations are joined by their keys; what is missing is 0', () => {
  const n = count(1, [STRING]);
  const t = sum(2, [STRING]);
  const rows: [TestAggregation, ...TestElement[]][] = [
    [n, element(['a'], 1), element(['b'], 2)],
    [t, element(['b'], 50), element(['c'], 7)],
  ];
  assert.is(printaOf(rows, '%s: %@d %@d\n'), 'c: 0 7\na: 1 0\nb: 2 50\n');
  assert.is(printaOf(rows, '%s: %@d %@d %@d\n', { aggsortpos: 1 }), 'a: 1 0 0\nc: 0 7 7\nb: 2 50 50\n');
  assert.is(printaOf(rows, '%s: %@d %@d\n', { aggsortkey: 1 }), 'a: 1 0\nb: 2 50\nc: 0 7\n');
  assert.is(printaOf(rows, '%s: %@d %@d\n', { aggsortrev: 1 }), 'b: 2 50\na: 1 0\nc: 0 7\n');
  assert.is(printaOf(rows, undefined).split('\n')[1], `  ${'c'.padEnd(50)}                0                7`);
});

test('one aggregation may be named twice', () => {
  const n = count(1, [STRING]);
  assert.is(printaOf([[n, element(['a'], 1)], [n]], '%s %@d %@d\n'), 'a 1 1\n');
});

const BAR = 40;
const heading = '\n           value  ------------- Distribution ------------- count    \n';
const row = (label: string, ats: number, value: number): string =>
  `${label.padStart(16)} |${'@'.repeat(ats)}${' '.repeat(BAR - ats)} ${String(value).padEnd(9)}\n`;

test('quantize(): powers of two, one empty bucket on each side', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  // Bucket n from that of 0: n > 0 begins at 2^(n-1).
  assert.is(
    finalOf([[quantize, element([], ...quantized({ 2: 1, 3: 2, 5: 1 }))]]),
    `${heading}${row('1', 0, 0)}${row('2', 10, 1)}${row('4', 20, 2)}${row('8', 0, 0)}${row('16', 10, 1)}${row('32', 0, 0)}\n`,
  );
  assert.is(
    finalOf([[quantize, element([], ...quantized({ '-2': 1, 0: 1 }))]]),
    `${heading}${row('-4', 0, 0)}${row('-2', 20, 1)}${row('-1', 0, 0)}${row('0', 20, 1)}${row('1', 0, 0)}\n`,
  );
  // Nothing in it: the buckets around 0.
  assert.is(finalOf([[quantize, element([], ...quantized({}))]]), `${heading}${row('-1', 0, 0)}${row('0', 0, 0)}${row('1', 0, 0)}\n`);
  const extreme = finalOf([[quantize, element([], ...quantized({ '-63': 1, 63: 1 }))]]).split('\n');
  assert.ok(extreme[2]?.startsWith('-4611686018427387904 |'));
  assert.ok(extreme.at(-3)?.startsWith('4611686018427387904 |'));
});

test('bars round a half up', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  // 40 / 80 = 0.5 columns, 79 * 40 / 80 = 39.5.
  const text = finalOf([[quantize, element([], ...quantized({ 1: 1, 2: 79 }))]]);
  assert.ok(text.includes(row('1', 1, 1)));
  assert.ok(text.includes(row('2', 40, 79)));
});

test('negative counts draw to the left; with both signs there is a line in the middle', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  const negative = finalOf([[quantize, element([], ...quantized({ 1: -1, 2: -3 }))]]).split('\n');
  assert.is(negative[3], `               1 ${' '.repeat(30)}${'@'.repeat(10)}| -1       `);
  assert.is(negative[4], `               2 ${' '.repeat(10)}${'@'.repeat(30)}| -3       `);
  const both = finalOf([[quantize, element([], ...quantized({ 1: -1, 2: 3 }))]]).split('\n');
  assert.is(both[2], `               0 ${' '.repeat(20)}|${' '.repeat(20)} 0        `);
  assert.is(both[3], `               1 ${' '.repeat(15)}${'@'.repeat(5)}|${' '.repeat(20)} -1       `);
  assert.is(both[4], `               2 ${' '.repeat(20)}|${'@'.repeat(15)}${' '.repeat(5)} 3        `);
});

test('lquantize(): below the base, the steps, at least the limit', () => {
  const lquantize = aggregation(1, 'l', { name: 'lquantize', base: 10, limit: 30, step: 10 }, [], { buckets: 4 });
  assert.is(
    finalOf([[lquantize, element([], 1, 2, 0, 1)]]),
    `${heading}${row('< 10', 10, 1)}${row('10', 20, 2)}${row('20', 0, 0)}${row('>= 30', 10, 1)}\n`,
  );
  assert.is(finalOf([[lquantize, element([], 0, 1, 0, 0)]]), `${heading}${row('< 10', 0, 0)}${row('10', 40, 1)}${row('20', 0, 0)}\n`);
  assert.is(finalOf([[lquantize, element([], 0, 0, 0, 0)]]), `${heading}${row('< 10', 0, 0)}${row('10', 0, 0)}${row('20', 0, 0)}\n`);
  const negative = aggregation(1, 'l', { name: 'lquantize', base: -100, limit: 100, step: 50 }, [], { buckets: 6 });
  assert.is(finalOf([[negative, element([], 0, 0, 1, 0, 0, 0)]]), `${heading}${row('-100', 0, 0)}${row('-50', 40, 1)}${row('0', 0, 0)}\n`);
});

test('llquantize(): orders of magnitude in equal steps', () => {
  const func = { name: 'llquantize', factor: 10, low: 0, high: 1, steps: 10 } as const;
  // < 1, 1 to 9, 10 to 90, >= 100.
  const llquantize = aggregation(1, 'l', func, [], { buckets: 20 });
  const words = new Array<number>(20).fill(0);
  words[0] = 1;
  words[1] = 1;
  words[10] = 1;
  words[19] = 1;
  const lines = finalOf([[llquantize, element([], ...words)]]).split('\n');
  assert.equal(
    lines.slice(2, -2).map((line) => line.slice(0, 16).trim()),
    ['< 1', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '20', '30', '40', '50', '60', '70', '80', '90', '>= 100'],
  );
  const twenty = aggregation(1, 'l', { name: 'llquantize', factor: 10, low: 2, high: 2, steps: 20 }, [], { buckets: 20 });
  const few = new Array<number>(20).fill(0);
  few[1] = 1;
  const steps = finalOf([[twenty, element([], ...few)]]).split('\n');
  assert.equal(
    steps.slice(2, -2).map((line) => line.slice(0, 16).trim()),
    ['< 100', '100', '150'],
  );
});

test('histograms have their keys before them, and are normalized', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' }, [STRING, types.int]);
  assert.is(
    finalOf([[quantize, element(['k', 3], ...quantized({ 1: 1 }))]]),
    `  ${'k'.padEnd(50)}        3${heading}${row('0', 0, 0)}${row('1', 40, 1)}${row('2', 0, 0)}\n`,
  );
  const text = printaOf([[quantize, element(['k', 3], ...quantized({ 1: 20 }))]], '%s%@d', {}, 10);
  assert.is(text, `k${heading}${row('0', 0, 0)}${row('1', 40, 2)}${row('2', 0, 0)}`);
});

test('histograms are ordered by what their buckets stand for, then by what is in that of 0', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' }, [types.int]);
  const keys = (...elements: TestElement[]): string[] =>
    [...finalOf([[quantize, ...elements]]).matchAll(/^ +(\d+)\n/gm)].map(([, key]) => key!);
  assert.equal(keys(element([1], ...quantized({ 3: 1 })), element([2], ...quantized({ 1: 3 })), element([3], ...quantized({ '-1': 9 }))), [
    '3',
    '2',
    '1',
  ]);
  assert.equal(keys(element([1], ...quantized({ 0: 5 })), element([2], ...quantized({ 0: 2 }))), ['2', '1']);
});

test('agghist: the values of all keys as one distribution', () => {
  const keyed = count(1, [STRING]);
  const text = finalOf([[keyed, element(['getpid'], 1), element(['mmap'], 3)]], { agghist: 1 });
  assert.is(
    text,
    '\n              key  ------------- Distribution ------------- count    \n' +
      `           getpid |${'@'.repeat(10)}${' '.repeat(30)} 1        \n` +
      `             mmap |${'@'.repeat(30)}${' '.repeat(10)} 3        \n`,
  );
  assert.is(finalOf([[count(1, [types.int]), element([7], 1)]], { agghist: 1 }).split('\n')[2], `        7 |${'@'.repeat(40)} 1        `);
});

test('aggzoom: the greatest bar takes 95 % of its room', () => {
  const keyed = count(1, [STRING]);
  const lines = finalOf([[keyed, element(['a'], 50), element(['b'], 100)]], { agghist: 1, aggzoom: 1 }).split('\n');
  assert.is(lines[2], `                a |${'@'.repeat(19)}${' '.repeat(21)} 50       `);
  assert.is(lines[3], `                b |${'@'.repeat(38)}${' '.repeat(2)} 100      `);
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  assert.ok(finalOf([[quantize, element([], ...quantized({ 1: 100, 2: 100 }))]], { aggzoom: 1 }).includes(row('1', 38, 100)));
});

test('aggpack: a distribution in one line', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' }, [types.int]);
  const elements = [element([1], ...quantized({ 3: 1, 4: 9 })), element([2], ...quantized({ 5: 4 }))];
  assert.is(
    finalOf([[quantize, ...elements]], { aggpack: 1, encoding: 'ascii' } as never),
    '\n      key  min .-----. max  | count\n' +
      '        2    2 :   X : 32   | 4\n'.replace('32  ', '32  ') +
      '        1    2 : _X  : 32   | 10\n',
  );
  const utf8 = finalOf([[quantize, elements[1]!]], { aggpack: 1, encoding: 'utf8' } as never).split('\n')[2];
  assert.is(utf8, '        2    8 : \xe2\x96\x88 : 32   | 4');
});

test('aggpack of lquantize() shows the whole range', () => {
  const lquantize = aggregation(1, 'l', { name: 'lquantize', base: 0, limit: 30, step: 10 }, [], { buckets: 5 });
  assert.is(
    finalOf([[lquantize, element([], 0, 1, 3, -1, 0)]], { aggpack: 1, encoding: 'ascii' } as never),
    '\n     min .-----. max      | count\n     < 0 : _xv : >= 30    | 3\n',
  );
});

test('encoding=utf8 draws bars in eighths of a column', () => {
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  const lines = finalOf([[quantize, element([], ...quantized({ 1: 1, 2: 31 }))]], { encoding: 'utf8' } as never).split('\n');
  // 40 / 32 = 1.25 columns.
  assert.is(lines[3], `               1 |\xe2\x96\x88\xe2\x96\x8e${' '.repeat(38)} 1        `);
});

/** Elements as a source gives them. */
function elementsOf(one: TestAggregation, ...elements: TestElement[]): Element[] {
  const body = one.snapshot(elements).subarray(24 + 24);
  return readElements(new RecordBytes(body), 0, elements.length, one.descriptor);
}

test('elements of several sources merge by key', () => {
  const merged = (one: TestAggregation, a: TestElement[], b: TestElement[]): bigint[][] =>
    mergeElements(one.descriptor, [elementsOf(one, ...a), elementsOf(one, ...b)]).map(({ words }) => [...words]);
  const keyed = count(1, [STRING]);
  assert.equal(merged(keyed, [element(['a'], 1), element(['b'], 2)], [element(['c'], 3), element(['a'], 4)]), [[5n], [2n], [3n]]);
  const min = aggregation(1, 'm', { name: 'min' });
  const max = aggregation(1, 'm', { name: 'max' });
  assert.equal(merged(min, [element([], 3)], [element([], -4)]), [[-4n]]);
  assert.equal(merged(max, [element([], 3)], [element([], -4)]), [[3n]]);
  const unsigned = aggregation(1, 'm', { name: 'max' }, [], { signed: false });
  assert.equal(merged(unsigned, [element([], 3)], [element([], -4)]), [[-4n]]);
  const avg = aggregation(1, 'a', { name: 'avg' });
  assert.equal(merged(avg, [element([], 1, 10)], [element([], 3, 2)]), [[4n, 12n]]);
  const stddev = aggregation(1, 's', { name: 'stddev' });
  assert.equal(merged(stddev, [element([], 1, 2, -1, 5)], [element([], 1, 3, 2, 7)]), [[2n, 5n, 1n, 13n]]);
  const quantize = aggregation(1, 'q', { name: 'quantize' });
  assert.equal(merged(quantize, [element([], ...quantized({ 1: 1 }))], [element([], ...quantized({ 1: 2, 2: 1 }))]), [
    quantized({ 1: 3, 2: 1 }),
  ]);
});

test('merging leaves its sources alone', () => {
  const keyed = sum(1, [types.int]);
  const a = elementsOf(keyed, element([1], 10));
  const b = elementsOf(keyed, element([1], 5));
  assert.is(resultOf(keyed.descriptor, mergeElements(keyed.descriptor, [a, b])[0]!.words), 15n);
  assert.is(a[0]?.words[0], 10n);
  assert.is(b[0]?.words[0], 5n);
});

test.run();
