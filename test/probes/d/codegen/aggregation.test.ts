/** Aggregations against a straightforward model: every function, keys of every kind, drops, clear, trunc, snapshots. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA, DROPS, RECORD, SPECIAL } from '../../../../probes/arena.ts';
import { bucketsOf } from '../../../../probes/consumer/buckets.ts';
import { CHAR, INT, LONG, STRING, UNSIGNED_CHAR, UNSIGNED_LONG } from '../../../../probes/d/ctype.ts';
import type { AggregatingFunction, Aggregation, Expression, Statement } from '../../../../probes/d/tree.ts';
import type { Type } from '../../../../probes/d/types.ts';
import { Bench, Run } from './firing.ts';
import { BEGIN, action, builtin, call, clause, convert, long, point, program, text } from './nodes.ts';
import { RandomTree } from './random-tree.ts';

const test = suite('codegen: aggregations');
const bench = new Bench();
const PIO = point('kvm-pio');

const aggregation = (id: number, func: AggregatingFunction, keys: readonly Type[] = []): Aggregation => ({
  name: `a${id}`,
  id,
  func,
  signed: true,
  keys,
});
const aggregate = (a: Aggregation, keys: readonly Expression[], value?: Expression, increment?: Expression): Statement => ({
  kind: 'aggregate',
  line: 1,
  aggregation: a,
  keys,
  ...(value !== undefined && { value }),
  ...(increment !== undefined && { increment }),
});

const FUNCTIONS: readonly AggregatingFunction[] = [
  { name: 'count' },
  { name: 'sum' },
  { name: 'avg' },
  { name: 'min' },
  { name: 'max' },
  { name: 'stddev' },
  { name: 'quantize' },
  { name: 'lquantize', base: -20, limit: 100, step: 7 },
  { name: 'lquantize', base: 0, limit: 10, step: 1 },
  { name: 'llquantize', factor: 10, low: 0, high: 6, steps: 20 },
  { name: 'llquantize', factor: 2, low: 3, high: 20, steps: 4 },
  { name: 'llquantize', factor: 10, low: 0, high: 16, steps: 100 },
];

/** Index of the bucket that a value belongs to. */
function bucketOf(func: AggregatingFunction, value: bigint): number {
  const buckets = bucketsOf(func);
  if (func.name === 'quantize' && value < 0n) {
    const found = buckets.findIndex(({ least }) => value <= least);
    return found;
  }
  if (value < (buckets[0]?.least ?? 0n) && func.name !== 'quantize') return 0;
  let index = func.name === 'quantize' ? 63 : 0;
  for (let i = index + (func.name === 'quantize' ? 0 : 1); i < buckets.length; i++) if ((buckets[i]?.least ?? 0n) <= value) index = i;
  return index;
}

class ModelValue {
  readonly func: AggregatingFunction;
  words: bigint[] | undefined;

  constructor(func: AggregatingFunction) {
    this.func = func;
  }

  add(value: bigint, increment: bigint): void {
    const { func } = this;
    switch (func.name) {
      case 'count':
        this.words = [(this.words?.[0] ?? 0n) + 1n];
        break;
      case 'sum':
        this.words = [(this.words?.[0] ?? 0n) + value];
        break;
      case 'min':
      case 'max': {
        const old = this.words?.[0];
        this.words = [old === undefined || (func.name === 'min' ? value < old : value > old) ? value : old];
        break;
      }
      case 'avg':
        this.words = [(this.words?.[0] ?? 0n) + 1n, (this.words?.[1] ?? 0n) + value];
        break;
      case 'stddev': {
        const squares = BigInt.asUintN(64, this.words?.[2] ?? 0n) + (BigInt.asUintN(64, this.words?.[3] ?? 0n) << 64n) + value * value;
        this.words = [(this.words?.[0] ?? 0n) + 1n, (this.words?.[1] ?? 0n) + value, squares, squares >> 64n];
        break;
      }
      default:
        this.words ??= bucketsOf(func).map(() => 0n);
        this.words[bucketOf(func, value)]! += increment;
    }
    this.words = this.words?.map((w) => BigInt.asIntN(64, w));
  }
}

const arg = (n: number): Expression => builtin(`arg${n}`);

/** Values of all sizes and signs. */
function randomValue(random: RandomTree): bigint {
  const value = BigInt.asIntN(64, random.word());
  return random.below(2) === 0 ? value : value % 200n;
}

