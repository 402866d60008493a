/**
 * The preprocessor.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { preprocess } from '../../../probes/d/cpp.ts';
import type { Environment } from '../../../probes/d/environment.ts';
import { CompileError } from '../../../probes/d/error.ts';

const probes: Environment['probes'] = { match: () => [], all: () => [] };

function cpp(text: string, more: Partial<Environment> = {}, files: Readonly<Record<string, string>> = {}): string {
  return preprocess(text, 'dir/main.d', { probes, readFile: (path) => files[path], ...more });
}

/** The last line that holds something, spaces counting as one. */
function last(text: string, more: Partial<Environment> = {}): string {
  const lines = cpp(text, more).split('\n');
  return (
    lines
      .findLast((line) => line.trim() !== '')
      ?.replace(/\s+/g, ' ')
      .trim() ?? ''
  );
}

function refused(text: string, more: Partial<Environment> = {}, files: Readonly<Record<string, string>> = {}): CompileError {
  try {
    cpp(text, more, files);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test('text without macros stays as it was written', () => {
  const text = 'sdt:kvm::kvm-*vexit /$1 == \'a\'/\n{\n\t@a["//  x"] = count();  $target\n}\n';
  assert.is(cpp(text), text);
});

test('lines keep their numbers', () => {
  const text = '#define A 1\n#if 0\nx\n#endif\n/* a\nb */ c\nd \\\ne\nf';
  const lines = cpp(text).split('\n');
  assert.equal(
    [...'cdf'].map((c) => lines.findIndex((line) => line.includes(c)) + 1),
    [5, 7, 9],
  );
});

test('what the compiler understands is left to it', () => {
  const text = '#!/usr/sbin/dtrace -Cs\n#pragma D option quiet\n#ident "x"\n#line 7 "f"\n';
  assert.is(cpp(text), text);
});

test('comments of both kinds are taken out, but not from strings', () => {
  assert.is(last('a /* b */ c // d'), 'a c');
  assert.is(last('"/* a */ // b" \'"\' // c'), '"/* a */ // b" \'"\'');
  assert.is(refused('a\n/* b').tag, 'D_SYNTAX');
});

test('object-like macros', () => {
  assert.is(last('#define A 1\n#define B (A + A)\nB * B'), '(1 + 1) * (1 + 1)');
  assert.is(last('#define A\n[A]'), '[]');
  assert.is(last('#define A 1\n#undef A\nA'), 'A');
  assert.is(last('#define A 1\n"A" \'A\' AA $A @A'), '"A" \'A\' AA $A @1');
  assert.is(last('#define A 1, \\\n  2\nA'), '1, 2');
});

test('function-like macros', () => {
  assert.is(last('#define F(x, y) ((x) * (y))\nF(1 + 2, (3, 4))'), '((1 + 2) * ((3, 4)))');
  assert.is(last('#define F(x) <x>\nF F (1) F(\n2\n)'), 'F <1> <2>');
  assert.is(last('#define F() 7\nF() F( )'), '7 7');
  assert.is(last('#define F (1)\nF'), '(1)');
  assert.is(last('#define F(x) [x]\nF() F(F(F(1)))'), '[] [[[1]]]');
  assert.is(last('#define F(x) x\n#define G F\nG(5)'), '5');
});

test('macros that name themselves are replaced once', () => {
  assert.is(last('#define A A + 1\nA'), 'A + 1');
  assert.is(last('#define A B\n#define B A\nA B'), 'A B');
  assert.is(last('#define F(x) (x + F(x))\nF(F(1))'), '((1 + F(1)) + F((1 + F(1))))');
});

test('# makes text, ## joins', () => {
  assert.is(last('#define S(x) #x\nS(a  "b\\n" \'c\')'), '"a \\"b\\\\n\\" \'c\'"');
  assert.is(last('#define J(a, b) a ## b\nJ(var, 12) J(, x) J(y, ) J(-, >)'), 'var12 x y ->');
  assert.is(last('#define A 1\n#define J(a, b) a ## b\n#define K(a, b) J(a, b)\nJ(A, A) K(A, A)'), 'AA 11');
});

test('macros of any number of arguments', () => {
  assert.is(last('#define P(f, ...) printf(f, __VA_ARGS__)\nP("%d", 1, 2)'), 'printf("%d", 1, 2)');
  assert.is(last('#define P(f, ...) printf(f, ## __VA_ARGS__)\nP("x")'), 'printf("x")');
  assert.is(last('#define P(r...) f(r)\nP(1, 2)'), 'f(1, 2)');
});

test('what a macro becomes does not run into what stands beside it', () => {
  assert.is(last('#define M -1\n1-M'), '1- -1');
  assert.is(last('#define M x\nyM M(M)'), 'yM x(x)');
});

test('conditions choose text', () => {
  const choose = (condition: string): string => last(`#define A 3\n#define E\n#if ${condition}\nyes\n#else\nno\n#endif`);
  const holds = [
    'A',
    '!B',
    'defined A && defined(A) && !defined B',
    'A == 3 && A != 4 && A > 2 && A >= 3 && A < 4 && A <= 3',
    '(A + 2) * 2 - 1 == 9',
    'A ? 1 : 0',
    '7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3',
    '(1 << 4 | 1) == 17 && (6 & 3) == 2 && (6 ^ 3) == 5 && ~0 == -1',
    "'a' == 97 && 0x10 == 16 && 010 == 8 && 1L == 1u",
    '0x7fffffffffffffff > 0',
    '1 || nonsense',
  ];
  for (const condition of holds) assert.is(choose(condition), 'yes', condition);
  for (const condition of ['0', 'B', 'A > 3', 'defined(B)', '!defined A']) assert.is(choose(condition), 'no', condition);
});

test('groups nest, and the first that holds is taken', () => {
  const text = (a: number, b: number): string =>
    `#define A ${a}\n#define B ${b}\n#if A == 1\none\n#elif A == 2\n#if B\ntwo b\n#else\ntwo\n#endif\n#elif A == 2\nwrong\n#else\nother\n#endif\n`;
  assert.is(last(text(1, 0)), 'one');
  assert.is(last(text(2, 1)), 'two b');
  assert.is(last(text(2, 0)), 'two');
  assert.is(last(text(3, 1)), 'other');
});

test('what is not taken is not looked at', () => {
  assert.is(last('#if 0\n#error no\n#nonsense\n#define\n#include "nowhere"\ndon\'t\n#if 1/0\n#endif\n#endif\nfine'), 'fine');
  assert.is(last('#ifdef A\n#else\nno a\n#endif\n'), 'no a');
  assert.is(last('#ifndef A\nno a\n#endif\n'), 'no a');
});

test('-D defines, with a value of 1 when it has none, and -U takes away', () => {
  assert.is(last('A B C F(1)', { defines: ['A', 'B=x y', 'C=', 'F(x)=x+x'] }), '1 x y 1+1');
  assert.is(last('A', { defines: ['A=5'], undefines: ['A'] }), 'A');
  assert.is(last('__SUNW_D', { undefines: ['__SUNW_D'] }), '__SUNW_D');
});

test("the original's names and the tracer's own are defined", () => {
  for (const name of ['__SUNW_D', '__SUNW_D_64', '__LUCID_D', '__x86_64', '_LP64']) assert.is(last(name), '1', name);
  assert.is(last('#if __SUNW_D_VERSION >= 0x01001000\nyes\n#endif'), 'yes');
});

test('names of the place', () => {
  assert.is(last('\n\n__LINE__ __FILE__'), '3 "dir/main.d"');
  assert.is(last('#define L __LINE__\n#define F(x) x __LINE__\nL F(a)'), '3 a 3');
});

test('files are included from beside, then by -I, between marks of their lines', () => {
  const files = { 'dir/a.h': 'a\n#include "sub/b.h"\nc', 'dir/sub/b.h': 'b __LINE__\n', 'inc/x.h': 'x\n' };
  const text = cpp('first\n#include "a.h"\n#include <x.h>\nlast\n', { includes: ['inc'] }, files);
  assert.is(text, 'first\n# 1 "dir/a.h"\na\n# 1 "dir/sub/b.h"\nb 1\n# 3 "dir/a.h"\nc\n# 3 ""\n# 1 "inc/x.h"\nx\n# 4 ""\nlast\n');
  assert.is(refused('#include <a.h>\n', {}, files).tag, 'D_PRAGERR');
  assert.is(cpp('#define H "a.h"\n#include H\n', {}, { 'dir/a.h': 'x\n' }).includes('x'), true);
});

test('inclusion ends', () => {
  assert.match(refused('#include "main.d"\n', {}, { 'dir/main.d': '#include "main.d"\n' }).text, /nested too deeply/);
  const twice = { 'dir/a.h': '#include "b.h"\n#include "b.h"\n' };
  for (const [i, name] of [...'bcdefghijklmn'].entries()) {
    const next = String.fromCharCode(name.charCodeAt(0) + 1);
    Object.assign(twice, { [`dir/${name}.h`]: i === 12 ? '' : `#include "${next}.h"\n#include "${next}.h"\n` });
  }
  assert.match(refused('#include "a.h"\n', {}, twice).text, /too many files/);
});

test('errors tell the line, and the file when it is another', () => {
  const place = (text: string, files: Readonly<Record<string, string>> = {}): unknown => {
    const { line, file } = refused(text, {}, files).place;
    return [line, file];
  };
  assert.equal(place('\n\n#error no\n'), [3, undefined]);
  assert.equal(place('\n#include "a.h"\n', { 'dir/a.h': '\n\n\n#endif\n' }), [4, 'dir/a.h']);
  assert.equal(place('\n#if 1\n'), [2, undefined]);
});

const REFUSED = [
  '#define\n',
  '#define 1\n',
  '#define defined\n',
  '#define F(x\n',
  '#define F(x,) 1\n',
  '#define F(x,x) 1\n',
  '#define F(x) #y\n',
  '#define F(x) ## x\n',
  '#define F(x) x\nF(1, 2)\n',
  '#define F(x) x\nF(1\n',
  '#else\n',
  '#endif\n',
  '#if 1\n#else\n#else\n#endif\n',
  '#if\n#endif\n',
  '#if 1 +\n#endif\n',
  '#if 1 1\n#endif\n',
  '#if (1\n#endif\n',
  '#if 1/0\n#endif\n',
  '#if "a"\n#endif\n',
  '#include\n',
  '#include "nowhere"\n',
];

for (const text of REFUSED) {
  test(`refused: ${JSON.stringify(text)}`, () => {
    assert.is(refused(text).tag, 'D_PRAGERR');
  });
}

test.run();
