/** Subroutines on strings and numbers, against models; where strings end, and where they may stand. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { posix } from 'node:path';
import { FAULT, SPECIAL } from '../../../probes/arena.ts';
import { CHAR, INT, LONG, STRING, arrayOf, pointerTo } from '../../../probes/d/ctype.ts';
import type { Expression, Statement, Variable } from '../../../probes/d/tree.ts';
import { Bench, Run } from '../d/codegen/firing.ts';
import {
  BEGIN,
  addressOf,
  arithmetic,
  assign,
  call,
  clause,
  compare,
  convert,
  does,
  integer,
  long,
  of,
  program,
  text,
  trace,
  variable,
} from '../d/codegen/nodes.ts';
import { RandomTree } from '../d/codegen/random-tree.ts';

const test = suite('runtime: strings');
const bench = new Bench();

type Result = bigint | string | number | Uint8Array;

/** The value of each expression in a clause of its own, or the number of its fault. */
function values(expressions: readonly Expression[], strsize = 256): Result[] {
  const run = new Run(bench, program(expressions.map((e) => clause(BEGIN, [trace(e)]))), { strsize });
  const found = run.records().map((r) => (r.epid === SPECIAL.FAULT ? Run.fault(r).fault : (run.data(r)[0] as Result)));
  run.close();
  return found;
}

const str = (name: string, ...args: Expression[]): Expression => call(name, args, STRING);
const num = (name: string, ...args: Expression[]): Expression => call(name, args, LONG);
const signed = (value: Result | undefined): bigint => BigInt.asIntN(64, value as bigint);

const WORDS = ['', 'a', 'abc', 'abcabc', '/usr/lib/x', '//', 'hello, world', 'aaaaaaaaaaaaaaaaaaaaaaaaa', 'ab,,cd;ef'];

test('length, order, joining and case', () => {
  const pairs = WORDS.flatMap((a) => WORDS.map((b) => [a, b] as const));
  assert.equal(
    values(WORDS.map((w) => num('strlen', text(w)))),
    WORDS.map((w) => BigInt(Buffer.from(w, 'latin1').length)),
  );
  assert.equal(
    values(pairs.map(([a, b]) => str('strjoin', text(a), text(b)))),
    pairs.map(([a, b]) => a + b),
  );
  for (const [operator, holds] of [
    ['<', (a: string, b: string) => a < b],
    ['>=', (a: string, b: string) => a >= b],
    ['==', (a: string, b: string) => a === b],
    ['!=', (a: string, b: string) => a !== b],
  ] as const) {
    assert.equal(
      values(pairs.map(([a, b]) => compare(operator, text(a), text(b)))),
      pairs.map(([a, b]) => (holds(a, b) ? 1n : 0n)),
      operator,
    );
  }
  assert.equal(values([str('toupper', text('aZ-z{'))]), ['AZ-Z{']);
  assert.equal(values([str('tolower', text('AZ[z@'))]), ['az[z@']);
});

test('index, rindex, strstr, strchr and strrchr find what JavaScript finds', () => {
  const cases = WORDS.flatMap((a) => ['', 'a', 'abc', 'b', '/', 'zz'].map((b) => [a, b] as const));
  assert.equal(
    values(cases.map(([a, b]) => num('index', text(a), text(b)))).map(signed),
    cases.map(([a, b]) => BigInt(a.indexOf(b))),
  );
  assert.equal(
    values(cases.map(([a, b]) => num('rindex', text(a), text(b)))).map(signed),
    cases.map(([a, b]) => BigInt(a.lastIndexOf(b))),
  );
  assert.equal(
    values(cases.map(([a, b]) => str('strstr', text(a), text(b)))),
    cases.map(([a, b]) => (a.includes(b) ? a.slice(a.indexOf(b)) : FAULT.BADADDR)),
  );
  for (const c of ['a', '/', ',']) {
    assert.equal(
      values(WORDS.map((w) => str('strchr', text(w), integer(c.charCodeAt(0), CHAR)))),
      WORDS.map((w) => (w.includes(c) ? w.slice(w.indexOf(c)) : FAULT.BADADDR)),
    );
    assert.equal(
      values(WORDS.map((w) => str('strrchr', text(w), integer(c.charCodeAt(0), CHAR)))),
      WORDS.map((w) => (w.includes(c) ? w.slice(w.lastIndexOf(c)) : FAULT.BADADDR)),
    );
  }
});

