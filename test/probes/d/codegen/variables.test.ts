/** Variables of every scope: random programs against a model, bounds of dynamic memory, strings, structures, bit-fields. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DROPS, FAULT, SPECIAL } from '../../../../probes/arena.ts';
import { CHAR, INT, LONG, STRING, UNSIGNED, UNSIGNED_LONG, arrayOf, sizeOf } from '../../../../probes/d/ctype.ts';
import type { Clause, Expression, Variable } from '../../../../probes/d/tree.ts';
import type { Member, StructType } from '../../../../probes/d/types.ts';
import { Bench, Run } from './firing.ts';
import { Model } from './model.ts';
import {
  BEGIN,
  INTEGERS,
  addressOf,
  arithmetic,
  assign,
  builtin,
  clause,
  convert,
  dereference,
  does,
  integer,
  long,
  of,
  point,
  program,
  text,
  trace,
  update,
  variable,
} from './nodes.ts';
import { RandomTree } from './random-tree.ts';

const test = suite('codegen: variables');
const bench = new Bench();
const PIO = point('kvm-pio');

test('random programs over variables of all scopes do what the model does', () => {
  for (const seed of [1, 2, 3, 4]) {
    const used: Variable[] = INTEGERS.flatMap((type) => [
      variable('global', type),
      variable('self', type),
      variable('this', type),
      variable('global', type, [LONG]),
      variable('self', type, [INT, CHAR]),
    ]);
    const random = new RandomTree(seed, used);
    const expressions = Array.from({ length: 250 }, () => random.expression(4));
    const run = new Run(
      bench,
      program(
        expressions.map((e) => clause(BEGIN, [trace(e)])),
        used,
      ),
    );
    const model = new Model();
    const records = run.records();
    assert.is(records.length, expressions.length);
    expressions.forEach((e, i) => {
      const expected = model.value(e);
      const record = records[i] as (typeof records)[number];
      const found = record.epid === SPECIAL.FAULT ? Run.fault(record).fault : run.data(record)[0];
      assert.is(found, typeof expected === 'number' ? expected : BigInt.asUintN(sizeOf(e.type) * 8, expected), `seed ${seed}, clause ${i}`);
    });
    run.close();
  }
});

test('clause-local variables begin as 0 at each firing and live through its clauses', () => {
  const x = variable('this', LONG);
  const run = new Run(
    bench,
    program([clause(PIO, [does(update('+', of(x), long(5)))]), clause(PIO, [trace(update('+', of(x), long(1)))])], [x]),
  );
  bench.fire('KVM_PIO');
  bench.fire('KVM_PIO');
  assert.equal(run.rows(), [[6n], [6n]]);
  run.close();
});

test('self variables belong to a vCPU each, scalars and arrays', () => {
  const x = variable('self', LONG);
  const a = variable('self', LONG, [INT]);
  const cpu = builtin('cpu');
  const run = new Run(
    bench,
    program(
      [
        clause(PIO, [
          does(update('+', of(x), arithmetic('+', cpu, long(1)))),
          does(update('+', of(a, integer(3)), arithmetic('+', cpu, long(10)))),
          trace(of(x), of(a, integer(3))),
        ]),
      ],
      [x, a],
    ),
  );
  for (const vcpu of [0, 1, 0, 7, 1]) bench.fire('KVM_PIO', [], vcpu);
  assert.equal(run.rows(), [
    [1n, 10n],
    [2n, 11n],
    [2n, 20n],
    [8n, 17n],
    [4n, 22n],
  ]);
  run.close();
});

test('strings are kept by value, cut to strsize; a self variable and an element that are not set are NULL, others empty', () => {
  const s = variable('global', STRING);
  const a = variable('global', STRING, [STRING]);
  const own = variable('self', STRING);
  const run = new Run(
    bench,
    program(
      [
        clause(BEGIN, [trace(of(s))]),
        clause(BEGIN, [trace(of(own))]),
        clause(BEGIN, [does(assign(of(own), text('own')))]),
        clause(BEGIN, [trace(of(own))]),
        clause(BEGIN, [does(assign(of(own), integer(0, STRING)))]),
        clause(BEGIN, [trace(of(own))]),
        clause(BEGIN, [
          does(assign(of(s), text('abcdefghijklmnop'))),
          does(assign(of(a, text('key')), of(s))),
          does(assign(of(s), text('x'))),
        ]),
        clause(BEGIN, [trace(of(s), of(a, text('key')))]),
        clause(BEGIN, [does(assign(of(a, text('key')), integer(0, STRING)))]),
        clause(BEGIN, [trace(of(a, text('key')))]),
      ],
      [s, a, own],
    ),
    { strsize: 9 },
  );
  const records = run.records();
  assert.equal(
    records.map((r) => (r.epid === SPECIAL.FAULT ? Run.fault(r).fault : run.data(r))),
    [[''], FAULT.BADADDR, ['own'], FAULT.BADADDR, ['x', 'abcdefgh'], FAULT.BADADDR],
  );
  run.close();
});

test('keys of text are compared in full, and only to strsize', () => {
  const a = variable('global', LONG, [STRING, CHAR]);
  const set = (key: string, value: number) => does(assign(of(a, text(key), integer(1, CHAR)), long(value)));
  const get = (key: string) => of(a, text(key), integer(1, CHAR));
  const run = new Run(
    bench,
    program([clause(BEGIN, [set('abcdefghi', 1), set('abc', 2), set('', 3), trace(get('abcdefgh'), get('abc'), get(''), get('ab'))])], [a]),
    {
      strsize: 9,
    },
  );
  assert.equal(run.rows(), [[1n, 2n, 3n, 0n]]);
  run.close();
});

test('what does not fit dynamic memory is counted, and freed elements make room', () => {
  const a = variable('global', LONG, [LONG]);
  const arg0 = builtin('arg0');
  const arg1 = builtin('arg1');
  const run = new Run(bench, program([clause(PIO, [does(assign(of(a, arg0), arg1)), trace(of(a, arg0))])], [a]), { dynvarsize: 1024 });
  const dynamic = DROPS.indexOf('DYNAMIC');
  let kept = 0;
  for (let i = 0; i < 100; i++) {
    bench.fire('KVM_PIO', [BigInt(i), 7n]);
    if (run.rows()[0]?.[0] === 7n) kept++;
  }
  assert.ok(kept >= 20 && kept < 64, `${kept} kept`);
  assert.is(run.drops(dynamic), 100 - kept);
  bench.fire('KVM_PIO', [3n, 0n]);
  bench.fire('KVM_PIO', [99n, 8n]);
  assert.equal(run.rows(), [[0n], [8n]]);
  assert.is(run.drops(dynamic), 100 - kept);
  run.close();
});

test('elements come, change and go as in a map', () => {
  const a = variable('global', LONG, [LONG, INT]);
  const arg0 = builtin('arg0');
  const key = convert(builtin('arg1'), INT);
  const run = new Run(
    bench,
    program(
      [clause(PIO, [does(assign(of(a, arg0, key), builtin('arg2'))), trace(of(a, builtin('arg3'), convert(builtin('arg4'), INT)))])],
      [a],
    ),
  );
  const random = new RandomTree(99);
  const map = new Map<string, bigint>();
  for (let i = 0; i < 3000; i++) {
    const [k, l, m, n] = [0, 0, 0, 0].map(() => BigInt(random.below(40))) as [bigint, bigint, bigint, bigint];
    const value = BigInt(random.below(3) * random.below(1000));
    bench.fire('KVM_PIO', [k, l, value, m, n]);
    map.set(`${k} ${l}`, value);
    assert.equal(run.rows(), [[map.get(`${m} ${n}`) ?? 0n]], `firing ${i}`);
  }
  run.close();
});

const member = (name: string, type: Member['type'], offset: number, bits?: Member['bits']): Member => ({
  name,
  type,
  offset,
  ...(bits !== undefined && { bits }),
});
const PAIR: StructType = {
  kind: 'struct',
  tag: 'pair',
  bytes: 24,
  align: 8,
  complete: true,
  members: [
    member('a', INT, 0),
    member('low', UNSIGNED, 4, { shift: 0, width: 5 }),
    member('signed', INT, 4, { shift: 5, width: 7 }),
    member('high', UNSIGNED, 4, { shift: 12, width: 20 }),
    member('text', arrayOf(CHAR, 8), 8),
    member('wide', UNSIGNED_LONG, 16, { shift: 0, width: 64 }),
  ],
};
const field = (object: Expression, name: string): Expression => {
  const found = PAIR.members.find((m) => m.name === name) as Member;
  return { op: 'member', object, member: found, type: found.type, line: 1 };
};

test('members and bit-fields do not touch each other', () => {
  for (const scope of ['global', 'self', 'this'] as const) {
    const s = variable(scope, PAIR);
    const set = (name: string, value: number) => {
      const target = field(of(s), name);
      return does(assign(target, integer(value, target.type)));
    };
    const run = new Run(
      bench,
      program(
        [
          clause(BEGIN, [
            set('low', 0x3f),
            set('signed', -3),
            set('high', 0xfffff),
            set('a', -7),
            set('wide', -1),
            does(update('+', field(of(s), 'low'), integer(1, UNSIGNED))),
            does(update('-', field(of(s), 'signed'), integer(62))),
            trace(...['a', 'low', 'signed', 'high', 'wide'].map((name) => field(of(s), name))),
            trace(field(of(s), 'text')),
          ]),
        ],
        [s],
      ),
    );
    assert.equal(run.rows(), [[0xffff_fff9n, 0n, 63n, 0xfffffn, 0xffff_ffff_ffff_ffffn, 0n]], scope);
    run.close();
  }
});

test('structures are assigned, recorded and kept by value, also as elements and through pointers', () => {
  const s = variable('global', PAIR);
  const t = variable('this', PAIR);
  const a = variable('global', PAIR, [INT]);
  const run = new Run(
    bench,
    program(
      [
        clause(BEGIN, [
          does(assign(field(of(s), 'a'), integer(11))),
          does(assign(of(a, integer(1)), of(s))),
          does(assign(field(of(a, integer(1)), 'high'), integer(5, UNSIGNED))),
          does(assign(field(of(s), 'a'), integer(12))),
          does(assign(of(t), of(a, integer(1)))),
          does(assign(field(dereference(addressOf(of(t)), PAIR), 'low'), integer(9, UNSIGNED))),
          trace(
            field(of(s), 'a'),
            field(of(a, integer(1)), 'a'),
            field(of(t), 'a'),
            field(of(t), 'high'),
            field(of(t), 'low'),
            field(of(a, integer(1)), 'low'),
          ),
        ]),
        clause(BEGIN, [trace(of(s))]),
      ],
      [s, t, a],
    ),
  );
  const rows = run.rows();
  assert.equal(rows[0], [12n, 11n, 11n, 5n, 9n, 0n]);
  assert.equal(rows[1], [Uint8Array.from([12, ...new Uint8Array(23)])]);
  run.close();
});

test('a member of an element that is not there is 0', () => {
  const a = variable('global', PAIR, [INT]);
  const run = new Run(bench, program([clause(BEGIN, [trace(field(of(a, integer(1)), 'a'))])], [a]));
  const [record] = run.records();
  assert.is(record?.epid, SPECIAL.FAULT);
  run.close();
});

test('several hundred variables and clauses make one program', () => {
  const used = Array.from({ length: 300 }, () => variable('global', LONG));
  const clauses: Clause[] = used.map((v, i) => clause(BEGIN, [does(assign(of(v), long(i)))]));
  const sum = used.reduce<Expression>((e, v) => arithmetic('+', e, of(v)), long(0));
  const run = new Run(bench, program([...clauses, clause(BEGIN, [trace(sum)])], used));
  assert.equal(run.rows(), [[BigInt((300 * 299) / 2)]]);
  run.close();
});

test.run();
