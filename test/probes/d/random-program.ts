/**
 * Random D programs, by grammar: most of them compile, many do nothing sensible, all of them end.
 *
 * What is declared is remembered, so that expressions refer to things that are there, with a type that fits; now and then one does not.
 */
import { Random } from '../../vmm/hostile-guest.ts';

/** Kinds of values that an expression can be asked for. */
type Kind = 'int' | 'string' | 'pointer';

const INT_TYPES = [
  'int',
  'char',
  'short',
  'long',
  'long long',
  'unsigned int',
  'unsigned char',
  'uint8_t',
  'int16_t',
  'uint32_t',
  'int64_t',
  'uint64_t',
  'unsigned long long',
];
const SMALL = ['0', '1', '2', '3', '7', '8', '10', '31', '32', '63', '64', '255', '-1', "'a'"];
const LARGE = ['0x7fffffff', '0x80000000', '0xffffffff', '0x7fffffffffffffff', '-2147483648', '1ull', '0777', '100000L', "'\\n'", "'ab'"];
const TEXTS = ['""', '"a"', '"abc"', '"/usr/lib/libc.so"', '"a,b,,c"', '"0x1f"', '"-42"', '"%d"', '"\\n\\t"', '"{\\"a\\":[1,2]}"'];
const BINARY = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>', '<', '<=', '>', '>=', '==', '!=', '&&', '||', '^^'];
const ASSIGN = ['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='];
const BUILTINS = [
  'arg0',
  'arg1',
  'arg9',
  'timestamp',
  'vtimestamp',
  'walltimestamp',
  'pid',
  'tid',
  'cpu',
  'id',
  'epid',
  'errno',
  'stackdepth',
];
const TEXT_BUILTINS = ['probename', 'probefunc', 'probemod', 'probeprov', 'execname', 'vmname'];
const REGISTERS = ['vmregs[VMX_GUEST_RIP]', 'vmregs[VMX_GUEST_CR3]', 'uregs[R_RAX]', 'uregs[R_RSP]', 'vmregs[0x4402]', 'uregs[1000]'];
const PROBES = [
  'BEGIN',
  'END',
  'ERROR',
  'tick-1ms',
  'profile-997',
  'kvm-vexit',
  'sdt:kvm::kvm-pio',
  'kvm-cr*',
  'dtrace:::',
  'kvm-msr-read',
  '1',
];
const WEIGHTED_PROBES = ['BEGIN', 'BEGIN', 'BEGIN', 'BEGIN', 'tick-1ms', ...PROBES];

/** The variables that a program begins with. */
const DECLARED = `int x, y;\nstring s;\nself int n;\nself int i;\nself string s;\nthis int k;\nthis string t;\nthis char *p;\n`;

class Writer {
  readonly #random: Random;
  /** What can be assigned to. */
  readonly #variables: string[] = ['x', 'y', 'self->n', 'this->k'];
  readonly #ints: string[] = ['x', 'y', 'self->n', 'this->k'];
  readonly #texts: string[] = ['s', 'self->s', 'this->t'];
  readonly #pointers: string[] = ['this->p'];
  readonly #inlines: string[] = [];
  /** Aggregations by name: how many keys, which function. */
  readonly #aggregations = new Map<string, { readonly keys: readonly Kind[]; readonly call: () => string }>();
  #serial = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  program(): string {
    const r = this.#random;
    const parts: string[] = [];
    if (r.oneIn(4))
      parts.push(`#pragma D option ${r.pick(['quiet', 'strsize=16', 'dynvarsize=4k', 'aggsize=1k', 'flowindent', 'nspec=3', 'zdefs'])}\n`);
    if (!r.oneIn(10)) parts.push(DECLARED);
    for (let n = r.below(5); n > 0; n--) parts.push(this.#declaration());
    for (let n = 1 + r.below(4); n > 0; n--) parts.push(this.#clause());
    return parts.join('\n');
  }

  #name(prefix: string): string {
    return `${prefix}${this.#serial++}`;
  }

