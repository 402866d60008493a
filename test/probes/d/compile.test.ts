/**
 * Programs as a whole: sources, descriptions, macros, control lines, libraries, `if`, and where errors are said to be.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Checked, check, compile } from '../../../probes/d/compile.ts';
import type { Environment, Source, SourceForm } from '../../../probes/d/environment.ts';
import { CompileError, message } from '../../../probes/d/error.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';

const probes = new ProbeRegistry();

type Texts = string | readonly (readonly [SourceForm, string])[];

function sourcesOf(texts: Texts): Source[] {
  const list = typeof texts === 'string' ? ([['script', texts]] as const) : texts;
  return list.map(([form, text]) => ({ form, name: form === 'script' ? 'x.d' : text, text }));
}

function checked(texts: Texts, more: Partial<Environment> = {}): Checked {
  return check(sourcesOf(texts), { probes, ...more });
}

function refused(texts: Texts, more: Partial<Environment> = {}): CompileError {
  try {
    checked(texts, more);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

/** The message as the command prints it. */
function told(texts: Texts, more: Partial<Environment> = {}, errtags = false): string {
  const error = refused(texts, more);
  const source = sourcesOf(texts)[error.source]!;
  return message(error, source, { command: 'dlite', errtags });
}

test('a program has clauses, in their order', () => {
  const { program } = checked('BEGIN { x = 1; } END { trace(x); } BEGIN /x/ { exit(0); }');
  assert.equal(
    program.clauses.map(({ probes: [probe], predicate, line }) => [probe!.name, predicate !== undefined, line]),
    [
      ['BEGIN', false, 1],
      ['END', false, 1],
      ['BEGIN', true, 1],
    ],
  );
});

test('an empty program is refused, one of declarations too', () => {
  for (const text of ['', ' /* nothing */ ', '#!/bin/dlite\n', 'int x;', 'typedef int t_t;']) assert.is(refused(text).tag, 'D_EMPTY', text);
});

test('descriptions are matched one by one', () => {
  const { matched, descriptions, program } = checked('BEGIN,END,dtrace::: { x = 1; } sdt:kvm::kvm-cr-* { x = 2; }');
  assert.equal(matched, [7]);
  assert.equal(
    descriptions.map((d) => [d.source, d.probes.length]),
    [
      [0, 1],
      [0, 1],
      [0, 3],
      [0, 2],
    ],
  );
  assert.equal(
    program.clauses.map((clause) => clause.probes.length),
    [1, 1, 3, 2],
  );
});

test('a description that matches nothing is an error, but not with zdefs', () => {
  assert.is(refused('nosuch::: { }').tag, 'D_PDESC_ZERO');
  const { matched, program, descriptions } = checked('nosuch::: { x = 1; } BEGIN { x = 2; }', { zdefs: true });
  assert.equal([matched, program.clauses.length, descriptions.length], [[1], 1, 2]);
  assert.equal(checked('#pragma D option zdefs\nnosuch::: { }').matched, [0]);
  assert.equal(checked('nosuch::: { }', { options: { zdefs: 1 } }).matched, [0]);
});

test('each option of the command line says which component comes last', () => {
  const name = (form: SourceForm, text: string): string[] => checked([[form, text]]).program.clauses[0]!.probes.map((probe) => probe.name);
  assert.equal(name('name', 'BEGIN'), ['BEGIN']);
  assert.equal(name('program', 'dtrace:::END { x = 1; }'), ['END']);
  assert.equal(name('provider', 'dtrace'), ['BEGIN', 'END', 'ERROR']);
  assert.is(name('module', 'kvm').length, name('module', 'sdt:kvm').length);
  assert.equal(name('function', 'handle_cr'), ['kvm-cr', 'kvm-cr-read', 'kvm-cr-write']);
  assert.equal(name('id', '2'), ['END']);
  assert.is(refused([['provider', 'a:b']]).tag, 'D_PDESC_INVAL');
  assert.is(refused([['id', '99999']]).tag, 'D_PDESC_INVAL');
});

