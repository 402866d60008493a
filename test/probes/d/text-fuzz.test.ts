/**
 * Texts that are no programs: `text-fuzz.ts`, at a reduced size; and texts made to be slow or deep.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../../../probes/d/compile.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { KINDS, textFuzz } from './text-fuzz.ts';

const COUNT = 2000;
const SEED = 77_000;
/** Far more than any of these takes, for busy machines. */
const SLOW_MS = 5000;

for (const kind of KINDS) {
  test(`${kind} at random give an error or a program`, () => {
    const failures = textFuzz(kind, COUNT, SEED, SLOW_MS);
    assert.equal(
      failures.map(({ seed, text, error }) => `${seed}: ${text}\n${(error as Error).stack}`),
      [],
    );
  });
}

const probes = new ProbeRegistry();

/** Tag of the refusal; undefined when it compiles. */
function refusal(text: string, preprocess = false): string | undefined {
  try {
    compile([{ form: 'script', name: 'text', text }], { probes, preprocess });
    return undefined;
  } catch (error) {
    if (error instanceof CompileError) return error.tag;
    throw error;
  }
}

const list = (n: number, item: (i: number) => string): string => Array.from({ length: n }, (_, i) => item(i)).join('');
const inBegin = (text: string): string => `BEGIN { x = 1; ${text} }`;

/** Too deep for any stack: an error of syntax. */
const DEEP: Readonly<Record<string, string>> = {
  parentheses: inBegin(`x = ${'('.repeat(100_000)}`),
  'unary operators': inBegin(`x = ${'- '.repeat(100_000)}x;`),
  operators: inBegin(`x = x${' + x'.repeat(100_000)};`),
  assignments: inBegin(`${'x = '.repeat(100_000)}1;`),
  conditions: inBegin(`x = ${'x ? 1 : '.repeat(100_000)}1;`),
  indices: inBegin(`a${'[1]'.repeat(100_000)} = 1;`),
  members: inBegin(`x = x${'.a'.repeat(100_000)};`),
  calls: inBegin(`x = ${'strlen('.repeat(100_000)}`),
  casts: inBegin(`x = ${'(int)'.repeat(100_000)}1;`),
  branches: inBegin(`${'if (x) { '.repeat(100_000)}`),
  'else after else': inBegin(`${'if (x) { x = 1; } else '.repeat(100_000)};`),
  pointers: `int ${'*'.repeat(100_000)}p; BEGIN { }`,
  declarators: `int ${'('.repeat(100_000)}p; BEGIN { }`,
  dimensions: `int p${'[1]'.repeat(100_000)}; BEGIN { }`,
  structures: `${'struct { '.repeat(100_000)}`,
  'typedefs of typedefs': `${list(2000, (i) => `typedef ${i === 0 ? 'int' : `t${i - 1}`} *t${i}; `)} BEGIN { }`,
  'structures in structures': `${list(2000, (i) => `struct s${i} { ${i === 0 ? 'int' : `struct s${i - 1}`} m; }; `)} BEGIN { }`,
  'inlines of inlines': `inline int i0 = pid; ${list(2000, (i) => `inline int i${i + 1} = i${i} + 1; `)} BEGIN { }`,
};

for (const [what, text] of Object.entries(DEEP)) {
  test(`${what} nested without end are refused`, () => {
    assert.is(refusal(text), 'D_SYNTAX');
  });
}

test('a few inlines that expand without end are refused', () => {
  const doubling = `inline int i0 = pid; ${list(60, (i) => `inline int i${i + 1} = i${i} + i${i}; `)}`;
  assert.is(refusal(`${doubling} BEGIN { x = i60; }`), 'D_SYNTAX');
  const called = `inline int i0[int a] = a; ${list(60, (i) => `inline int i${i + 1}[int a] = i${i}[a] + i${i}[a]; `)}`;
  assert.is(refusal(`${called} BEGIN { x = i60[1]; }`), 'D_SYNTAX');
});

test('a clause on more probes than its size allows is refused', () => {
  assert.is(refusal(`${'BEGIN, '.repeat(3000)}BEGIN { x = 0; ${'x++; '.repeat(3000)} }`), 'D_SYNTAX');
});

test('macros that expand without end are refused', () => {
  assert.is(refusal(`${list(60, (i) => `#define M${i} M${i + 1} M${i + 1}\n`)}M0\n`, true), 'D_PRAGERR');
  assert.is(refusal(`#define F(x) x\n${'F('.repeat(1000)}1${')'.repeat(1000)}\n`, true), 'D_PRAGERR');
  assert.is(refusal(`#if ${'('.repeat(100_000)}\n#endif\n`, true), 'D_PRAGERR');
});

/** Large, and fine: the time goes with the length. */
const LARGE: Readonly<Record<string, (n: number) => string>> = {
  clauses: (n) => 'BEGIN { x = 1; }\n'.repeat(n),
  statements: (n) => inBegin('x++; '.repeat(n)),
  members: (n) => `struct s { ${list(n, (i) => `int m${i}; `)} }; BEGIN { }`,
  enumerators: (n) => `enum e { ${list(n, (i) => `E${i}, `)} }; BEGIN { }`,
  'constant sums': (n) => inBegin(`x = 1${' + 1'.repeat(n)};`),
  'long strings': (n) => inBegin(`s = "${'\\n'.repeat(n)}";`),
  conversions: (n) => inBegin(`printf("${'%d'.repeat(n)}"${', 1'.repeat(n)});`),
  'dots after names': (n) => `BEGIN { x = ${'a.'.repeat(Math.min(n, 900))}a; }`,
  comments: (n) => `${'/* */ '.repeat(n)} BEGIN { }`,
  'control lines': (n) => `${'#pragma D option quiet\n'.repeat(n)}BEGIN { }`,
};

for (const [what, make] of Object.entries(LARGE)) {
  test(`the time for ${what} goes with their number`, () => {
    const start = performance.now();
    refusal(make(10_000));
    const ms = performance.now() - start;
    assert.ok(ms < SLOW_MS, `took ${ms.toFixed()} ms`);
  });
}

test.run();
