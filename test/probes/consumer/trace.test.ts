/** trace(), tracemem(), stacks and symbols, in rows and quietly. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { arrayOf, pointerTo, VOID } from '../../../probes/d/ctype.ts';
import {
  BEGIN,
  dynamic,
  enabling,
  field,
  int,
  Listener,
  long,
  probe,
  program,
  said,
  type TestAction,
  text,
  trace,
  types,
  u64,
} from './trace.ts';

/** The row of one record of a probe, without the heading. */
function row(actions: readonly TestAction[], at = probe(37, 'io', 'blk', 'start', 'go'), cpu = 0): string {
  const one = enabling(1, at, actions, { cpu });
  const listener = new Listener(program([one]));
  listener.consumer.records(one.record);
  return listener.output.slice(listener.output.indexOf('\n') + 1);
}

const START = '  0     37                         start:go ';

test('a heading, then one row for each record', () => {
  const begin = enabling(1, BEGIN, [{ action: 'default' }]);
  const vexit = enabling(2, probe(7, 'sdt', 'kvm', 'vmx_handle_exit', 'kvm-vexit'), [trace(int(5))], { cpu: 12 });
  const listener = new Listener(program([begin, vexit]));
  listener.consumer.records(begin.record);
  listener.consumer.records(vexit.record);
  assert.is(
    listener.output,
    'CPU     ID                    FUNCTION:NAME\n' +
      '  0      1                           :BEGIN \n' +
      ' 12      7        vmx_handle_exit:kvm-vexit         5\n',
  );
  assert.is(listener.consumer.end(), 0);
  assert.ok(listener.output.endsWith('5\n\n'));
});

test('a name longer than its column widens the row', () => {
  const long = row([], probe(1234567, 'sdt', 'kvm', 'emulator_write_emulated_onepage', 'kvm-mmio-write'), 100);
  assert.is(long, '100 1234567 emulator_write_emulated_onepage:kvm-mmio-write \n');
});

test('integers by size: 64 and 32 bits signed, less unsigned', () => {
  assert.is(row([trace(long(-5))]), `${START}               -5\n`);
  assert.is(row([trace(u64((1n << 64n) - 1n))]), `${START}               -1\n`);
  assert.is(row([trace(int(-5))]), `${START}       -5\n`);
  assert.is(row([trace(field(types.unsigned, 0xffffffff))]), `${START}       -1\n`);
  assert.is(row([trace(field(types.short, -1))]), `${START} 65535\n`);
  assert.is(row([trace(field(types.char, -1))]), `${START} 255\n`);
  assert.is(row([trace(field(pointerTo(VOID), 16))]), `${START}               16\n`);
});

test('text is padded to 33 columns in a row and bare when quiet', () => {
  assert.is(row([trace(text('hello'))]), `${START}  ${'hello'.padEnd(33)}\n`);
  assert.is(row([trace(text('x'.repeat(40)))]), `${START}  ${'x'.repeat(40)}\n`);
  assert.is(said([trace(text('hello')), trace(int(7)), trace(long(-8)), trace(field(types.char, 65))]), 'hello7-865');
  assert.is(said([trace(text('tab\tbell\x07back\b\n'))]), 'tab\tbell\x07back\b\n');
});

test('text without a NUL is padded even when quiet, as in the original', () => {
  assert.is(said([trace(field(arrayOf(types.char, 5), 'abcde', 5))]), `  ${'abcde'.padEnd(33)}`);
});

test('a string as short as an integer is still a string', () => {
  assert.is(said([trace(text('abc', 8))]), 'abc');
  assert.is(said([trace(text('abc', 4))]), 'abc');
});

const HEADING = '\n             0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f  0123456789abcdef\n';

test('what is no text is dumped', () => {
  const bytes = field(
    arrayOf(types.char, 18),
    Uint8Array.from({ length: 18 }, (_, i) => 0x3f + 5 * i),
    18,
  );
  assert.is(
    said([trace(bytes)]),
    HEADING +
      '         0: 3f 44 49 4e 53 58 5d 62 67 6c 71 76 7b 80 85 8a  ?DINSX]bglqv{...\n' +
      '        10: 8f 94                                            ..\n',
  );
  // Text, NUL, more: bytes.
  assert.is(
    said([trace(field(arrayOf(types.char, 5), 'ab\0cd', 5))]),
    `${HEADING}         0: 61 62 00 63 64                                   ab.cd\n`,
  );
});