test('a description without a body records the firing, outside of scripts', () => {
  const { program } = checked([['name', 'BEGIN']]);
  assert.equal(
    program.clauses[0]!.statements.map((s) => s.kind === 'action' && s.name),
    ['default'],
  );
  assert.is(refused('BEGIN').tag, 'D_SYNTAX');
  assert.equal(checked('BEGIN { }').program.clauses[0]!.statements.length, 1);
});

test('sources share globals, thread-local variables and aggregations, and have their own clause-local ones', () => {
  const { program, matched } = checked([
    ['name', 'BEGIN { x = 1; self->y = 2; this->z = 3; @a = count(); }'],
    ['name', 'END { trace(x); trace(self->y); this->z = "text"; @a = count(); }'],
  ]);
  assert.equal(matched, [1, 1]);
  assert.equal([program.globals.length, program.selfs.length, program.locals.length, program.aggregations.length], [1, 1, 2, 1]);
  assert.is(
    refused([
      ['name', 'BEGIN { this->z = 1; }'],
      ['name', 'END { trace(this->z); }'],
    ]).tag,
    'D_VAR_UNDEF',
  );
});

test('an error tells which source it is in', () => {
  const error = refused([
    ['name', 'BEGIN { x = 1; }'],
    ['name', 'END { trace(y); }'],
  ]);
  assert.equal([error.source, error.tag], [1, 'D_IDENT_UNDEF']);
});

test('errors of scripts have a line, those of the command line a part of the clause', () => {
  assert.is(
    told('\n\nBEGIN\n{\n\ttrace(y);\n}\n'),
    'dlite: failed to compile script x.d: line 5: failed to resolve y: Unknown variable name',
  );
  const clause = 'BEGIN { trace(y); }';
  assert.is(
    told([['name', clause]]),
    `dlite: invalid probe specifier ${clause}: in action list: failed to resolve y: Unknown variable name`,
  );
  assert.match(told([['name', 'BEGIN /y/ { x = 1; }']]), /: in predicate: failed to resolve y/);
  assert.is(
    told([['name', 'nosuch:::']]),
    'dlite: invalid probe specifier nosuch:::: probe description nosuch::: does not match any probes',
  );
  assert.match(told('BEGIN { trace(y); }', {}, true), /: \[D_IDENT_UNDEF\] line 1: failed/);
});

test('a line directive names the place of what follows', () => {
  const error = refused('# 40 "other.h"\nBEGIN { trace(y); }\n');
  assert.equal([error.place.line, error.place.file], [40, 'other.h']);
  assert.match(told('#line 7\nBEGIN { trace(y); }\n'), / line 7: /);
});

test('macro arguments and variables', () => {
  const constants = (text: string, more: Partial<Environment> = {}): unknown[] =>
    checked(`BEGIN { ${text} }`, more).program.clauses[0]!.statements.map((s) => {
      const value = s.kind === 'action' ? s.arguments[0]! : undefined;
      return value?.op === 'integer' || value?.op === 'text' ? value.value : value?.op;
    });
  const given = { macroArguments: ['5', 'two'], scriptName: 'x.d', target: 77, macros: { pid: 9 } };
  assert.equal(constants('trace($1); trace($$2); trace($$0); trace($target); trace($pid);', given), [5n, 'two', 'x.d', 77n, 9n]);
  assert.equal(constants('trace($target);'), [0n]);
  assert.is(refused('BEGIN { trace($3); trace($2); }', given).tag, 'D_MACRO_UNDEF');
  assert.is(refused('BEGIN { trace($nosuch); }').tag, 'D_MACRO_UNDEF');
  assert.is(refused('BEGIN { trace($toString); }').tag, 'D_MACRO_UNDEF');
  assert.equal(checked('dtrace:::$1 { x = 1; }', { macroArguments: ['END'] }).matched, [1]);
});

