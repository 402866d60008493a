import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Command, CommandLineError, helpText, parseCommand, takeTraceArguments, usage } from '../../vmm/cli/dlite-options.ts';

function refusal(...words: string[]): CommandLineError {
  try {
    parseCommand(words);
  } catch (error) {
    assert.instance(error, CommandLineError);
    return error as CommandLineError;
  }
  throw new Error(`${words.join(' ')} was not refused`);
}

const names = (command: Command): string[] => command.settings.map((s) => (s.value === undefined ? s.name : `${s.name}=${s.value}`));

const test = suite('the command line of dlite');

test('letters combine, and an argument may follow at once or as the next word', () => {
  const command = parseCommand(['-qn', 'BEGIN{exit(0)}', '-xbufsize=4k', '-x', 'quiet', '-vlPsdt', '-ofile']);
  assert.equal(command.specifiers, [
    { form: 'name', text: 'BEGIN{exit(0)}' },
    { form: 'provider', text: 'sdt' },
  ]);
  assert.equal(names(command), ['quiet', 'bufsize=4k', 'quiet']);
  assert.ok(command.verbose);
  assert.is(command.mode, 'list');
  assert.is(command.output, 'file');
});

test('every kind of specifier keeps its place in the order', () => {
  const command = parseCommand(['-s', 'a.d', '-n', 'n', '-P', 'p', '-m', 'm', '-f', 'f', '-i', '1', '-sb.d']);
  assert.equal(
    command.specifiers.map((s) => `${s.form} ${s.text}`),
    ['script a.d', 'name n', 'provider p', 'module m', 'function f', 'id 1', 'script b.d'],
  );
});

test('what belongs to no option is an argument of the program, wherever it stands', () => {
  const command = parseCommand(['one', '-s', 'a.d', 'two', '-q', '', 'three', '--', '-n', '--x']);
  assert.equal(command.arguments, ['one', 'two', '', 'three', '-n', '--x']);
  assert.equal(names(command), ['quiet']);
  assert.equal(parseCommand(['-s', 'a.d', '-']).arguments, ['-']);
});

test('-b, -F, -q and -w are options by another name, in order, and remember how they were written', () => {
  const command = parseCommand(['-b', '1m', '-Fw', '-x', 'bufsize=4k', '-x', 'define=A=B', '-64', '-n', 'BEGIN']);
  assert.equal(names(command), ['bufsize=1m', 'flowindent', 'destructive', 'bufsize=4k', 'define=A=B']);
  assert.equal(
    command.settings.map((s) => s.shown),
    ['-b 1m', '-F', '-w', '-x bufsize', '-x define'],
  );
});

test('the preprocessor, the libraries, the VM and the command', () => {
  const command = parseCommand(['-CZe', '-D', 'A=1', '-DB', '-UC', '-I.', '-L', '/lib', '-p', '12', '-p13', '-s', 'x.d']);
  assert.ok(command.preprocess && command.zeroMatches && command.compileOnly);
  assert.equal(command.defines, ['A=1', 'B']);
  assert.equal(command.undefines, ['C']);
  assert.equal(command.includes, ['.']);
  assert.equal(command.libraries, ['/lib']);
  assert.equal(command.pids, ['12', '13']);
  assert.is(parseCommand(['-c', 'lucid run', '-n', 'BEGIN']).run, 'lucid run');
  assert.ok(parseCommand(['--json', '-n', 'BEGIN']).json);
});

test('modes: list, version, help', () => {
  assert.is(parseCommand(['-l']).mode, 'list');
  assert.is(parseCommand(['-V']).mode, 'version');
  assert.is(parseCommand(['--version']).mode, 'version');
  assert.is(parseCommand(['--help', '-l']).mode, 'help');
  assert.is(parseCommand(['-h']).mode, 'help');
  assert.is(parseCommand(['-n', 'BEGIN']).mode, 'trace');
});

test('what getopt refuses is refused with its words, and the usage', () => {
  assert.is(refusal().message, '');
  assert.is(refusal('-J').message, 'illegal option -- J');
  assert.is(refusal('-qA').message, 'illegal option -- A');
  assert.is(refusal('-32').message, 'illegal option -- 3');
  assert.is(refusal('-n').message, 'option requires an argument -- n');
  assert.is(refusal('--frob').message, 'illegal option -- frob');
  assert.ok(refusal('-J').usage);
});

test('what cannot go together', () => {
  assert.is(refusal('-l', '-V').message, 'only one of the [-lV] options can be specified at a time');
  assert.ok(!refusal('-lV').usage);
  assert.match(refusal('-c', 'a', '-c', 'b').message, /-c can be specified once only/);
  assert.match(refusal('-c', 'a', '-p', '1').message, /-c and -p cannot/);
});

test('lucid run: tracing options are taken out from between long ones, and values of those are left alone', () => {
  const line = [
    'run',
    '--kernel',
    'vmlinuz',
    '-qn',
    'BEGIN',
    '--append',
    '-n foo',
    '--exits',
    '-xbufsize=4k',
    '--memory=64M',
    '-s',
    'a.d',
    '-h',
  ];
  const { rest, trace } = takeTraceArguments([...line, '--', '1', '-x'], ['exits']);
  assert.equal(rest, ['run', '--kernel', 'vmlinuz', '--append', '-n foo', '--exits', '--memory=64M', '-h']);
  assert.equal(
    trace?.specifiers.map(({ form, text }) => `${form} ${text}`),
    ['name BEGIN', 'script a.d'],
  );
  assert.equal(
    trace?.settings.map(({ name, value }) => `${name}=${value}`),
    ['quiet=undefined', 'bufsize=4k'],
  );
  assert.equal(trace?.arguments, ['1', '-x']);
  const plain = ['run', '--kernel', 'vmlinuz', '--', 'x'];
  assert.equal(takeTraceArguments(plain, []), { rest: plain, trace: undefined });
  assert.throws(() => takeTraceArguments(['run', '-q'], []), /nothing to trace/);
  assert.throws(() => takeTraceArguments(['run', '-l'], []), /illegal option -- l/);
  assert.throws(() => takeTraceArguments(['run', '-n'], []), /option requires an argument -- n/);
});

test('the usage names every option, the help has examples', () => {
  const text = usage('dlite');
  assert.ok(text.startsWith('Usage: dlite [-CeFlqvVwZ] [-b bufsz]'));
  for (const letter of 'bcCDefFiIlLmnopPqsUvVwxZ') assert.match(text, new RegExp(`^\t-${letter} `, 'm'));
  assert.match(helpText('lucid trace'), /\n {2}lucid trace -l\n/);
});

test.run();
