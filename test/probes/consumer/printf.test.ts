/** printf(): every conversion and flag, against what C and the Dynamic Tracing Guide say. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, parseFormat } from '../../../probes/consumer/format.ts';
import { arrayOf, DOUBLE, FLOAT, INT } from '../../../probes/d/ctype.ts';
import { dynamic, field, formatted, int, long, said, text, types, u64 } from './trace.ts';

const ALL_ONES = (1n << 64n) - 1n;

test('integers need no size prefix: the record knows their size', () => {
  assert.is(
    formatted('%d %d %d %d', field(types.char, -1), field(types.short, -300), int(-70000), long(-(2n ** 40n))),
    '-1 -300 -70000 -1099511627776',
  );
  assert.is(formatted('%i|%u|%x|%X|%o', int(42), int(42), int(0xbeef), int(0xbeef), int(8)), '42|42|beef|BEEF|10');
  assert.is(formatted('%hd %ld %lld %llu', field(types.short, -5), long(-6), long(-7), u64(8)), '-5 -6 -7 8');
});

test('%d is signed when its argument is; %u, %x and %o never are', () => {
  assert.is(formatted('%d', u64(ALL_ONES)), '18446744073709551615');
  assert.is(formatted('%d', long(-1)), '-1');
  assert.is(formatted('%d', field(types.unsigned, 0xffffffff)), '4294967295');
  assert.is(formatted('%u', long(-1)), '18446744073709551615');
  assert.is(formatted('%u', field(types.char, -1)), '255');
  assert.is(formatted('%x %x %x', field(types.char, -1), field(types.short, -1), int(-1)), 'ff ffff ffffffff');
  assert.is(formatted('%x', long(-2)), 'fffffffffffffffe');
  assert.is(formatted('%o', long(-1)), '1777777777777777777777');
});

test('64-bit integers are exact at their ends', () => {
  assert.is(formatted('%d', long(-(2n ** 63n))), '-9223372036854775808');
  assert.is(formatted('%d', long(2n ** 63n - 1n)), '9223372036854775807');
  assert.is(formatted('%d', long(-(2n ** 32n))), '-4294967296');
  assert.is(formatted('%d', u64(2n ** 53n)), '9007199254740992');
  assert.is(formatted('%d', u64(2n ** 53n + 1n)), '9007199254740993');
});

test('width, left, zero and sign flags are those of C', () => {
  assert.is(formatted('[%5d][%-5d][%05d][%+d][% d]', int(42), int(42), int(42), int(42), int(42)), '[   42][42   ][00042][+42][ 42]');
  assert.is(formatted('[%5d][%05d][%+d][% d]', int(-42), int(-42), int(-42), int(-42)), '[  -42][-0042][-42][-42]');
  assert.is(formatted('[%+u][% x]', u64(7), u64(7)), '[7][7]');
  assert.is(formatted('[%2d]', int(12345)), '[12345]');
  assert.is(formatted("[%'d]", int(1234567)), '[1234567]');
});

test('of 0 and - the last one given counts', () => {
  assert.is(formatted('[%0-5d]', int(42)), '[42   ]');
  assert.is(formatted('[%-05d]', int(42)), '[00042]');
});

test('the alternate form prefixes what is not 0', () => {
  assert.is(formatted('%#x %#X %#o %#x %#o', int(255), int(255), int(8), int(0), int(0)), '0xff 0XFF 010 0 0');
  assert.is(formatted('[%#10x][%-#10x][%#010x]', int(255), int(255), int(255)), '[      0xff][0xff      ][0x000000ff]');
});

test('a precision is the least number of digits, and stops zeros; one of 0 is none', () => {
  assert.is(formatted('[%.5d][%8.5d][%08.5d][%-8.5d]', int(42), int(42), int(42), int(42)), '[00042][   00042][   00042][00042   ]');
  assert.is(formatted('[%.0d]', int(0)), '[0]');
  assert.is(formatted('[%#.4x]', int(10)), '[0x000a]');
});

test('%p is hexadecimal without a prefix; %? is as wide as a pointer', () => {
  assert.is(formatted('%p', u64(0xffffff0012345678n)), 'ffffff0012345678');
  assert.is(formatted('[%?p][%0?p][%?x]', u64(0x1234), u64(0x1234), u64(0xabcd)), '[            1234][0000000000001234][            abcd]');
});

test('%s stops at the NUL, is cut by the precision and padded by the width', () => {
  assert.is(formatted('%s', text('hello')), 'hello');
  assert.is(
    formatted('[%10s][%-10s][%.3s][%8.2s]', text('hello'), text('hello'), text('hello'), text('hello')),
    '[     hello][hello     ][hel][      he]',
  );
  assert.is(formatted('[%.0s]', text('hello')), '[hello]');
  assert.is(formatted('[%s]', text('')), '[]');
  assert.is(formatted('[%s]', field(arrayOf(types.char, 4), 'abcd', 4)), '[abcd]');
  assert.is(formatted('%s', text('x'.repeat(256))), 'x'.repeat(256));
});

test('strings are bytes, and come out as they went in', () => {
  const bytes = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join('');
  assert.is(formatted('%s', text(bytes)), bytes);
  assert.is(formatted('é %s', text('\xe9')), '\xc3\xa9 \xe9');
});

test('%S writes escapes', () => {
  assert.is(formatted('%S', text('a\tb\n"\\\x07\x01\xff')), 'a\\tb\\n\\"\\\\\\a\\001\\377');
});

test('%c is a byte, %C one with escapes', () => {
  assert.is(formatted('[%c][%3c][%-3c]', int(65), field(types.char, 66), field(types.short, 67)), '[A][  B][C  ]');
  assert.is(formatted('%c', int(0x141)), 'A');
  assert.is(formatted('%C %C %C', int(10), int(65), int(0)), '\\n A \\0');
  assert.is(formatted('%c', int(0)), '\0');
});

test('wide characters and strings are written in UTF-8', () => {
  assert.is(formatted('%wc%lc', int(0x263a), int(65)), '\xe2\x98\xbaA');
  const wide = new Uint8Array(new Uint32Array([0x41, 0x263a, 0]).buffer);
  assert.is(formatted('[%ws][%ls]', field(arrayOf(INT, 3), wide, 12), field(arrayOf(INT, 3), wide, 12)), '[A\xe2\x98\xba][A\xe2\x98\xba]');
});

test('floating-point members are written as C does', () => {
  const pi = field(DOUBLE, Math.PI);
  assert.is(formatted('%f %e %E %g %G', pi, pi, pi, pi, pi), '3.141593 3.141593e+00 3.141593E+00 3.14159 3.14159');
  assert.is(formatted('[%10.2f][%-10.2f][%+.1f][%010.3f]', pi, pi, pi, pi), '[      3.14][3.14      ][+3.1][000003.142]');
  assert.is(formatted('%f', field(FLOAT, 0.5)), '0.500000');
  assert.is(formatted('%g %g %g', field(DOUBLE, 1e100), field(DOUBLE, 0.0001), field(DOUBLE, 1e-5)), '1e+100 0.0001 1e-05');
  assert.is(formatted('%f %f', field(DOUBLE, Number.POSITIVE_INFINITY), field(DOUBLE, Number.NaN)), 'inf nan');
  assert.is(formatted('%.2f %.1f %.1f', field(DOUBLE, -1.005), field(DOUBLE, 0.25), field(DOUBLE, 0.75)), '-1.00 0.2 0.8');
  assert.is(formatted('%f', field(DOUBLE, 1e22)), '10000000000000000000000.000000');
});

test('%Y and %T are times of the wall clock', () => {
  const date = new Date(2024, 1, 9, 3, 4, 5);
  const ns = BigInt(date.getTime()) * 1_000_000n + 999n;
  assert.is(formatted('%Y', u64(ns)), '2024 Feb  9 03:04:05');
  assert.match(formatted('%T', u64(ns)), /^Fri, 09 Feb 2024 03:04:05 [A-Z0-9+:-]+$/);
  assert.is(formatted('[%24Y][%-24Y]', u64(ns), u64(ns)), '[    2024 Feb  9 03:04:05][2024 Feb  9 03:04:05    ]');
});

test('a percent sign, and text around conversions', () => {
  assert.is(formatted('100%% of %d%%\n', int(5)), '100% of 5%\n');
  assert.is(formatted('no conversion'), 'no conversion');
  assert.is(formatted('%%'), '%');
});

test('* takes width and precision from the arguments; a negative width is left', () => {
  assert.is(formatted('[%*d][%*d]', int(6), int(42), int(-6), int(42)), '[    42][42    ]');
  assert.is(formatted('[%.*s][%*.*s]', int(2), text('abc'), long(5), int(1), text('abc')), '[ab][    a]');
  assert.is(formatted('[%.*d]', int(-1), int(7)), '[7]');
});

test('addresses stand for themselves until somebody names them', () => {
  const names = (address: bigint): string | undefined => (address === 0xffffffff81000010n ? 'vmlinux`start_kernel+0x10' : undefined);
  const address = u64(0xffffffff81000010n);
  const actions = [{ action: 'printf', format: '%a|%A|%-30a|', fields: [address, address, address] } as const];
  assert.is(said(actions), '0xffffffff81000010|0xffffffff81000010|0xffffffff81000010            |');
  assert.is(said(actions, {}, { symbols: names }), 'vmlinux`start_kernel+0x10|vmlinux`start_kernel+0x10|vmlinux`start_kernel+0x10     |');
});

test('%k lays stacks out: the width of %- is the margin', () => {
  const stack = field(dynamic('stack', 32), new Uint8Array(new BigUint64Array([0x1000n, 0x20n, 0n, 0x30n]).buffer), 32);
  assert.is(formatted('%k', stack), '\n0x1000\n0x20\n');
  assert.is(formatted('%-6k|', stack), '\n      0x1000\n      0x20\n|');
  assert.is(formatted('%8k', stack), '\n  0x1000\n    0x20\n');
  const user = field(dynamic('ustack', 24), new Uint8Array(new BigUint64Array([77n, 0x1000n, 0n]).buffer), 24);
  assert.is(formatted('%k', user), '\n0x1000\n');
});

test('formats that DTrace refuses are refused with its words', () => {
  const refusals: [string, string][] = [
    ['%', 'format conversion #1 name expected before end of format string'],
    ['%d %5', 'format conversion #2 name expected before end of format string'],
    ['%**d', "format conversion #1 has more than one '*' specified for the output width"],
    ['%.*.*d', "format conversion #1 has more than one '.' specified"],
    ['%1$d', 'format conversion #1 uses unsupported positional format (%n$)'],
    ['%5%', 'format conversion #1 cannot be combined with other format flags: %%'],
    ['%d%y', 'format conversion #2 is undefined: %y'],
    ['%hs', 'format conversion #1 is undefined: %hs'],
  ];
  for (const [format, reason] of refusals) {
    assert.throws(
      () => parseFormat(format),
      (error: unknown) => error instanceof FormatError && error.message === reason,
      format,
    );
  }
});

test.run();