test('the last argument has to be used, by any of the sources', () => {
  const error = refused('BEGIN { trace($1); }', { macroArguments: ['1', 'b c'] });
  assert.equal([error.tag, error.text], ['D_MACRO_UNUSED', "extraneous argument 'b c' ($2 is not referenced)"]);
  assert.is(error.line, undefined);
  checked('BEGIN { trace($2); }', { macroArguments: ['1', '2'] });
  checked(
    [
      ['name', 'BEGIN { trace($2); }'],
      ['name', 'END'],
    ],
    { macroArguments: ['1', '2'] },
  );
  checked('#pragma D option argref\nBEGIN { }', { macroArguments: ['1'] });
});

test('options come from defaults, the command line, and the program, the last one counts', () => {
  const { options, program } = checked('#pragma D option quiet\n#pragma D option bufsize=64k\nBEGIN { }', {
    options: { bufsize: 1024, nspec: 3 },
  });
  assert.equal([options.quiet, options.bufsize, options.nspec, options.aggsize], [1, 65536, 3, 4 << 20]);
  assert.equal(program.options, [
    ['quiet', undefined],
    ['bufsize', '64k'],
  ]);
});

const CONTROL: Readonly<Record<string, string | undefined>> = {
  '#': undefined,
  '#pragma': undefined,
  '#pragma weak x': undefined,
  '#ident "x"': undefined,
  '#pragma D option': 'D_PRAGMA_MALFORM',
  '#pragma D option a b': 'D_PRAGMA_MALFORM',
  '#pragma D option nosuch': 'D_PRAGMA_OPTSET',
  '#pragma D option bufsize=x': 'D_PRAGMA_OPTSET',
  '#pragma D': 'D_PRAGMA_MALFORM',
  '#pragma D nosuch': 'D_PRAGMA_INVAL',
  '#pragma D depends_on provider dtrace': undefined,
  '#pragma D depends_on module kvm': undefined,
  '#pragma D depends_on provider nosuch': 'D_PRAGMA_DEPEND',
  '#pragma D depends_on library nosuch.d': 'D_PRAGMA_DEPEND',
  '#pragma D depends_on x y': 'D_PRAGMA_INVAL',
  '#pragma D depends_on provider': 'D_PRAGMA_MALFORM',
  '#pragma D attributes Stable/Stable/Common x': undefined,
  '#pragma D attributes Stable/Stable/Common nosuch': 'D_PRAGMA_UNUSED',
  '#pragma D attributes Stable/Stable/Common pid': 'D_PRAGMA_SCOPE',
  '#pragma D attributes Stable/Stable x': 'D_PRAGMA_INVAL',
  '#pragma D attributes Stable/Stable/Common': 'D_PRAGMA_MALFORM',
  '#pragma D binding "1.0" x': undefined,
  '#pragma D binding "one" x': 'D_PRAGMA_INVAL',
  '#pragma D binding 1.0 x': 'D_PRAGMA_MALFORM',
  '#error no good': 'D_PRAGERR',
  '#line x': 'D_PRAGMA_MALFORM',
  '#nosuch': 'D_PRAGCTL_INVAL',
  '#"x"': 'D_PRAGCTL_INVAL',
};

for (const [line, tag] of Object.entries(CONTROL)) {
  test(`control line ${line} is ${tag ?? 'fine'}`, () => {
    const text = `${line}\nint x; BEGIN { x = 1; }`;
    if (tag === undefined) checked(text);
    else assert.equal([refused(text).tag, refused(text).place.line], [tag, 1]);
  });
}

const LIBRARIES: Readonly<Record<string, string>> = {
  'lib/a.d': '#pragma D depends_on library b.d\ninline int A = B + 1;',
  'lib/b.d': 'inline int B = 1;\ntypedef struct info { int first; } info_t;',
  'lib/c.d': '#pragma D depends_on provider nosuch\nthis is not D',
  'lib/notes.txt': 'not D at all',
  'cycle/a.d': '#pragma D depends_on library b.d\n',
  'cycle/b.d': '#pragma D depends_on library a.d\n',
  'bad/a.d': '\n\nint int x;',
};

