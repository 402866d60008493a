/**
 * Statements: actions with their arguments, formats, aggregations, and what may follow what.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../../probes/d/compile.ts';
import { typeName } from '../../../probes/d/ctype.ts';
import { CompileError } from '../../../probes/d/error.ts';
import type { Action, Aggregation, CheckedProgram, Statement } from '../../../probes/d/tree.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';

const probes = new ProbeRegistry();
const BEFORE = 'struct s { int a; char b[4]; }; struct s v; int n; string t; BEGIN { @a[1] = count(); @b["x", 2] = sum(n); @c = avg(n); }';

function program(text: string): CheckedProgram {
  return check([{ form: 'script', name: 'x.d', text: `${BEFORE} BEGIN { ${text} }` }], { probes }).program;
}

function statements(text: string): readonly Statement[] {
  return program(text).clauses.at(-1)!.statements;
}

function action(text: string): Action {
  const [first] = statements(text);
  assert.is(first!.kind, 'action');
  return first as Action;
}

function aggregation(text: string): Aggregation {
  const last = statements(text).at(-1)!;
  if (last.kind !== 'aggregate') throw new Error(`does not aggregate: ${text}`);
  return last.aggregation;
}

function refusal(text: string): CompileError {
  try {
    program(text);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${text}`);
}

const types = (text: string): string[] => action(text).arguments.map(({ type }) => typeName(type));

test('trace() takes any value, arrays and structures whole', () => {
  assert.equal(types('trace(n);'), ['int']);
  assert.equal(types('trace(t);'), ['string']);
  assert.equal(types('trace(v);'), ['struct s']);
  assert.equal(types('trace(v.b);'), ['char [4]']);
  assert.equal(types('trace(arg0);'), ['int64_t']);
});

test('printf() keeps its format and the values', () => {
  const { format, arguments: values } = action('printf("%d %s\\n", n, t);');
  assert.equal([format, values.length], ['%d %s\n', 2]);
});

test('formats take the types that they show', () => {
  const fine = [
    '"%d %i %u %x %X %o", n, n, n, n, n, n',
    '"%hd %ld %lld %c", (short)n, (long)n, (long long)n, n',
    '"%lld %llu", timestamp, (int64_t)n',
    '"%s %s %S", t, v.b, t',
    '"%p %p %a %A", n, &v.a, n, n',
    '"%k", stack()',
    '"%a", sym(n)',
    '"%Y", walltimestamp',
    '"%*d %-*s %.*s", 5, n, 6, t, 2, t',
    '"%%"',
    '"%5d|%-5d|%05d|%+d|% d|%#x", n, n, n, n, n, n',
    '"%\'d", n',
  ];
  for (const text of fine) assert.is(action(`printf(${text});`).name, 'printf', text);
});

test('printa() shows aggregations of the same keys', () => {
  const { aggregations, format } = action('printa("%d %@u\\n", @a);');
  assert.equal([aggregations!.map(({ name }) => name), format], [['a'], '%d %@u\n']);
  assert.equal(action('printa(@c);').format, undefined);
  const [, , printa] = statements('@d = sum(1); @e = sum(2); printa("%@d %@d", @d, @e);');
  assert.equal(
    (printa as Action).aggregations!.map(({ name }) => name),
    ['d', 'e'],
  );
});

test('actions on aggregations', () => {
  assert.equal([action('clear(@a);').aggregations!.length, action('clear(@a);').arguments.length], [1, 0]);
  assert.is(action('trunc(@a);').arguments.length, 0);
  assert.is(action('trunc(@a, n);').arguments.length, 1);
  assert.is(action('normalize(@a, 1000);').arguments.length, 1);
  assert.is(action('denormalize(@a);').arguments.length, 0);
});

test('stacks have frames, from the call, the option or the default', () => {
  assert.is(action('stack(7);').size, 7);
  assert.is(action('stack();').size, 20);
  assert.equal([action('ustack(3, 100);').size, action('ustack(3, 100);').stringSize], [3, 100]);
});

test('tracemem() has bytes, and perhaps how many are shown', () => {
  const { size, arguments: values } = action('tracemem(arg0, 8, n);');
  assert.equal([size, values.length], [8, 2]);
});

test('aggregating functions', () => {
  const named = (text: string): unknown => aggregation(`@x = ${text};`).func;
  assert.equal(named('count()'), { name: 'count' });
  assert.equal(named('quantize(n)'), { name: 'quantize' });
  assert.equal(named('lquantize(n, -10, 10)'), { name: 'lquantize', base: -10, limit: 10, step: 1 });
  assert.equal(named('lquantize(n, 0, 100, 10, 2)'), { name: 'lquantize', base: 0, limit: 100, step: 10 });
  assert.equal(named('llquantize(n, 10, 0, 3, 20)'), { name: 'llquantize', factor: 10, low: 0, high: 3, steps: 20 });
});

test('an aggregation is one thing wherever it is used', () => {
  const { aggregations } = program('@x[n, t] = count(); @x[1, "a"] = count();');
  assert.equal(
    aggregations.map(({ name, id, keys }) => [name, id, keys.map(typeName)]),
    [
      ['a', 1, ['int']],
      ['b', 2, ['string', 'int']],
      ['c', 3, []],
      ['x', 4, ['int', 'string']],
    ],
  );
});

test('stacks and symbols may be keys', () => {
  assert.equal(
    aggregation('@x[stack(), sym(n), ustack(3)] = count();').keys.map(({ kind }) => kind),
    ['dynamic', 'dynamic', 'dynamic'],
  );
});

test('an expression is a statement', () => {
  assert.equal(
    statements('n = 1; n++; strlen(t);').map(({ kind }) => kind),
    ['expression', 'expression', 'expression'],
  );
});

/** What is refused, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  'trace();': 'D_PROTO_LEN',
  'trace(1, 2);': 'D_PROTO_LEN',
  'trace(@a);': 'D_TRACE_DYN',
  'trace((void)n);': 'D_TRACE_VOID',
  'printf();': 'D_PROTO_LEN',
  'printf(n);': 'D_PRINTF_ARG_FMT',
  'printf("");': 'D_PRINTF_FMT_EMPTY',
  'printf("%d");': 'D_PRINTF_ARG_PROTO',
  'printf("x", 1);': 'D_PRINTF_ARG_EXTRA',
  'printf("%d", t);': 'D_PRINTF_ARG_TYPE',
  'printf("%s", n);': 'D_PRINTF_ARG_TYPE',
  'printf("%d", v);': 'D_PRINTF_ARG_TYPE',
  'printf("%k", n);': 'D_PRINTF_ARG_TYPE',
  'printf("%c", timestamp);': 'D_PRINTF_ARG_TYPE',
  'printf("%*d", 1);': 'D_PRINTF_ARG_PROTO',
  'printf("%*d");': 'D_PRINTF_DYN_PROTO',
  'printf("%*d", t, 1);': 'D_PRINTF_DYN_TYPE',
  'printf("%@d", 1);': 'D_PRINTF_AGG_CONV',
  'printf("%z", 1);': 'D_SYNTAX',
  'printf("%");': 'D_SYNTAX',
  'printa();': 'D_PRINTA_PROTO',
  'printa("x");': 'D_PRINTA_PROTO',
  'printa(n);': 'D_PRINTA_AGGARG',
  'printa(@a, @b);': 'D_PRINTA_AGGKEY',
  '@d["x"] = count(); printa(@a, @d);': 'D_PRINTA_AGGPROTO',
  'printa("%s", @a);': 'D_PRINTF_ARG_TYPE',
  'clear(n);': 'D_CLEAR_AGGARG',
  'clear(@a, @b);': 'D_CLEAR_PROTO',
  'trunc(n);': 'D_TRUNC_AGGARG',
  'normalize(@a);': 'D_NORMALIZE_PROTO',
  'normalize(@a, t);': 'D_NORMALIZE_SCALAR',
  'denormalize(@a, 1);': 'D_NORMALIZE_PROTO',
  'tracemem(n, n);': 'D_TRACEMEM_SIZE',
  'tracemem(n, 0);': 'D_TRACEMEM_SIZE',
  'tracemem(t, 4);': 'D_TRACEMEM_ADDR',
  'stack(0);': 'D_STACK_SIZE',
  'stack(n);': 'D_STACK_SIZE',
  'stack(1, 2);': 'D_STACK_PROTO',
  'ustack(0);': 'D_USTACK_FRAMES',
  'ustack(1, -1);': 'D_USTACK_STRSIZE',
  'ustack(1, 2, 3);': 'D_USTACK_PROTO',
  'exit();': 'D_PROTO_LEN',
  'exit(t);': 'D_PROTO_ARG',
  'freopen(".");': 'D_FREOPEN_INVALID',
  '@a;': 'D_AGG_NULL',
  '@a = 1;': 'D_AGG_FUNC',
  '@a[1] = sum(1);': 'D_AGG_REDEF',
  '@x[1][2] = count();': 'D_AGG_MDIM',
  '@x = sum(t);': 'D_AGG_SCALAR',
  '@x = count(1);': 'D_PROTO_LEN',
  '@a["x"] = count();': 'D_PROTO_ARG',
  '@a[1, 2] = count();': 'D_PROTO_LEN',
  '@x[@a] = count();': 'D_KEY_TYPE',
  '@x = lquantize(n, n, 10);': 'D_LQUANT_BASETYPE',
  '@x = lquantize(n, 0, n);': 'D_LQUANT_LIMTYPE',
  '@x = lquantize(n, 10, 0);': 'D_LQUANT_MISMATCH',
  '@x = lquantize(n, 0, 10, 0);': 'D_LQUANT_STEPTYPE',
  '@x = lquantize(n, 0, 10, 11);': 'D_LQUANT_STEPLARGE',
  '@x = lquantize(n, 0, 100000, 1);': 'D_LQUANT_STEPSMALL',
  '@x = lquantize(n, 0, 10); @x = lquantize(n, 0, 20);': 'D_LQUANT_MATCHLIM',
  '@x = llquantize(n, 1, 0, 3, 10);': 'D_LLQUANT_FACTORVAL',
  '@x = llquantize(n, 10, 3, 2, 10);': 'D_LLQUANT_HMAGVAL',
  '@x = llquantize(n, 10, 0, 20, 10);': 'D_LLQUANT_HMAGVAL',
  'speculate(1); speculate(1);': 'D_SPEC_SPEC',
  'trace(1); speculate(1);': 'D_SPEC_DREC',
  '@a[1] = count(); speculate(1);': 'D_SPEC_DREC',
  'commit(1); speculate(1);': 'D_SPEC_COMM',
  'commit(1); trace(1);': 'D_DREC_COMM',
  'trace(1); commit(1);': 'D_COMM_DREC',
  'commit(1); @a[1] = count();': 'D_AGG_COMM',
  'speculate(1); @a[1] = count();': 'D_AGG_SPEC',
  'speculate(1); exit(0);': 'D_EXIT_SPEC',
  'speculate(1); stop();': 'D_ACT_SPEC',
  'n = trace(1);': 'D_CG_EXPR',
  'trace(1), trace(2);': 'D_OP_ACT',
  'nosuch();': 'D_FUNC_UNDEF',
  'n();': 'D_FUNC_IDKIND',
};

for (const [text, tag] of Object.entries(REFUSED)) {
  test(`${text} is refused`, () => {
    assert.is(refusal(text).tag, tag);
  });
}

test('messages of wrong arguments tell both types', () => {
  assert.match(
    refusal('printf("%d", t);').text,
    /^printf\( \) argument #2 is incompatible with conversion #1 prototype:\n\tconversion: %d\n\t prototype: .*\n\t {2}argument: string$/,
  );
  assert.match(refusal('exit(t);').text, /^exit\( \) argument #1 is incompatible with prototype:\n\tprototype: int\n\t argument: string$/);
  assert.is(refusal('trace();').text, 'trace( ) prototype mismatch: 0 args passed, 1 expected');
});

test.run();