  #declaration(): string {
    const r = this.#random;
    const name = this.#name('v');
    switch (r.below(9)) {
      case 0:
        this.#variable(name);
        return `${r.pick(INT_TYPES)} ${name};\n`;
      case 1:
        this.#texts.push(name);
        return `string ${name};\n`;
      case 2: {
        this.#variable(`${name}[${this.#int(1)}]`, `${name}[2]`);
        return `${r.pick(INT_TYPES)} ${name}[int];\n`;
      }
      case 3: {
        this.#variable(`${name}[1, "k"]`);
        return `${r.pick(INT_TYPES)} ${name}[${r.pick(INT_TYPES)}, string];\n`;
      }
      case 4: {
        const type = r.pick(INT_TYPES);
        this.#variable(`${name}.a`, `${name}.b`, `${name}.u.c`);
        this.#ints.push(`sizeof (struct t${name})`, `offsetof(struct t${name}, d)`);
        if (r.oneIn(2)) this.#ints.push(`((struct t${name} *)alloca(64))->d[1]`);
        return `struct t${name} { ${type} a; int b:${1 + r.below(12)}; union { char c; long e; } u; short d[${1 + r.below(4)}]; };\nstruct t${name} ${name};\n`;
      }
      case 5:
        this.#ints.push(`${name}A`, `${name}B`);
        return `enum e${name} { ${name}A, ${name}B = ${r.below(100)} };\n`;
      case 6:
        this.#ints.push(name);
        return `inline ${r.pick(INT_TYPES)} ${name} = ${this.#int(2)};\n`;
      case 7:
        this.#inlines.push(name);
        return `inline int ${name}[int a, string b] = a * 2 + (b == "x" ? 1 : strlen(b));\n`;
      default:
        this.#ints.push(`(xlate <t${name}> (${r.below(9)})).a`);
        return `typedef struct { int a; string b; } t${name};\ntranslator t${name} < int I > { a = I + 1; b = lltostr(I); };\n`;
    }
  }

  #variable(...names: string[]): void {
    this.#ints.push(...names);
    this.#variables.push(...names);
  }

  /** Something to assign to; now and then it is not. */
  #target(): string {
    return this.#random.pick(this.#random.oneIn(20) ? this.#ints : this.#variables);
  }

  #clause(): string {
    const r = this.#random;
    const probes = [r.pick(WEIGHTED_PROBES)];
    while (r.oneIn(8)) probes.push(r.pick(PROBES));
    const predicate = r.oneIn(4) ? `/${this.#int(2)}/\n` : '';
    if (r.oneIn(20)) return `${probes.join(',\n')}\n${predicate}`.concat(predicate === '' ? '{ }\n' : '{ }\n');
    let body = '';
    for (let n = r.below(6); n > 0; n--) body += this.#statement(1);
    if (r.oneIn(3)) body += `\texit(${this.#int(1)});\n`;
    return `${probes.join(',\n')}\n${predicate}{\n${body}}\n`;
  }

  #statement(depth: number): string {
    const r = this.#random;
    const tabs = '\t'.repeat(depth);
    const line = (text: string): string => `${tabs}${text};\n`;
    switch (r.below(20)) {
      case 0:
      case 1:
      case 2:
        return line(`${this.#target()} ${r.oneIn(2) ? '=' : r.pick(ASSIGN)} ${this.#int(3)}`);
      case 3:
        return line(`${r.pick(this.#texts)} = ${this.#text(2)}`);
      case 4:
        return line(`${r.pick(this.#pointers)} = ${this.#pointer(2)}`);
      case 5:
      case 6:
        return line(this.#printf());
      case 7:
        return line(`trace(${this.#value(3)})`);
      case 8:
      case 9:
        return line(this.#aggregate());
      case 10:
        return this.#aggregations.size === 0 ? line(this.#aggregate()) : line(this.#aggregationAction());
      case 11: {
        if (depth > 3) return line('x++');
        const otherwise = r.oneIn(2) ? ` else {\n${this.#statement(depth + 1)}${tabs}}` : '';
        return `${tabs}if (${this.#int(2)}) {\n${this.#statement(depth + 1)}${tabs}}${otherwise}\n`;
      }
      case 12:
        return line(`tracemem(${this.#pointer(1)}, ${1 + r.below(40)}${r.oneIn(3) ? `, ${this.#int(1)}` : ''})`);
      case 13:
        return line(`print(${r.oneIn(3) ? this.#text(2) : this.#int(2)})`);
      case 14:
        return line(r.pick(['stack()', 'ustack()', 'stack(3)', 'sym(arg0)', 'mod(arg0)', 'func(arg0)', 'usym(arg1)', 'ustack(2, 8)']));
      case 15:
        return line(`${this.#target()}${r.pick(['++', '--'])}`);
      case 16:
        return line(r.pick(['self->i = speculation()', 'speculate(self->i)', 'commit(self->i)', 'discard(self->i)']));
      case 17:
        return line(
          r.pick(['bcopy(alloca(8), alloca(16), 8)', 'stop()', 'setopt("quiet")', 'chill(1)', 'raise(1)', 'copyout(alloca(8), 8, 8)']),
        );
      case 18:
        return line(this.#value(3));
      default:
        return line(`(${this.#int(2)}, ${this.#int(2)})`);
    }
  }

  #printf(): string {
    const r = this.#random;
    let format = '';
    const values: string[] = [];
    for (let n = r.below(5); n > 0; n--) {
      const flags = r.oneIn(3) ? r.pick(['-', '0', '+', ' ', '#', '5', '-8', '08', '.3', '10.4']) : '';
      if (r.oneIn(3)) {
        format += `%${flags}${r.pick(['s', 's', 'S'])} `;
        values.push(this.#text(2));
      } else if (r.oneIn(6)) {
        format += `%${flags}p `;
        values.push(this.#pointer(2));
      } else {
        format += `%${flags}${r.pick(['d', 'i', 'u', 'x', 'X', 'o', 'c', 'lld', 'Y', 'a', '*d', '%'])} `;
        if (format.endsWith('%% ')) continue;
        if (format.endsWith('*d ')) values.push(this.#int(1));
        if (!format.endsWith('% ')) values.push(this.#int(2));
      }
    }
    return `printf("${format || 'x'}\\n"${values.map((value) => `, ${value}`).join('')})`;
  }

  #aggregate(): string {
    const r = this.#random;
    let name = this.#aggregations.size > 0 && r.oneIn(2) ? r.pick([...this.#aggregations.keys()]) : '';
    if (name === '') {
      name = `@${r.oneIn(5) ? '' : this.#name('a')}`;
      if (!this.#aggregations.has(name)) {
        const keys = Array.from({ length: r.below(3) }, (): Kind => (r.oneIn(3) ? 'string' : 'int'));
        const args = r.pick(['', ', 0, 100, 10', ', 10, 0, 3, 10', ', -5, 5']);
        const func = r.pick(['count', 'sum', 'avg', 'min', 'max', 'stddev', 'quantize', 'lquantize', 'llquantize']);
        const parameters = func === 'lquantize' ? (args === '' ? ', 0, 9' : args) : func === 'llquantize' ? ', 10, 0, 3, 10' : '';
        const call = (): string => (func === 'count' ? 'count()' : `${func}(${this.#int(2)}${parameters})`);
        this.#aggregations.set(name, { keys, call });
      }
    }
    const { keys, call } = this.#aggregations.get(name) as { keys: readonly Kind[]; call: () => string };
    const tuple = keys.map((kind) => (kind === 'string' ? this.#text(1) : `(int)${this.#int(1)}`)).join(', ');
    return `${name}${keys.length > 0 ? `[${tuple}]` : ''} = ${call()}`;
  }

  #aggregationAction(): string {
    const r = this.#random;
    const name = r.pick([...this.#aggregations.keys()]);
    switch (r.below(7)) {
      case 0:
        return `clear(${name})`;
      case 1:
        return `trunc(${name}${r.oneIn(2) ? `, ${this.#int(1)}` : ''})`;
      case 2:
        return `normalize(${name}, ${this.#int(1)})`;
      case 3:
        return `denormalize(${name})`;
      case 4:
        return `printa("%@d\\n", ${name})`;
      case 5:
        return `printa("%d %@10x\\n", ${name})`;
      default:
        return `printa(${name})`;
    }
  }

  #value(depth: number): string {
    const r = this.#random;
    if (r.oneIn(4)) return this.#text(depth);
    return r.oneIn(6) ? this.#pointer(depth) : this.#int(depth);
  }

  #int(depth: number): string {
    const r = this.#random;
    if (depth <= 0) return r.oneIn(3) ? r.pick(this.#ints) : r.pick(r.oneIn(4) ? LARGE : SMALL);
    switch (r.below(18)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return `(${this.#int(depth - 1)} ${r.pick(BINARY)} ${this.#int(depth - 1)})`;
      case 4:
        return `${r.pick(['-', '~', '!', '+'])}(${this.#int(depth - 1)})`;
      case 5:
        return `(${r.pick(INT_TYPES)})${this.#int(depth - 1)}`;
      case 6:
        return `(${this.#int(depth - 1)} ? ${this.#int(depth - 1)} : ${this.#int(depth - 1)})`;
      case 7:
        return r.pick(BUILTINS);
      case 8:
        return `(${this.#text(depth - 1)} ${r.pick(['==', '!=', '<', '>='])} ${this.#text(depth - 1)})`;
      case 9:
        return `strlen(${this.#text(depth - 1)})`;
      case 10:
        return `${r.pick(['index', 'rindex'])}(${this.#text(depth - 1)}, ${this.#text(depth - 1)}${r.oneIn(2) ? `, ${this.#int(depth - 1)}` : ''})`;
      case 11:
        return `strtoll(${this.#text(depth - 1)})`;
      case 12:
        return `*(${r.pick(INT_TYPES)} *)${this.#pointer(depth - 1)}`;
      case 13:
        return `sizeof (${r.oneIn(2) ? r.pick(INT_TYPES) : this.#int(depth - 1)})`;
      case 14:
        return r.oneIn(4) ? r.pick(REGISTERS) : `${r.pick(['htons', 'htonl', 'htonll', 'ntohs'])}(${this.#int(depth - 1)})`;
      case 15:
        return this.#inlines.length === 0 ? 'rand()' : `${r.pick(this.#inlines)}[${this.#int(depth - 1)}, ${this.#text(depth - 1)}]`;
      case 16:
        return r.oneIn(12) ? this.#text(depth) : `(${this.#target()} ${r.pick(ASSIGN)} ${this.#int(depth - 1)})`;
      default:
        return r.pick(this.#ints);
    }
  }

  #text(depth: number): string {
    const r = this.#random;
    if (depth <= 0) return r.oneIn(2) ? r.pick(TEXTS) : r.pick(this.#texts);
    switch (r.below(12)) {
      case 0:
        return `strjoin(${this.#text(depth - 1)}, ${this.#text(depth - 1)})`;
      case 1:
        return `substr(${this.#text(depth - 1)}, ${this.#int(depth - 1)}${r.oneIn(2) ? `, ${this.#int(depth - 1)}` : ''})`;
      case 2:
        return `lltostr(${this.#int(depth - 1)}${r.oneIn(3) ? ', 16' : ''})`;
      case 3:
        return `${r.pick(['basename', 'dirname', 'cleanpath', 'toupper', 'tolower'])}(${this.#text(depth - 1)})`;
      case 4:
        return `${r.pick(['strtok', 'strstr', 'json'])}(${r.oneIn(8) ? 'NULL' : this.#text(depth - 1)}, ${this.#text(depth - 1)})`;
      case 5:
        return `${r.pick(['strchr', 'strrchr'])}(${this.#text(depth - 1)}, ${r.pick(["'a'", "'/'", this.#int(0)])})`;
      case 6:
        return `stringof(${this.#pointer(depth - 1)})`;
      case 7:
        return `copyinstr(${this.#int(depth - 1)})`;
      case 8:
        return r.pick(TEXT_BUILTINS);
      case 9:
        return `(${this.#int(depth - 1)} ? ${this.#text(depth - 1)} : ${this.#text(depth - 1)})`;
      case 10:
        return r.oneIn(4) ? 'inet_ntop(2, alloca(8))' : 'strexitno[arg1]';
      default:
        return r.pick(this.#texts);
    }
  }

  #pointer(depth: number): string {
    const r = this.#random;
    if (depth <= 0)
      return r.pick(['NULL', '(char *)8', 'alloca(16)', '(void *)0xffffffff80000000', '(int *)alloca(32)', ...this.#pointers]);
    switch (r.below(6)) {
      case 0:
        return `alloca(${r.oneIn(4) ? this.#int(depth - 1) : 1 + r.below(64)})`;
      case 1:
        return `copyin(${this.#int(depth - 1)}, ${r.below(32)})`;
      case 2:
        return `(${r.pick(INT_TYPES)} *)${this.#pointer(depth - 1)}`;
      case 3:
        return `((char *)${this.#pointer(depth - 1)} + ${this.#int(depth - 1)})`;
      case 4:
        return `(void *)(${this.#int(depth - 1)})`;
      default:
        return this.#pointer(0);
    }
  }
}

/** A program by a seed. */
export function randomProgram(seed: number): string {
  return new Writer(new Random(seed)).program();
}

/** Pieces that a mutation puts in. */
const PIECES = [
  ...BINARY,
  ...ASSIGN,
  ...INT_TYPES,
  ...SMALL,
  ...LARGE,
  ...TEXTS,
  ...BUILTINS,
  ...PROBES,
  ...'( ) [ ] { } ; , : ? . -> ++ -- @ @a ` # $ $1 $$1 \\ " \' / // /* */ % ... self-> this-> if else sizeof offsetof stringof xlate translator inline typedef'.split(
    ' ',
  ),
  ...'struct union enum string void const static extern counter provider probe for while goto NULL count() quantize(1) printf( trace( printa( exit(0); \n \t'.split(
    ' ',
  ),
  '#pragma D option ',
  '#define X ',
  '\u0000',
  '\u00e9',
  '99999999999999999999',
  '1.5',
];

/** Tokens, roughly. */
const TOKEN = /\s+|[A-Za-z_][\w]*|\d+\w*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|->|\+\+|--|<<=?|>>=?|[-+*/%&|^<>=!]=|&&|\|\||\^\^|./gs;

/** A program that was changed in a few places; `other` lends pieces of its own. */
export function mutated(seed: number, text: string, other: string): string {
  const r = new Random(seed);
  const tokens = text.match(TOKEN) ?? [];
  const lent = other.match(TOKEN) ?? [''];
  for (let n = 1 + r.below(3); n > 0 && tokens.length > 0; n--) {
    const at = r.below(tokens.length);
    switch (r.below(8)) {
      case 0:
        tokens.splice(at, 1 + r.below(3));
        break;
      case 1:
        tokens.splice(at, 0, r.pick(PIECES));
        break;
      case 2:
        tokens[at] = r.pick(PIECES);
        break;
      case 3:
        tokens.splice(at, 0, ...tokens.slice(at, at + r.below(12)));
        break;
      case 4: {
        const to = r.below(tokens.length);
        [tokens[at], tokens[to]] = [tokens[to] as string, tokens[at] as string];
        break;
      }
      case 5: {
        const from = r.below(lent.length);
        tokens.splice(at, r.below(4), ...lent.slice(from, from + 1 + r.below(10)));
        break;
      }
      case 6:
        tokens.length = at;
        break;
      default: {
        const token = tokens[at] as string;
        const cut = r.below(token.length + 1);
        tokens[at] = token.slice(0, cut) + String.fromCharCode(r.below(127)) + token.slice(cut + r.below(2));
      }
    }
  }
  return tokens.join('');
}