test('an empty string is dumped, as in the original', () => {
  assert.is(said([trace(text('', 16))]), `${HEADING}         0: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n`);
});

test('rawbytes dumps text as well; integers stay integers', () => {
  assert.is(
    said([trace(text('dump', 16)), trace(int(9))], { rawbytes: 1 }),
    `${HEADING}         0: 64 75 6d 70 00 00 00 00 00 00 00 00 00 00 00 00  dump............\n9`,
  );
});

test('what is left behind the NUL of a string is not shown', () => {
  assert.is(said([trace(text('ab\0rest', 16))]), 'ab');
  assert.is(said([trace(text('\x01\0rest', 8))]), `${HEADING}         0: 01 00 00 00 00 00 00 00                          ........\n`);
});

test('tracemem() dumps, of which a second value says how many bytes', () => {
  const memory = field(dynamic('bytes', 4), 'ABCD', 4);
  const whole = `${HEADING}         0: 41 42 43 44                                      ABCD\n`;
  assert.is(said([{ action: 'tracemem', fields: [memory], size: 4 }]), whole);
  assert.is(row([{ action: 'tracemem', fields: [memory], size: 4 }]), `${START}${whole}\n`);
  const part = `${HEADING}         0: 41 42                                            AB\n`;
  assert.is(said([{ action: 'tracemem', fields: [memory, long(2)], size: 4 }]), part);
  assert.is(said([{ action: 'tracemem', fields: [long(2), memory], size: 4 }]), part);
  for (const count of [0, 4, 100, -1]) assert.is(said([{ action: 'tracemem', fields: [memory, long(count)], size: 4 }]), whole, `${count}`);
});

const words = (...list: bigint[]): Uint8Array => new Uint8Array(new BigUint64Array(list).buffer);

test('stacks: a line for each frame, 14 columns in or as stackindent says', () => {
  const stack = field(dynamic('stack', 32), words(0xffffffff81000000n, 0x400000n, 0n, 7n), 32);
  const action = { action: 'stack', fields: [stack], size: 4 } as const;
  assert.is(said([action]), '\n              0xffffffff81000000\n              0x400000\n');
  assert.is(said([action], { stackindent: 2 }), '\n  0xffffffff81000000\n  0x400000\n');
  assert.is(
    said([action], {}, { symbols: (a) => (a === 0x400000n ? 'init`main' : undefined) }),
    '\n              0xffffffff81000000\n              init`main\n',
  );
  assert.is(row([action]), `${START}\n              0xffffffff81000000\n              0x400000\n\n`);
});

test('user stacks and symbols have their process in front', () => {
  const stack = field(dynamic('ustack', 24), words(42n, 0x1000n, 0n), 24);
  assert.is(said([{ action: 'ustack', fields: [stack], size: 2 }]), '\n              0x1000\n');
  const symbol = field(dynamic('usym', 16), words(42n, 0x1000n), 16);
  assert.is(said([{ action: 'usym', fields: [symbol] }]), `  ${'0x1000'.padEnd(50)}`);
});

test('symbols: the function, or the module, without the offset', () => {
  const symbols = (): string => 'vmlinux`schedule+0x1f';
  const sym = field(dynamic('sym', 8), words(0x1234n), 8);
  const mod = field(dynamic('mod', 8), words(0x1234n), 8);
  assert.is(said([{ action: 'sym', fields: [sym] }]), `  ${'0x1234'.padEnd(50)}`);
  assert.is(said([{ action: 'sym', fields: [sym] }], {}, { symbols }), `  ${'vmlinux`schedule'.padEnd(50)}`);
  assert.is(said([{ action: 'mod', fields: [mod] }], {}, { symbols }), `  ${'vmlinux'.padEnd(50)}`);
  assert.is(said([{ action: 'printf', format: '%a|%a', fields: [sym, mod] }], {}, { symbols }), 'vmlinux`schedule|vmlinux');
});

test.run();