test('substr counts from the end and leaves out at the end', () => {
  const cases: [number, number | undefined, string][] = [
    [0, 3, 'abc'],
    [2, undefined, 'cdef'],
    [-2, undefined, 'ef'],
    [-3, 2, 'de'],
    [1, -1, 'bcde'],
    [6, 1, ''],
    [9, 1, ''],
    [-9, 5, 'ab'],
    [0, 0, ''],
    [2, 100, 'cdef'],
  ];
  assert.equal(
    values(
      cases.map(([index, length]) => str('substr', text('abcdef'), integer(index), ...(length === undefined ? [] : [integer(length)]))),
    ),
    cases.map(([, , expected]) => expected),
  );
});

test('basename and dirname are those of POSIX', () => {
  const paths = ['/usr/lib/', '/usr', '/', 'a', 'a/b', 'a/b/', 'a//b', '/a', './x', '..', 'foo//'];
  assert.equal(
    values(paths.map((p) => str('basename', text(p)))),
    paths.map((p) => (p === '/' ? '/' : posix.basename(p))),
  );
  assert.equal(
    values(paths.map((p) => str('dirname', text(p)))),
    paths.map((p) => posix.dirname(p).replace(/(?<=.)\/+$/, '')),
  );
});

test('cleanpath leaves nothing to clean', () => {
  const cases = { '/a//b': '/a/b', '/a/./b': '/a/b', '/a/../b': '/b', '/..': '/', '/a/b/../../c': '/c', '/': '/', '/a/': '/a' };
  assert.equal(values(Object.keys(cases).map((p) => str('cleanpath', text(p)))), Object.values(cases));
});

test('numbers become text and text becomes numbers in every base', () => {
  const random = new RandomTree(4);
  const numbers = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), ...Array.from({ length: 40 }, () => BigInt.asIntN(64, random.word()))];
  for (const base of [2, 8, 10, 16, 36]) {
    const prefix = base === 16 ? '0x' : base === 8 ? '0' : '';
    const written = numbers.map((n) =>
      n === 0n ? (base === 16 ? '0x0' : '0') : base === 10 ? String(n) : prefix + BigInt.asUintN(64, n).toString(base),
    );
    assert.equal(values(numbers.map((n) => str('lltostr', long(n), integer(base)))), written, `base ${base}`);
    const parsed = numbers.map((n) => n.toString(base));
    assert.equal(values(parsed.map((s) => num('strtoll', text(s), integer(base)))).map(signed), numbers, `base ${base}`);
  }
  assert.equal(
    values([num('strtoll', text('99999999999999999999')), num('strtoll', text('  -12x')), num('strtoll', text('x'))]).map(signed),
    [2n ** 63n - 1n, -12n, 0n],
  );
  assert.equal(values([str('lltostr', long(1), integer(37)), num('strtoll', text('1'), integer(1))]), [FAULT.ILLOP, FAULT.ILLOP]);
});

test('strtok hands out the tokens, and forgets between clauses', () => {
  const tokens = (s: string, separators: string): Result[] => {
    const v = Array.from({ length: 5 }, () => variable('global', STRING));
    const statements: Statement[] = v.map((x, i) =>
      does(assign(of(x), str('strtok', i === 0 ? text(s) : integer(0, STRING), text(separators)))),
    );
    const run = new Run(bench, program([clause(BEGIN, statements), ...v.map((x) => clause(BEGIN, [trace(of(x))]))], v));
    const found = run.records().map((r) => (r.epid === SPECIAL.FAULT ? '-' : (run.data(r)[0] as Result)));
    run.close();
    return found;
  };
  assert.equal(tokens('a,b;;c', ',;'), ['a', 'b', 'c', '-', '-']);
  assert.equal(tokens(',;', ',;'), ['-', '-', '-', '-', '-']);
  assert.equal(tokens('word', ''), ['word', '-', '-', '-', '-']);
  assert.equal(values([str('strtok', integer(0, STRING), text(','))]), [FAULT.BADADDR]);
});

