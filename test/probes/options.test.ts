/** Options of DTrace: their names, how values are read, what is refused and with which words. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  defaultOptions,
  findOption,
  isSet,
  OptionError,
  OPTIONS,
  parseRate,
  parseSize,
  setOption,
  setOptionText,
} from '../../probes/options.ts';
import type { OptionContext } from '../../probes/options.ts';

function after(argument: string, context: OptionContext = 'command') {
  const values = defaultOptions();
  setOptionText(values, argument, context);
  return values;
}

function refusal(argument: string, context: OptionContext = 'command'): string {
  try {
    setOptionText(defaultOptions(), argument, context);
  } catch (error) {
    if (error instanceof OptionError) return error.message;
    throw error;
  }
  return 'accepted';
}

test('defaults are those of dtrace(1M)', () => {
  const values = defaultOptions();
  assert.is(values.bufsize, 4194304);
  assert.is(values.aggsize, 4194304);
  assert.is(values.strsize, 256);
  assert.is(values.nspec, 1);
  assert.is(values.specsize, 32768);
  assert.is(values.stackframes, 20);
  assert.is(values.switchrate, 1e9);
  assert.is(values.bufpolicy, 'switch');
  assert.is(values.stackindent, undefined);
  for (const name of Object.keys(values)) assert.ok(findOption(name), name);
});

test('no name stands twice', () => {
  assert.is(new Set(OPTIONS.map((option) => option.name)).size, OPTIONS.length);
});

test('sizes take k m g t in either case, and numbers of any base', () => {
  assert.is(parseSize('4m'), 4194304);
  assert.is(parseSize('1K'), 1024);
  assert.is(parseSize('2g'), 2 ** 31);
  assert.is(parseSize('1t'), 2 ** 40);
  assert.is(parseSize('4096'), 4096);
  assert.is(parseSize('0x10k'), 16384);
  assert.is(parseSize('010'), 8);
  assert.is(parseSize(''), 0);
  for (const bad of ['4q', 'four', '4mm', '-1', '-4k', '4 k', '99999999999999999999', '8388608t']) {
    assert.throws(() => parseSize(bad), 'Invalid value for specified option', bad);
  }
});

test('rates take units of time, hertz, or bare nanoseconds', () => {
  assert.is(parseRate('100'), 100);
  assert.is(parseRate('10ns'), 10);
  assert.is(parseRate('10usec'), 10_000);
  assert.is(parseRate('10MS'), 10_000_000);
  assert.is(parseRate('1s'), 1e9);
  assert.is(parseRate('1sec'), 1e9);
  assert.is(parseRate('2m'), 120e9);
  assert.is(parseRate('2min'), 120e9);
  assert.is(parseRate('1hour'), 3600e9);
  assert.is(parseRate('1day'), 86400e9);
  assert.is(parseRate('100hz'), 10_000_000);
  assert.is(parseRate('0hz'), 0);
  assert.is(parseRate('3Hz'), 333_333_333);
  for (const bad of ['1fortnight', '-1s', 'x', '1 s']) assert.throws(() => parseRate(bad), 'Invalid value for specified option', bad);
});

test('a flag with words: yes and its like set, no and its like unset, a number sets', () => {
  for (const given of ['quiet', 'quiet=yes', 'quiet=ON', 'quiet=enabled', 'quiet=1', 'quiet=0']) {
    assert.ok(isSet(after(given), 'quiet'), given);
  }
  for (const given of ['quiet=no', 'quiet=off', 'quiet=Disable', 'quiet=unset', 'quiet=']) {
    assert.not(isSet(after(given), 'quiet'), given);
  }
  assert.is(refusal('quiet=perhaps'), 'Invalid value for specified option');
});

test('numbers keep their value, and 0 is one', () => {
  assert.is(after('aggsortkeypos=2').aggsortkeypos, 2);
  assert.is(after('aggsortkeypos').aggsortkeypos, 0);
  assert.is(after('stackindent=0').stackindent, 0);
  assert.is(after('nspec=0x10').nspec, 16);
  assert.is(refusal('nspec=-1'), 'Invalid value for specified option');
  assert.is(refusal('nspec=many'), 'Invalid value for specified option');
});

test('compile-time flags take no value', () => {
  assert.is(after('zdefs').zdefs, 1);
  assert.is(refusal('zdefs=1'), 'Invalid value for specified option');
  assert.is(after('knodefs').knodefs, 1);
  assert.is(after('kdefs').knodefs, 0);
});

test('words are one of a few', () => {
  assert.is(after('bufpolicy=ring').bufpolicy, 'ring');
  assert.is(refusal('bufpolicy=sponge'), 'Invalid value for specified option');
  assert.is(refusal('bufpolicy'), 'Invalid value for specified option');
  assert.is(after('onfull=wait').onfull, 'wait');
  assert.is(after('linktype=ELF').linktype, 'elf');
  assert.is(after('encoding=utf8').encoding, 'utf8');
});

test('texts that are lists append', () => {
  const values = defaultOptions();
  setOption(values, 'define', 'A=1');
  setOption(values, 'define', 'B');
  assert.is(values.define, 'A=1\nB');
});

test('versions and attributes are checked', () => {
  assert.is(after('version=1.6.2').version, '1.6.2');
  assert.is(refusal('version=0.1'), 'Requested version is not supported by compiler');
  assert.is(refusal('version=new'), 'Version is not properly formatted or is too large');
  assert.is(after('amin=evolving/evolving/common').amin, 'evolving/evolving/common');
  assert.is(refusal('amin=evolving'), 'Invalid value for specified option');
});

test('refusals name the reason as libdtrace does', () => {
  assert.is(refusal('nonsense'), 'Invalid option name');
  assert.is(refusal('define=A', 'program'), 'Option cannot be used from within a D program');
  assert.is(refusal('cpphdrs', 'program'), 'Option cannot be used from within a D program');
  assert.is(refusal('bufsize=1m', 'active'), 'Operation illegal when tracing is active');
  assert.is(refusal('quiet', 'active'), 'accepted');
  assert.is(refusal('strsize=4g'), 'Value too large for defined data type');
  assert.is(refusal('strsize=4m', 'program'), 'accepted');
});

test.run();