test('every function gathers what the model gathers, by keys of two values', () => {
  const aggregations = FUNCTIONS.map((func, i) => aggregation(i + 1, func, [LONG, INT]));
  const increments = (func: AggregatingFunction): boolean => func.name.endsWith('quantize');
  const run = new Run(
    bench,
    program(
      [
        clause(
          PIO,
          aggregations.map((a) =>
            aggregate(
              a,
              [arg(0), convert(arg(1), INT)],
              a.func.name === 'count' ? undefined : arg(2),
              increments(a.func) ? arg(3) : undefined,
            ),
          ),
        ),
      ],
      [],
      aggregations,
    ),
  );
  const random = new RandomTree(5);
  const models = aggregations.map(() => new Map<string, ModelValue>());
  for (let i = 0; i < 2000; i++) {
    const key: [bigint, bigint] = [BigInt(random.below(6)) - 2n, BigInt(random.below(3)) - 1n];
    const value = randomValue(random);
    const increment = BigInt(random.below(5)) - 1n;
    bench.fire('KVM_PIO', [...key, value, increment]);
    aggregations.forEach(({ func }, k) => {
      const model = models[k] as Map<string, ModelValue>;
      const name = key.join(' ');
      if (!model.has(name)) model.set(name, new ModelValue(func));
      model.get(name)?.add(value, increment);
    });
  }
  aggregations.forEach(({ id, func }, k) => {
    const model = models[k] as Map<string, ModelValue>;
    const elements = run.elements(id);
    assert.is(elements.length, model.size);
    for (const { key, value } of elements) {
      const name = `${BigInt.asIntN(64, key[0] as bigint)} ${BigInt.asIntN(32, key[1] as bigint)}`;
      assert.equal(value, model.get(name)?.words, `${JSON.stringify(func)} [${name}]`);
    }
  });
  run.close();
});

test('keys are told apart by all of their parts: none, one, texts, many', () => {
  const plain = aggregation(1, { name: 'count' });
  const one = aggregation(2, { name: 'count' }, [UNSIGNED_CHAR]);
  const named = aggregation(3, { name: 'sum' }, [STRING, LONG, CHAR]);
  const many = aggregation(4, { name: 'count' }, [LONG, LONG, LONG, LONG, STRING]);
  const word = call('lltostr', [arg(0)], STRING);
  const run = new Run(
    bench,
    program(
      [
        clause(PIO, [
          aggregate(plain, []),
          aggregate(one, [convert(arg(0), UNSIGNED_CHAR)]),
          aggregate(named, [word, arg(1), convert(arg(0), CHAR)], arg(2)),
          aggregate(many, [arg(0), arg(1), arg(2), arg(3), text('constant')]),
        ]),
      ],
      [],
      [plain, one, named, many],
    ),
  );
  const random = new RandomTree(8);
  const counts = new Map<string, bigint>();
  const sums = new Map<string, bigint>();
  for (let i = 0; i < 1000; i++) {
    const a = BigInt(random.below(300));
    const b = BigInt(random.below(2));
    const c = BigInt(random.below(100));
    bench.fire('KVM_PIO', [a, b, c]);
    const byte = String(a & 0xffn);
    counts.set(byte, (counts.get(byte) ?? 0n) + 1n);
    const name = `${a} ${b} ${a & 0xffn}`;
    sums.set(name, (sums.get(name) ?? 0n) + c);
  }
  assert.equal(run.elements(1), [{ key: [], value: [1000n] }]);
  assert.equal(new Map(run.elements(2).map(({ key, value }) => [String(key[0]), value[0]])), counts);
  assert.equal(new Map(run.elements(3).map(({ key, value }) => [key.join(' '), value[0]])), sums);
  assert.is(
    run.elements(4).reduce((sum, { value }) => sum + (value[0] as bigint), 0n),
    1000n,
  );
  assert.ok(run.elements(4).every(({ key }) => key[4] === 'constant'));
  run.close();
});

test('what does not fit is counted; elements that are there go on counting', () => {
  const a = aggregation(1, { name: 'count' }, [LONG]);
  const run = new Run(bench, program([clause(PIO, [aggregate(a, [arg(0)])])], [], [a]), { aggsize: 1024 });
  for (let round = 0; round < 2; round++) for (let i = 0; i < 200; i++) bench.fire('KVM_PIO', [BigInt(i)]);
  const elements = run.elements(1);
  const kept = elements.length;
  assert.ok(kept > 10 && kept < 40, `${kept} elements`);
  assert.ok(elements.every(({ value }) => value[0] === 2n));
  assert.is(run.drops(DROPS.indexOf('AGGREGATION')), 2 * (200 - kept));
  run.close();
});

