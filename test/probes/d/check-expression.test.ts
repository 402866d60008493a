/** Types and conversions of checked expressions, and what is refused with which tag. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { builtinNames } from '../../../probes/d/builtin-names.ts';
import { sizeOf, typeName } from '../../../probes/d/ctype.ts';
import type { Expression } from '../../../probes/d/tree.ts';
import { typeNamed } from '../../../probes/d/type-name.ts';
import { POINTS } from '../../../probes/points.ts';
import { checkExpression, checkProgram, refusal } from './checked.ts';

const test = suite('the checker of expressions');

const BEFORE = `
struct in { short s; int a[3]; };
struct pt { int x; unsigned f : 3; struct in in; struct pt *next; string name; };
enum color { RED, GREEN = 7 };
struct pt g; struct pt *p; int i; char c; unsigned int u; long l; uint64_t w; string s; int a[5]; void *v; enum color k; char text[8];
int assoc[string, int];
`;

const typeOf = (text: string): string => typeName(checkExpression(text, BEFORE).type);

test('results have the types that C gives them', () => {
  const types: Record<string, string> = {
    'c + c': 'int',
    'i + u': 'unsigned int',
    'l + u': 'long',
    'l + w': 'uint64_t',
    'c << l': 'int',
    'u >> 1': 'unsigned int',
    '-c': 'int',
    '!w': 'int',
    's == "a"': 'int',
    'i && p': 'int',
    'p + 1': 'struct pt *',
    'p - p': 'ptrdiff_t',
    'a[1]': 'int',
    a: 'int *',
    '&g.in.a[2]': 'int *',
    'g.in.a': 'int *',
    '*p': 'struct pt',
    'p->next->name': 'string',
    'i ? c : w': 'uint64_t',
    'i ? "x" : s': 'string',
    'i ? p : 0': 'struct pt *',
    'i ? v : p': 'struct pt *',
    '(i, "x")': 'string',
    'strlen(s)': 'size_t',
    'copyin(arg0, 4)': 'void *',
    'sizeof (i)': 'size_t',
    's[1]': 'char',
    's + 1': 'string',
    'g.f + 0': 'int',
    'vmregs[VMX_GUEST_RIP]': 'uint64_t',
    arg0: 'int64_t',
    pid: 'pid_t',
    GREEN: 'enum color',
    NULL: 'void *',
    'strexitno[1]': 'string',
  };
  for (const [text, type] of Object.entries(types)) {
    const e = checkExpression(text, BEFORE);
    const decayed = e.type.kind === 'array' ? checkExpression(`(${text}) == 0 ? ${text} : ${text}`, BEFORE) : e;
    assert.is(typeName(decayed.type), type, text);
  }
});

test('a variable takes the type of its first value', () => {
  const types: Record<string, string> = {
    'x = 1': 'int',
    'x = (char)1': 'char',
    'x = 5L': 'long',
    'x = "a"': 'string',
    'x = timestamp': 'uint64_t',
    'x = GREEN': 'enum color',
    'x = p': 'struct pt *',
    'x = g': 'struct pt',
    'self->x = probename': 'string',
    'this->x = alloca(8)': 'void *',
    'x[1, "a"] = 2u': 'unsigned int',
    'self->x["a"] = 2': 'int',
    'x++': 'int64_t',
    'x += 1': 'int64_t',
    'x[execname] -= 1': 'int64_t',
  };
  for (const [text, type] of Object.entries(types)) assert.is(typeOf(text), type, text);
});

test('an associative array keeps the types of its first keys', () => {
  const { expressions } = checkProgram('BEGIN { x[(char)1, "a", 5] = 1; x[300, execname, 6L] = 2; }');
  const second = expressions[1];
  assert.ok(second?.op === 'assign' && second.target.op === 'variable');
  assert.equal(
    second.target.keys?.map((key) => typeName(key.type)),
    ['char', 'string', 'int'],
  );
  const [key] = second.target.keys ?? [];
  assert.ok(key?.op === 'integer' && key.value === 44n);
});

test('constants are folded, through inlines and enumerators, too', () => {
  const value = (text: string): bigint | undefined => {
    const e = checkExpression(text, `${BEFORE} inline int base = 100; inline uint8_t byte = 300;`);
    return e.op === 'integer' ? e.value : undefined;
  };
  assert.is(value('base + GREEN * 2'), 114n);
  assert.is(value('byte'), 44n);
  assert.is(value('sizeof (a) + sizeof (struct pt)'), 20n + BigInt(sizeOf(checkExpression('*p', BEFORE).type)));
  assert.is(value('(uint8_t)(base * 3)'), 44n);
  assert.is(value('VMX_GUEST_RIP'), 0x681en);
  assert.is(value('1 << 40'), 1n << 40n);
});

test('an element with a constant index is a part of its array', () => {
  const e = checkExpression('g.in.a[2] = 1', BEFORE);
  assert.ok(e.op === 'assign' && e.target.op === 'member' && e.target.member.offset === 8);
  assert.is(checkExpression('a[i]', BEFORE).op, 'dereference');
});

test('pointers step by what they point to', () => {
  const e = checkExpression('p + 2', BEFORE);
  assert.ok(e.op === 'arithmetic' && e.right.op === 'integer' && e.right.value === 2n * BigInt(sizeOf(checkExpression('*p', BEFORE).type)));
  const step = checkExpression('p++', BEFORE);
  assert.ok(step.op === 'update' && step.result === 'old' && step.value.op === 'convert');
});

test('inlines with parameters evaluate an argument once', () => {
  const e = checkExpression('square[i++]', `${BEFORE} inline int square[int x] = x * x;`);
  assert.ok(e.op === 'let' && e.value.op === 'update' && e.body.op === 'arithmetic');
});

test('translated members are their expressions over the input', () => {
  const before = `${BEFORE} struct out { int sum; string kind; }; translator struct out < struct pt *q > { sum = q->x + 1; kind = "pt"; };`;
  const through = (e: Expression): Expression => (e.op === 'let' ? e.body : e);
  assert.is(through(checkExpression('xlate <struct out> (p).sum', before)).op, 'arithmetic');
  assert.is(through(checkExpression('xlate <struct out *> (p)->kind', before)).op, 'text');
  const inlined = `${before} inline struct out *now = xlate <struct out *> (p);`;
  assert.is(through(checkExpression('now->sum', inlined)).op, 'arithmetic');
  assert.is(through(checkExpression('(*now).sum', inlined)).op, 'arithmetic');
  const whole = checkExpression('x = xlate <struct out> (p)', before);
  assert.ok(whole.op === 'let' && whole.body.op === 'sequence' && whole.body.parts.length === 3);
  const held = checkProgram(`${before} BEGIN { this->o = xlate <struct out *> (p); this->o->sum; }`).expressions[1];
  assert.ok(held?.op === 'let' && held.value.op === 'variable');
});

test('args[] has the types of the probe', () => {
  const of = (probe: string, index: number): string =>
    typeName(checkProgram(`${probe} { args[${index}]; }`).expressions[0]?.type ?? { kind: 'void' });
  assert.is(of('sdt:kvm::kvm-vexit', 1), 'uint32_t');
  assert.is(of('sdt:kvm::kvm-pio', 1), 'uint16_t');
  assert.is(of('sdt:kvm::kvm-mmio-read', 1), 'gpa_t');
  assert.is(of('sdt:kvm::kvm-guest-entry', 0), 'struct kvm_vcpu *');
  const id = checkProgram('sdt:kvm::kvm-guest-entry { args[0]->vcpu_id; }').expressions[0];
  assert.ok(id?.op === 'member' && typeName(id.type) === 'int');
});

test('every argument of every probe has a type that is known', () => {
  for (const { name, args } of POINTS) {
    for (const { type } of args) assert.ok(typeNamed(type, builtinNames()), `${name}: ${type}`);
  }
  for (const type of ['nosuch_t', 'struct nosuch *', 'long int nosuch', 'short short', ''])
    assert.is(typeNamed(type, builtinNames()), undefined);
});

test('refusals carry the tag of the original', () => {
  const refused: Record<string, string> = {
    nosuch: 'D_IDENT_UNDEF',
    'x = x + 1': 'D_VAR_UNDEF',
    'self->q': 'D_VAR_UNDEF',
    'q[1]': 'D_VAR_UNDEF',
    'g + 1': 'D_OP_INCOMPAT',
    'g ? 1 : 2': 'D_OP_SCALAR',
    'v + 1': 'D_OP_INCOMPAT',
    'v++': 'D_OP_VFPTR',
    'v += 1': 'D_OP_VFPTR',
    's += 1': 'D_OP_INCOMPAT',
    's++': 'D_OP_SCALAR',
    '~p': 'D_OP_INT',
    '-p': 'D_OP_ARITH',
    'p * 2': 'D_OP_ARITH',
    'i % s': 'D_OP_INT',
    'p == i': 'D_OP_INCOMPAT',
    'p = i': 'D_OP_INCOMPAT',
    'i = p': 'D_OP_INCOMPAT',
    'a = a': 'D_OP_ARRFUN',
    'pid = 1': 'D_OP_WRITE',
    'arg0++': 'D_OP_WRITE',
    'vmregs[0] = 1': 'D_OP_WRITE',
    'strlen(s)++': 'D_OP_LVAL',
    '5 = 5': 'D_OP_LVAL',
    '*i': 'D_DEREF_NONPTR',
    '*v': 'D_DEREF_VOID',
    'i[1]': 'D_DEREF_NONPTR',
    '&i': 'D_ADDROF_VAR',
    '&assoc["a", 1]': 'D_ADDROF_VAR',
    '&(i + 1)': 'D_ADDROF_LVAL',
    '&g.f': 'D_ADDROF_BITFIELD',
    'sizeof (g.f)': 'D_SIZEOF_BITFIELD',
    'sizeof (*v)': 'D_DEREF_VOID',
    'stringof(g)': 'D_STRINGOF_TYPE',
    '(int)s': 'D_CAST_INVAL',
    '(struct pt)5': 'D_CAST_INVAL',
    'i.x': 'D_OP_SOU',
    'p.x': 'D_OP_SOU',
    'g->x': 'D_OP_PTR',
    'g.nosuch': 'D_TYPE_MEMBER',
    'a[5]': 'D_ARR_BOUNDS',
    'a[1, 2]': 'D_ARR_BADREF',
    assoc: 'D_IDENT_BADREF',
    'assoc[1]': 'D_PROTO_LEN',
    'assoc[1, 2]': 'D_PROTO_ARG',
    'this->y[1] = 1': 'D_ARR_LOCAL',
    'strlen()': 'D_PROTO_LEN',
    'strlen(5)': 'D_PROTO_ARG',
    'copyinstr(p)': 'D_PROTO_ARG',
    'nosuch(1)': 'D_FUNC_UNDEF',
    'i(1)': 'D_FUNC_IDKIND',
    '5(1)': 'D_FUNC_IDENT',
    'x = trace(1)': 'D_OP_INCOMPAT',
    'x = stack()': 'D_CG_EXPR',
    'x = func(arg0)': 'D_CG_EXPR',
    '(void)exit(0)': 'D_CG_EXPR',
    'i ? exit(0) : exit(1)': 'D_OP_ACT',
    '(trace(1), trace(2))': 'D_OP_ACT',
    'x = count()': 'D_OP_INCOMPAT',
    'i / 0': 'D_DIV_ZERO',
    'i %= 0': 'D_DIV_ZERO',
    'args[0]': 'D_ARGS_IDX',
    'args[i]': 'D_PROTO_ARG',
    'uregs[-1]': 'D_REGS_IDX',
    'uregs[i]': 'D_PROTO_ARG',
    'vmregs[arg0]': 'D_PROTO_ARG',
    'xlate <struct pt> (i).x': 'D_XLATE_NONE',
    'x = self': 'D_SYNTAX',
  };
  for (const [text, tag] of Object.entries(refused)) assert.is(refusal(`${BEFORE} BEGIN { ${text}; }`), tag, text);
});

test('what D allows is not refused', () => {
  const allowed = [
    's = 0',
    'self->t = "a", self->t = 0',
    'p = NULL',
    'p = 0',
    'v = p',
    'p = v',
    's == NULL',
    's != 0',
    's < text',
    's = text',
    's = (string)arg0',
    '*(int *)8 = 5',
    'p->in.a[i] = 5',
    'this->b = (char *)alloca(4), this->b[0] = 1',
    'g = *p',
    'i = k + c',
    'k = i',
    '(uintptr_t)p + 1',
    '(void)i',
    'strlen(text) + strlen((char *)p)',
    'copyin((uintptr_t)p, 4)',
    's[0] = 65',
    'i ? (void *)p : v',
    'p && !p || i ^^ c',
  ];
  for (const text of allowed) assert.is(refusal(`${BEFORE} BEGIN { ${text}; }`), '', text);
});

test('a refusal tells the line of its operator or operand', () => {
  try {
    checkProgram('BEGIN\n{\n\tx = 1;\n\ty = x +\n\t    nosuch;\n}');
    assert.unreachable();
  } catch (error) {
    assert.instance(error, Error);
    assert.is((error as Error).message, '[D_IDENT_UNDEF] line 5: failed to resolve nosuch: Unknown variable name');
  }
});

test.run();
