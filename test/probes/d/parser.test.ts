/**
 * The grammar of D: what parses, as what, and what does not.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { builtinNames } from '../../../probes/d/builtin-names.ts';
import { typeName } from '../../../probes/d/ctype.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { Lexer } from '../../../probes/d/lexer.ts';
import { Names } from '../../../probes/d/names.ts';
import { Parser, type ProgramSink } from '../../../probes/d/parser.ts';
import type { SourceForm } from '../../../probes/d/environment.ts';
import type { ClauseSyntax, StatementSyntax, Syntax } from '../../../probes/d/syntax.ts';

/** What was declared, in words. */
interface Parsed {
  readonly clauses: ClauseSyntax[];
  readonly declared: string[];
}

function parse(text: string, form: SourceForm = 'script'): Parsed {
  const names = new Names(builtinNames());
  const parsed: Parsed = { clauses: [], declared: [] };
  const sink: ProgramSink = {
    declare(storage, base, { name = '', modifiers }) {
      const around = modifiers.map((m) =>
        m.kind === 'array' ? `[${m.length}]` : m.kind === 'associative' ? `[${m.keys.length} keys]` : m.kind,
      );
      parsed.declared.push([storage, name, ...around, typeName(base)].filter((word) => word !== undefined).join(' '));
      if (storage === 'typedef') names.typedefs.set(name, { kind: 'typedef', name, to: parser.build(base, modifiers) });
    },
    inline: ({ declarator, body }) => void parsed.declared.push(`inline ${declarator.name} = ${shown(body)}`),
    translator: ({ output, input, parameter, members }) =>
      void parsed.declared.push(
        `translator ${typeName(output)} < ${typeName(input)} ${parameter} > ${members.map(({ name }) => name).join(' ')}`,
      ),
    provider: ({ name }) => void parsed.declared.push(`provider ${name}`),
    clause: (clause) => void parsed.clauses.push(clause),
  };
  const lexer: Lexer = new Lexer(text, {
    isType: (name) => names.typedef(name) !== undefined && !parser.parameterNames.has(name),
    isVariable: (name) => names.global(name) !== undefined || parser.parameterNames.has(name),
    control: () => {},
    argument: () => undefined,
    macro: () => undefined,
    defaultArguments: () => false,
  });
  const parser: Parser = new Parser(lexer, names, sink, { form, text }, () => undefined);
  parser.program();
  return parsed;
}

/** An expression with all its parentheses. */
function shown(e: Syntax): string {
  switch (e.kind) {
    case 'integer':
      return String(e.value);
    case 'text':
      return JSON.stringify(e.value);
    case 'identifier':
      return e.name;
    case 'aggregation':
      return `@${e.name}`;
    case 'unary':
      return `(${e.operator} ${shown(e.operand)})`;
    case 'step':
      return e.prefix ? `(${e.operator}${shown(e.operand)})` : `(${shown(e.operand)}${e.operator})`;
    case 'binary':
    case 'assign':
      return `(${shown(e.left)} ${e.operator} ${shown(e.right)})`;
    case 'conditional':
      return `(${shown(e.condition)} ? ${shown(e.then)} : ${shown(e.otherwise)})`;
    case 'cast':
      return `((${typeName(e.type)}) ${shown(e.operand)})`;
    case 'index':
      return `${shown(e.object)}[${e.indices.map(shown).join(', ')}]`;
    case 'call':
      return `${shown(e.callee)}(${e.arguments.map(shown).join(', ')})`;
    case 'member':
      return `${shown(e.object)}${e.operator}${e.name}`;
    case 'comma':
      return `{${e.parts.map(shown).join(', ')}}`;
    case 'xlate':
      return `xlate<${typeName(e.type)}>(${shown(e.operand)})`;
  }
}

function statements(list: readonly StatementSyntax[]): string {
  return list
    .map((s) =>
      s.kind === 'expression'
        ? shown(s.expression)
        : `if (${shown(s.condition)}) {${statements(s.then)}}${s.otherwise === undefined ? '' : ` else {${statements(s.otherwise)}}`}`,
    )
    .join('; ');
}

const expression = (text: string): string => statements(parse(`BEGIN { ${text}; }`).clauses[0]!.statements!);

function tagOf(text: string, form: SourceForm = 'script'): string | undefined {
  try {
    parse(text, form);
  } catch (error) {
    if (error instanceof CompileError) return error.tag;
    throw error;
  }
  return undefined;
}

