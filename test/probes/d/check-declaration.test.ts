/** Declarations: what they make, and what is refused with which tag. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { typeName } from '../../../probes/d/ctype.ts';
import { checkProgram, refusal } from './checked.ts';

const test = suite('the checker of declarations');

test('variables of every scope', () => {
  const { names } = checkProgram('int a, b[3], *c; self uint8_t d; this string e; string f[int, string]; self int g[string]; BEGIN { a; }');
  const shown = (['global', 'self', 'this'] as const).flatMap((scope) =>
    names.variables[scope].map(
      ({ name, type, keys }) => `${scope} ${name}: ${typeName(type)}${keys ? ` [${keys.map(typeName).join()}]` : ''}`,
    ),
  );
  assert.equal(shown, [
    'global a: int',
    'global b: int [3]',
    'global c: int *',
    'global f: string [int,string]',
    'self d: uint8_t',
    'self g: int [string]',
    'this e: string',
  ]);
});

test('a declaration may be repeated when it says the same', () => {
  assert.is(refusal('int x; int x; int a[int]; int a[int]; extern int f(int); extern int f(int); BEGIN { x; }'), '');
  assert.is(refusal('typedef unsigned int uint32_t; uint32_t x; BEGIN { x; }'), '');
});

test('an inline is seen by what follows it', () => {
  assert.is(refusal('inline int n = 4; int a[n]; inline int m = n + 1; BEGIN { a[m - 2]; }'), '');
  assert.is(refusal('BEGIN { x = n; } inline int n = 4;'), '');
});

test('what is built in as an inline or enumerator may be defined again', () => {
  const { expressions } = checkProgram(
    'inline int EXIT_REASON_CPUID = 77; inline string strexitno[int n] = "own"; BEGIN { EXIT_REASON_CPUID; strexitno[1]; }',
  );
  const [reason, name] = expressions;
  assert.ok(reason?.op === 'integer' && reason.value === 77n);
  assert.ok(name?.op === 'let' && name.body.op === 'text');
});

test('a parameter hides a name and a type', () => {
  assert.is(
    refusal('int x; inline string name[string x] = x; inline int twice[int pid_t] = pid_t * 2; BEGIN { name["a"]; twice[2]; }'),
    '',
  );
});

test('refusals carry the tag of the original', () => {
  const refused: Record<string, string> = {
    'int x; char x;': 'D_DECL_IDRED',
    'int a[int]; int a[string];': 'D_DECL_IDRED',
    'int a[int]; int a;': 'D_DECL_IDRED',
    'int pid;': 'D_DECL_IDRED',
    'int trace;': 'D_DECL_IDRED',
    'inline int n = 1; inline int n = 1;': 'D_DECL_IDRED',
    'inline int timestamp = 1;': 'D_DECL_IDRED',
    'int x; typedef int x;': 'D_DECL_IDRED',
    'typedef int t; typedef int t;': 'D_DECL_IDRED',
    'enum e { A }; int A;': 'D_DECL_IDRED',
    'void x;': 'D_DECL_VOIDOBJ',
    'inline void x = 1;': 'D_DECL_VOIDOBJ',
    'struct none x;': 'D_DECL_INCOMPLETE',
    'int x[];': 'D_DECL_ARRNULL',
    'int x[5][int];': 'D_DECL_DYNOBJ',
    'this int x[int];': 'D_DECL_LOCASSC',
    'static int x;': 'D_DECL_BADCLASS',
    'inline self int x = 1;': 'D_DECL_BADCLASS',
    'int a`b;': 'D_DECL_SCOPE',
    'uint32_t int8_t x;': 'D_DECL_IDENT',
    'short short x;': 'D_DECL_COMBO',
    'inline string x = 5;': 'D_OP_INCOMPAT',
    'inline int x = x + 1;': 'D_IDENT_UNDEF',
    'inline int x = args[0];': 'D_ARGS_NONE',
    'int a[void];': 'D_DECL_PROTO_TYPE',
    'extern int f(void, int);': 'D_DECL_PROTO_VOID',
    'extern int f(void v);': 'D_DECL_PROTO_NAME',
    'extern int f(int a, int a);': 'D_DECL_PROTO_FORM',
    'inline int f(int) = 1;': 'D_DECL_PROTO_NAME',
    'translator int < int i > { };': 'D_XLATE_SOU',
    'struct s { int a; }; translator struct s < int i > { b = 1; };': 'D_XLATE_MEMB',
    'struct s { int a; }; translator struct s < int i > { a = "x"; };': 'D_XLATE_INCOMPAT',
    'struct s { int a; }; translator struct s < int i > { a = i; }; translator struct s < int j > { a = j; };': 'D_XLATE_REDECL',
  };
  for (const [text, tag] of Object.entries(refused)) assert.is(refusal(`${text}\nBEGIN { 1; }`), tag, text);
});

test.run();
