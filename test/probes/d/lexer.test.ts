/**
 * Tokens of D.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { typeName } from '../../../probes/d/ctype.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { type ControlWord, Lexer, type LexerHost, type LexerState } from '../../../probes/d/lexer.ts';
import type { Token } from '../../../probes/d/token.ts';

const HOST: LexerHost = {
  isType: (name) => name === 'foo_t' || name === 'size_t',
  isVariable: (name) => name === 'size_t',
  control: () => {},
  argument: (n) => ['script.d', '10', '-3', 'name', '"two words"', 'a b', '0x10', '99999999999999999999'][n],
  macro: (name) => (name === 'pid' ? 42n : name === 'negative' ? -5n : undefined),
  defaultArguments: () => false,
};

function tokens(text: string, state: LexerState = 'expression', host: Partial<LexerHost> = {}): Token[] {
  const lexer = new Lexer(text, { ...HOST, ...host });
  lexer.state = state;
  const list: Token[] = [];
  for (let token = lexer.next(); token.kind !== 'end'; token = lexer.next()) list.push(token);
  return list;
}

const texts = (text: string, state?: LexerState): string[] => tokens(text, state).map((token) => token.text);
const kinds = (text: string, state?: LexerState): string[] => tokens(text, state).map((token) => token.kind);

function tagOf(text: string, state?: LexerState): string {
  try {
    tokens(text, state);
  } catch (error) {
    if (error instanceof CompileError) return error.tag;
    throw error;
  }
  return '';
}

/** The one token's value and its type's name. */
function constant(text: string): readonly [bigint, string] {
  const [token] = tokens(text);
  return [token!.integer, typeName(token!.type!)];
}

test('between clauses, words are probe descriptions unless they start a declaration', () => {
  assert.equal(texts('sdt:kvm::kvm-*vexit,tick-1s', 'program'), ['sdt:kvm::kvm-*vexit', ',', 'tick-1s']);
  assert.equal(kinds('BEGIN', 'program'), ['probe']);
  assert.equal(kinds('self int x', 'program'), ['word', 'word', 'identifier']);
  assert.equal(kinds('foo_t x', 'program'), ['type', 'identifier']);
  assert.equal(texts('string*s', 'program'), ['string', '*', 's']);
  assert.equal(kinds('12', 'program'), ['integer']);
  assert.equal(texts('$target:a[!b-c]?\\*:::', 'program'), ['$target:a[!b-c]?\\*:::']);
});

test('operators are the longest that fit', () => {
  assert.equal(texts('a<<=b>>=c^^d^=e'), ['a', '<<=', 'b', '>>=', 'c', '^^', 'd', '^=', 'e']);
  assert.equal(texts('a+++b-- -c->d'), ['a', '++', '+', 'b', '--', '-', 'c', '->', 'd']);
  assert.equal(texts('f(...)'), ['f', '(', '...', ')']);
});

test('a slash ends a predicate before a brace, a semicolon or the end', () => {
  assert.equal(kinds('a / b'), ['identifier', 'punctuation', 'identifier']);
  assert.equal(kinds('a / /* */').at(-1), 'predicate-end');
  assert.is(kinds('a /\n{').at(1), 'predicate-end');
  assert.is(kinds('a /= b').at(1), 'punctuation');
  assert.is(tagOf('(a /;'), 'D_SYNTAX');
  assert.is(tagOf('[a /;'), 'D_SYNTAX');
});

test('brackets that close nothing are told at once', () => {
  for (const text of [')', ']', '}']) assert.is(tagOf(text), 'D_SYNTAX');
});

test('decimal constants are signed, others may become unsigned, suffixes say what they must be', () => {
  assert.equal(constant('2147483647'), [2147483647n, 'int']);
  assert.equal(constant('2147483648'), [2147483648n, 'long']);
  assert.equal(constant('0x80000000'), [0x8000_0000n, 'unsigned int']);
  assert.equal(constant('0xffffffffffffffff'), [0xffff_ffff_ffff_ffffn, 'unsigned long']);
  assert.equal(constant('017'), [15n, 'int']);
  assert.equal(constant('5u'), [5n, 'unsigned int']);
  assert.equal(constant('5L'), [5n, 'long']);
  assert.equal(constant('5ull'), [5n, 'unsigned long long']);
  assert.is(tagOf('08'), 'D_INT_DIGIT');
  assert.is(tagOf('0x1ffffffffffffffff'), 'D_INT_OFLOW');
  assert.is(tagOf('9223372036854775808'), 'D_INT_OFLOW');
  assert.is(tagOf('1'.repeat(5000)), 'D_INT_OFLOW');
});

test('floating-point constants are refused', () => {
  for (const text of ['1.5', '.5', '1e3', '1.', '1.0f']) assert.is(tagOf(text), 'D_SYNTAX', text);
});