/** Expressions, and how they bind. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  'a + b * c - d': '((a + (b * c)) - d)',
  'a << b + c < d == e & f ^ g | h && i ^^ j || k': '((((((((a << (b + c)) < d) == e) & f) ^ g) | h) && i) ^^ j) || k)'.replace(/^/, '('),
  'a - b - c': '((a - b) - c)',
  'a = b = c': '(a = (b = c))',
  'a ? b : c ? d : e': '(a ? b : (c ? d : e))',
  'a ? b, c : d': '(a ? {b, c} : d)',
  'a = b ? c : d': '(a = (b ? c : d))',
  'a, b, c': '{a, b, c}',
  '-a * !b': '((- a) * (! b))',
  '*p++': '(* (p++))',
  '++*p': '(++(* p))',
  '&a[1].b->c': '(& a[1].b->c)',
  '(int)a + b': '(((int) a) + b)',
  '(char *)p[1]': '((char *) p[1])',
  'sizeof (int)': '4',
  'sizeof (uint64_t *)': '8',
  'sizeof a + 1': '((sizeof a) + 1)',
  'stringof(p) == "x"': '((stringof p) == "x")',
  'stringof p': '(stringof p)',
  '@a[1, "x"] = count()': '(@a[1, "x"] = count())',
  '@ = sum(x)': '(@ = sum(x))',
  '@_ = count()': '(@ = count())',
  'self->a += this->b': '(self->a += this->b)',
  'xlate <struct kvm_vcpu> (p).vcpu_id': 'xlate<struct kvm_vcpu>(p).vcpu_id',
  'offsetof(struct kvm_vcpu, vcpu_id)': '232',
  '1 + 2 * 3': '7',
  '(1 << 3) | 0x10': '24',
  '-1 < 0u': '0',
  '1 ^^ 1': '0',
  '(uint8_t)300': '44',
  'R_RAX + 0': 'a number',
};

for (const [text, tree] of Object.entries(EXPRESSIONS)) {
  test(`${text} is ${tree}`, () => {
    if (tree === 'a number') assert.match(expression(text), /^\d+$/);
    else assert.is(expression(text), tree);
  });
}

test('statements are separated by semicolons, the last needs none, empty ones are nothing', () => {
  assert.is(expression('a; ; b'), 'a; b');
  assert.is(statements(parse('BEGIN { a; b }').clauses[0]!.statements!), 'a; b');
  assert.is(parse('BEGIN { }').clauses[0]!.statements!.length, 0);
});

test('if and else, with and without braces', () => {
  assert.is(expression('if (a) b; else if (c) { d; e; } else ; f'), 'if (a) {b} else {if (c) {d; e} else {}}; f');
  assert.is(expression('if (a) if (b) c; else d'), 'if (a) {if (b) {c} else {d}}');
});

test('predicates', () => {
  const [clause] = parse('BEGIN / a / b > (c / d) / { x; }').clauses;
  assert.is(shown(clause!.predicate!), '((a / b) > (c / d))');
});

test('a clause has one or more descriptions', () => {
  const [clause] = parse('BEGIN, sdt:kvm::x*,\n 4 { x; }').clauses;
  assert.equal(
    clause!.descriptions.map((d) => (d.id === undefined ? `${d.provider}:${d.module}:${d.func}:${d.name} ${d.line}` : d.id)),
    [':::BEGIN 1', 'sdt:kvm::x* 1', 4],
  );
});

const DECLARATIONS: Readonly<Record<string, string>> = {
  'int x;': 'x int',
  'unsigned long long x, *y;': 'x unsigned long long|y pointer unsigned long long',
  'long unsigned int x;': 'x unsigned long',
  'const char *volatile s;': 's pointer char',
  'string s;': 's string',
  'int a[3][4];': 'a [3] [4] int',
  'int a[string, int];': 'a [2 keys] int',
  'int *a[3];': 'a [3] pointer int',
  'int (*a)[3];': 'a pointer [3] int',
  'int (*f)(int, char *);': 'f pointer function int',
  'int f(void);': 'f function int',
  'self int x;': 'self x int',
  'this uint8_t x;': 'this x uint8_t',
  'extern int f(int, ...);': 'extern f function int',
  'typedef int t_t; t_t x; t_t *y;': 'typedef t_t int|x t_t|y pointer t_t',
  'struct s { int a; } x;': 'x struct s',
  'struct { int a : 3; unsigned : 0; } x;': 'D_DECL_MNAME',
  'union u { int a; char b[4]; }; union u x;': 'x union u',
  'enum e { A, B = 5, C, }; enum e x;': 'x enum e',
  'enum e { A, B = 5, C }; int a[C];': 'a [6] int',
  'inline int x = 5;': 'inline x = 5',
  'inline int f[int a, int b] = a + b;': 'inline f = (a + b)',
  'translator struct kvm_vcpu < int *p > { vcpu_id = *p; };': 'translator struct kvm_vcpu < int * p > vcpu_id',
  'provider p { probe a(int); probe b(int x, char *y) : (int x); };': 'provider p',
};

for (const [text, declared] of Object.entries(DECLARATIONS)) {
  test(`${text} declares ${declared}`, () => {
    if (declared.startsWith('D_')) assert.is(tagOf(`${text} BEGIN { }`), declared);
    else assert.equal(parse(`${text} BEGIN { }`).declared, declared.split('|'));
  });
}

/** What is no D. */
const REFUSED: Readonly<Record<string, string>> = {
  BEGIN: 'D_SYNTAX',
  'BEGIN {': 'D_SYNTAX',
  'BEGIN { a': 'D_SYNTAX',
  'BEGIN { a b; }': 'D_SYNTAX',
  'BEGIN { a + ; }': 'D_SYNTAX',
  'BEGIN { a + b = c; }': 'D_SYNTAX',
  'BEGIN { a ? b; }': 'D_SYNTAX',
  'BEGIN { f(a,); }': 'D_SYNTAX',
  'BEGIN { a[]; }': 'D_SYNTAX',
  'BEGIN { else a; }': 'D_SYNTAX',
  'BEGIN { self = 1; }': 'D_SYNTAX',
  'BEGIN { a = this; }': 'D_SYNTAX',
  'BEGIN { while (1) a; }': 'D_SYNTAX',
  'BEGIN { for (;;) a; }': 'D_SYNTAX',
  'BEGIN { return 1; }': 'D_SYNTAX',
  'BEGIN { int x; }': 'D_SYNTAX',
  'BEGIN /a/': 'D_SYNTAX',
  'BEGIN /a { }': 'D_SYNTAX',
  'BEGIN // { }': 'D_SYNTAX',
  'BEGIN, { }': 'D_SYNTAX',
  '{ }': 'D_SYNTAX',
  'BEGIN { } }': 'D_SYNTAX',
  'a:b:c:d:e { }': 'D_PDESC_INVAL',
  '4294967296 { }': 'D_PDESC_INVAL',
  'int;': 'D_DECL_USELESS',
  'int x': 'D_SYNTAX',
  'int x y;': 'D_DECL_IDENT',
  'int a[0];': 'D_DECL_ARRSUB',
  'int a[-1];': 'D_DECL_ARRSUB',
  'int a[4294967296];': 'D_DECL_ARRBIG',
  'long char x;': 'D_DECL_CHARATTR',
  'long long long x;': 'D_DECL_COMBO',
  'int int x;': 'D_DECL_COMBO',
  'unsigned void *x;': 'D_DECL_VOIDATTR',
  'unsigned struct s x;': 'D_DECL_SIGNINT',
  'self this int x;': 'D_DECL_CLASS',
  'struct s { int a; int a; };': 'D_UNKNOWN',
  'struct s { };': 'D_SYNTAX',
  'struct s { int; };': 'D_SYNTAX',
  'struct s { struct t x; };': 'D_DECL_INCOMPLETE',
  'struct s { int a : 33; };': 'D_DECL_BFSIZE',
  'struct s { int *a : 3; };': 'D_DECL_BFTYPE',
  'enum e { A, A };': 'D_UNKNOWN',
  'enum e { A = "x" };': 'D_DECL_ENCONST',
  'enum e { A = 0x7fffffff, B };': 'D_DECL_ENOFLOW',
  'struct s { int a; }; struct s { int b; };': 'D_DECL_TYPERED',
  'int a[int, ...];': 'D_DECL_PROTO_VARARGS',
  'int f(void, int);': 'D_DECL_PROTO_VOID',
  'int f(void v);': 'D_DECL_PROTO_NAME',
  'int f(int a, char a);': 'D_DECL_PROTO_FORM',
  'inline int f[int] = 1;': 'D_DECL_PROTO_NAME',
  'translator int < int x > { a = 1 };': 'D_SYNTAX',
};

for (const [text, tag] of Object.entries(REFUSED)) {
  test(`${text} is refused`, () => {
    assert.is(tagOf(text), tag);
  });
}

test('outside of scripts, a clause needs no body', () => {
  for (const form of ['name', 'program'] as const) assert.is(parse('BEGIN', form).clauses[0]!.statements, undefined);
  assert.is(tagOf('BEGIN END', 'name'), 'D_SYNTAX');
});

test('lines are those of the operator, the name or the clause', () => {
  const [clause] = parse('\nBEGIN\n{\n\ta\n\t+\n\tb;\n}\n').clauses;
  const [statement] = clause!.statements!;
  assert.equal([clause!.line, statement!.line], [2, 5]);
});

test.run();