test('clear keeps the keys, trunc keeps the greatest or the least, and their room is used again', () => {
  const a = aggregation(1, { name: 'sum' }, [LONG]);
  const least = aggregation(2, { name: 'min' }, [LONG]);
  const FIRE = { clear: point('kvm-eoi'), trunc: point('kvm-cr') };
  const both = { aggregations: [a, least] };
  const run = new Run(
    bench,
    program(
      [
        clause(PIO, [aggregate(a, [arg(0)], arg(1)), aggregate(least, [arg(0)], arg(1))]),
        clause(FIRE.clear, [action('clear', [], both)]),
        clause(FIRE.trunc, [action('trunc', [arg(0)], both)]),
      ],
      [],
      [a, least],
    ),
    { aggsize: 4096 },
  );
  const values = () => run.elements(1).map(({ key, value }) => `${key[0]}:${value[0]}`);
  for (let i = 0; i < 20; i++) bench.fire('KVM_PIO', [BigInt(i), BigInt((i * 7) % 20)]);
  bench.fire('KVM_CR', [5n]);
  assert.equal(values().sort(), ['11:17', '14:18', '17:19', '5:15', '8:16']);
  bench.fire('KVM_CR', [BigInt(-2)]);
  assert.equal(values().sort(), ['5:15', '8:16']);
  bench.fire('KVM_EOI', []);
  assert.equal(values().sort(), ['5:0', '8:0']);
  bench.fire('KVM_PIO', [5n, 40n]);
  assert.equal(
    run
      .elements(2)
      .map(({ key, value }) => `${key[0]}:${value[0]}`)
      .sort(),
    ['5:40', '8:0'],
  );
  // Many rounds in little memory: what trunc gives back is enough.
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i < 10; i++) bench.fire('KVM_PIO', [BigInt(round * 10 + i), 1n]);
    bench.fire('KVM_CR', [0n]);
  }
  assert.is(run.drops(DROPS.indexOf('AGGREGATION')), 0);
  assert.equal(values(), []);
  run.close();
});

test('printa leaves the aggregation as it is then, in parts before the record', () => {
  const a = aggregation(1, { name: 'count' }, [LONG]);
  const run = new Run(bench, checked(a), { bufsize: 4096 });
  for (let i = 0; i < 400; i++) bench.fire('KVM_PIO', [BigInt(i)]);
  bench.fire('KVM_CR', []);
  // The ring holds fewer than all parts: those that fit were written, the rest was dropped and with it the clause's record.
  assert.ok(run.drops(DROPS.indexOf('PRINCIPAL')) > 0);
  run.records();
  run.close();

  const large = new Run(bench, checked(a), { bufsize: 16384 });
  for (let i = 0; i < 400; i++) bench.fire('KVM_PIO', [BigInt(i)]);
  bench.fire('KVM_CR', []);
  const records = large.records();
  const parts = records.filter(({ epid }) => epid === SPECIAL.SNAPSHOT);
  assert.is(
    parts.reduce((n, { view }) => n + view.getUint32(RECORD.HEADER + 8, true), 0),
    400,
  );
  assert.is((parts[0]?.view.getUint32(RECORD.HEADER + 4, true) ?? 0) & 1, 1);
  assert.is((parts.at(-1)?.view.getUint32(RECORD.HEADER + 4, true) ?? 0) & 2, 2);
  assert.ok(parts.every(({ view }) => view.getBigInt64(RECORD.HEADER + 16, true) === 3n));
  assert.is(records.at(-1)?.epid, 2);
  large.close();
});

function checked(a: Aggregation) {
  return program(
    [
      clause(PIO, [aggregate(a, [arg(0)])]),
      clause(point('kvm-cr'), [action('normalize', [long(3)], { aggregations: [a] }), action('printa', [], { aggregations: [a] })]),
    ],
    [],
    [a],
  );
}

test('a hundred aggregations in the least memory drop and do no harm', () => {
  const all = Array.from({ length: 100 }, (_, i) => aggregation(i + 1, { name: 'quantize' }, [UNSIGNED_LONG]));
  const run = new Run(
    bench,
    program(
      [
        clause(
          BEGIN,
          all.map((a) => aggregate(a, [long(1)], long(5))),
        ),
      ],
      [],
      all,
    ),
    { aggsize: 8 },
  );
  assert.is(run.drops(DROPS.indexOf('AGGREGATION')), 100);
  assert.is(run.word(ARENA.STATE), 1);
  run.close();
});

test.run();