test('results are cut to strsize', () => {
  assert.equal(
    values([str('strjoin', text('abcdef'), text('ghijkl')), str('lltostr', long(123456789)), str('toupper', text('abcdefghijkl'))], 8),
    ['abcdefg', '1234567', 'ABCDEFG'],
  );
});

test('json finds elements by their path', () => {
  const doc = '{"a": {"b": [10, {"c": "x\\"y"}, true]}, "n": -1.5e3, "o": {}, "": 4}';
  const cases: [string, Result][] = [
    ['a.b[0]', '10'],
    ['a.b[1].c', 'x\\"y'],
    ['a.b[2]', 'true'],
    ['a.b[3]', FAULT.BADADDR],
    ['a.x', FAULT.BADADDR],
    ['n', '-1.5e3'],
    ['o', '{}'],
    ['a.b', '[10, {"c": "x\\"y"}, true]'],
  ];
  assert.equal(
    values(cases.map(([path]) => str('json', text(doc), text(path)))),
    cases.map(([, expected]) => expected),
  );
  for (const bad of ['', '{', '{"a"', '{"a":', '["', '{"a": "', '{"a": "\\'])
    assert.equal(values([str('json', text(bad), text('a'))]), [FAULT.BADADDR], bad);
});

test('addresses become text: inet_ntoa, inet_ntop', () => {
  const v = variable('global', arrayOf(CHAR, 16));
  const element = (i: number): Expression => ({
    op: 'dereference',
    address: arithmetic('+', convert(addressOf(of(v)), LONG), long(i), pointerTo(CHAR)),
    type: CHAR,
    line: 1,
  });
  const shown = (bytes: readonly number[], family: number): Result => {
    const run = new Run(
      bench,
      program(
        [
          clause(BEGIN, [
            ...bytes.map((b, i) => does(assign(element(i), integer(b, CHAR)))),
            trace(str('inet_ntop', integer(family), addressOf(of(v)))),
          ]),
        ],
        [v],
      ),
    );
    const found = run.rows()[0]?.[0] as Result;
    run.close();
    return found;
  };
  assert.is(shown([10, 0, 255, 1], 2), '10.0.255.1');
  assert.is(shown([0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 1], 26), '2001:db8::1');
  assert.is(shown(new Array(16).fill(0), 26), '::');
  assert.is(shown([...new Array(10).fill(0), 255, 255, 1, 2, 3, 4], 26), '::ffff:1.2.3.4');
});

/** A text without an end, where the next result will stand. */
test('a text that ends only in memory that is not taken keeps its end', () => {
  const p: Variable = variable('this', pointerTo(CHAR));
  const fill = call('bcopy', [text('/bbbbbb/cccccccc'), of(p), long(16)], LONG);
  for (const name of ['cleanpath', 'toupper', 'basename', 'dirname', 'strjoin']) {
    const argument = convert(of(p), STRING);
    const run = new Run(
      bench,
      program(
        [
          clause(BEGIN, [
            does(assign(of(p), call('alloca', [long(16)], pointerTo(CHAR)))),
            does(fill),
            trace(str(name, argument, ...(name === 'strjoin' ? [argument] : []))),
          ]),
        ],
        [p],
      ),
    );
    const [record] = run.records();
    assert.is(record?.epid, 1, name);
    const found = run.data(record as NonNullable<typeof record>)[0] as string;
    assert.ok(found.length < 256 && found.length > 0, name);
    run.close();
  }
});

test('rand repeats with its seed and is no constant', () => {
  const draw = (): Result[] => values(Array.from({ length: 50 }, () => num('rand')));
  const first = draw();
  assert.equal(draw(), first);
  assert.is(new Set(first).size, 50);
});

test('scratch memory that is used up faults', () => {
  assert.equal(values([call('alloca', [long(1n << 40n)], pointerTo(INT)), call('alloca', [long(-1)], pointerTo(INT))]), [
    FAULT.NOSCRATCH,
    FAULT.NOSCRATCH,
  ]);
});

test.run();