const files = {
  readFile: (path: string) => LIBRARIES[path],
  listDirectory: (path: string) =>
    Object.keys(LIBRARIES).flatMap((name) => (name.startsWith(`${path}/`) ? [name.slice(path.length + 1)] : [])),
};

test('libraries are read in the order of their dependencies, those that need what is not here are left out', () => {
  const { program } = checked('#pragma D depends_on library a.d\ninfo_t i;\nBEGIN { i.first = A; }', { ...files, libraries: ['lib'] });
  assert.is(program.clauses.length, 1);
});

test('libraries that depend on each other are refused', () => {
  assert.is(refused('BEGIN { }', { ...files, libraries: ['cycle'] }).tag, 'D_PRAGMA_DEPEND');
});

test('an error in a library names its file', () => {
  assert.match(told('BEGIN { }', { ...files, libraries: ['bad'] }), /: "bad\/a\.d", line 3: invalid type combination/);
});

test('a library that is not there is none', () => {
  checked('BEGIN { }', { ...files, libraries: ['nowhere'] });
  checked('BEGIN { }', { libraries: ['lib'] });
});

test('-C preprocesses, and errors in included files name them', () => {
  const more = {
    preprocess: true,
    defines: ['N=3'],
    readFile: (path: string) => (path === 'x.h' ? '#define M N\n\nint int x;\n' : undefined),
  };
  assert.is(checked('BEGIN { trace(N); }', more).program.clauses.length, 1);
  assert.match(told('#include "x.h"\nBEGIN { }', more), /: "x\.h", line 3: /);
  assert.match(told('#if 1\nBEGIN { }', more), /: line 1: /);
  assert.is(refused('#define N 3\nBEGIN { }').tag, 'D_PRAGCTL_INVAL');
});

test('if becomes clauses, which run in order', () => {
  const { program } = checked('BEGIN /x = 1/ { y = 1; if (y) { trace(1); } else { trace(2); } trace(3); }');
  const traced = program.clauses.map(({ statements }) => statements.flatMap((s) => (s.kind === 'action' ? [s.name] : [])).length);
  assert.equal(traced, [0, 0, 1, 1, 1]);
  assert.is(
    program.clauses.every(({ probes: [probe] }) => probe!.name === 'BEGIN'),
    true,
  );
});

test('a predicate is of scalar type, the condition of an if too', () => {
  assert.is(refused('BEGIN /probename/ { x = 1; }').tag, 'D_PRED_SCALAR');
  assert.is(refused('BEGIN { if (probename) { x = 1; } }').tag, 'D_PRED_SCALAR');
});

test('a body may use what its predicate makes, and the other way round', () => {
  checked('BEGIN /x++ == 0/ { trace(x); }');
  checked('BEGIN /x == 0/ { x = 1; }');
});

test('destructive programs say so', () => {
  const destructive = (text: string): boolean => checked(`BEGIN { ${text} }`).program.destructive;
  for (const text of ['stop();', 'system("ls");', 'freopen("x");', 'breakpoint();', 'copyout(alloca(4), 0, 4);', 'if (1) { stop(); }']) {
    assert.is(destructive(text), true, text);
  }
  for (const text of ['trace(1);', 'exit(0);', 'setopt("quiet");']) assert.is(destructive(text), false, text);
  // A predicate writes as well as an action does.
  assert.is(checked('BEGIN /(copyout(alloca(4), 8, 4), 1)/ { exit(0); }').program.destructive, true);
});

test('a program is compiled to a valid module and its description', () => {
  const { program, matched } = compile(
    sourcesOf('#pragma D option quiet\nBEGIN { @a[probename] = count(); printf("%d\\n", 1); exit(0); }'),
    { probes },
  );
  assert.is(WebAssembly.validate(program.code), true);
  assert.equal(matched, [1]);
  const { epids, aggregations, options, destructive } = program.descriptor;
  assert.equal([epids.length, aggregations.length, options.quiet, destructive], [2, 1, 1, false]);
});

test.run();