test('characters are numbers, the first of several the most significant', () => {
  assert.equal(constant("'a'"), [97n, 'int']);
  assert.equal(constant("'\\n'"), [10n, 'int']);
  assert.equal(constant("'\\101'"), [65n, 'int']);
  assert.equal(constant("'\\x41'"), [65n, 'int']);
  assert.equal(constant("'ab'"), [0x6162n, 'int']);
  assert.equal(constant("'\\''"), [39n, 'int']);
  assert.equal(constant(`'"'`), [34n, 'int']);
  assert.is(tagOf("''"), 'D_CHR_NULL');
  assert.is(tagOf("'a\n'"), 'D_CHR_NL');
  assert.is(tagOf("'abcdefghi'"), 'D_CHR_OFLOW');
  assert.is(tagOf("'a"), 'D_SYNTAX');
});

test('strings know C escapes, and end at a NUL', () => {
  assert.equal(
    tokens('"a\\tb\\"c\\\\" "" "a\\0b" "\\q"').map(({ value }) => value),
    ['a\tb"c\\', '', 'a', '\\q'],
  );
  assert.is(tagOf('"abc\ndef"'), 'D_STR_NL');
  assert.is(tagOf('"abc'), 'D_SYNTAX');
});

test('a name is a type unless a variable has it, or what follows makes one', () => {
  assert.equal(kinds('foo_t'), ['type']);
  assert.equal(kinds('size_t'), ['identifier']);
  assert.equal(kinds('foo_t = 1'), ['identifier', 'punctuation', 'integer']);
  assert.equal(kinds('foo_t == 1')[0], 'type');
  assert.equal(kinds('foo_t++')[0], 'identifier');
  assert.equal(kinds('foo_t[1] = 2; foo_t')[5 + 2], 'identifier');
});

test('names may hold a scope', () => {
  assert.equal(texts('mod.x`name `name a.b'), ['mod.x`name', '`name', 'a', '.', 'b']);
});

test('aggregations have a name or none', () => {
  assert.equal(
    tokens('@a @ @_b[1]').map(({ kind, value }) => `${kind} ${value}`),
    ['aggregation a', 'aggregation ', 'aggregation _b', 'punctuation [', 'integer 1', 'punctuation ]'],
  );
});

test('comments are skipped, not nested, and end', () => {
  assert.equal(texts('a /* b\n * c **/ d'), ['a', 'd']);
  assert.is(tokens('/*\n*/ a')[0]!.line, 2);
  assert.is(tagOf('/* a /* b */'), 'D_SYNTAX');
  assert.is(tagOf('/* a'), 'D_SYNTAX');
});

test('macro arguments are what they look like', () => {
  const [a, b, c, d, e, f, g] = tokens('$1 $2 $3 $4 $5 $$1 $6');
  assert.equal([a!.kind, a!.integer], ['integer', 10n]);
  assert.equal([b!.kind, b!.integer, b!.negative], ['integer', 3n, true]);
  assert.equal([c!.kind, c!.value], ['identifier', 'name']);
  assert.equal([d!.kind, d!.value], ['string', 'two words']);
  assert.equal([e!.kind, e!.value], ['string', 'a b']);
  assert.equal([f!.kind, f!.value], ['string', '10']);
  assert.is(g!.integer, 16n);
  assert.is(tagOf('$7'), 'D_MACRO_OFLOW');
  assert.is(tagOf('$9'), 'D_MACRO_UNDEF');
});

test('defaultargs makes absent arguments 0 and the empty string', () => {
  const [a, b] = tokens('$9 $$9', 'expression', { defaultArguments: () => true });
  assert.equal([a!.kind, a!.integer], ['integer', 0n]);
  assert.equal([b!.kind, b!.value], ['string', '']);
});

test('macro variables are integers, or text when doubled', () => {
  const [a, b, c] = tokens('$pid $$pid $negative');
  assert.equal([a!.integer, typeName(a!.type!)], [42n, 'int']);
  assert.equal([b!.kind, b!.value], ['string', '42']);
  assert.equal([c!.integer, c!.negative], [5n, true]);
  assert.is(tagOf('$nosuch'), 'D_MACRO_UNDEF');
  assert.is(tagOf('$'), 'D_SYNTAX');
});

test('control lines go to the host, wherever they stand', () => {
  const seen: (readonly [readonly ControlWord[], number])[] = [];
  const host = { control: (words: readonly ControlWord[], line: number) => void seen.push([words, line]) };
  assert.equal(
    tokens('#!/usr/sbin/dtrace -s\n a\n  # pragma D "x y"\nb', 'expression', host).map(({ text, line }) => `${text} ${line}`),
    ['a 2', 'b 4'],
  );
  assert.equal(seen, [
    [
      [
        { text: 'pragma', quoted: false },
        { text: 'D', quoted: false },
        { text: 'x y', quoted: true },
      ],
      3,
    ],
  ]);
  assert.is(tagOf('#pragma'), 'D_SYNTAX');
});

test('lines are counted through everything', () => {
  assert.equal(
    tokens('a\n"b"\r\n/* \n */ c \\\n d').map(({ line }) => line),
    [1, 2, 4, 5],
  );
});

test.run();
