/**
 * Integer expressions mean what they mean in C, and structures lie in memory as in C: random ones, against the system's C compiler where there is one.
 *
 * The checked tree is evaluated by the model that the code generator is tested against, so types, promotions and conversions of the checker are what is
 * tested here. -fwrapv: D wraps where C leaves it open.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fit, sizeOf } from '../../../probes/d/ctype.ts';
import type { Names } from '../../../probes/d/names.ts';
import type { Member } from '../../../probes/d/types.ts';
import { checkExpression, checkProgram } from './checked.ts';
import { Model } from './codegen/model.ts';

const test = suite('checked expressions against C');

const TYPES = ['char', 'unsigned char', 'short', 'unsigned short', 'int', 'unsigned int', 'long', 'unsigned long', 'long long'] as const;
const BINARY = ['+', '-', '*', '&', '|', '^', '<', '<=', '>', '>=', '==', '!=', '&&', '||'] as const;
const UPDATES = ['+=', '-=', '*=', '&=', '|=', '^='] as const;

/** xorshift32: the same programs in every run. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % limit;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** A value near a bound of some type, where conversions show. */
function constant(random: Random): string {
  const bits = random.of([0, 1, 7, 8, 15, 16, 31, 32, 63]);
  const value = (1n << BigInt(bits)) + BigInt(random.below(3) - 1);
  return `0x${BigInt.asUintN(64, value).toString(16)}${random.of(['', '', 'u', 'l', 'ul'])}`;
}

/** A variable for each type: `v3`. */
const variables = TYPES.map((_, i) => `v${i}`);

function expression(random: Random, depth: number): string {
  if (depth === 0) return random.of([() => random.of(variables), () => random.of(variables), () => constant(random)])();
  const part = (): string => expression(random, depth - 1 - random.below(depth));
  // A constant by itself is folded by D, which gives shifts wider types than C does.
  const shift = (): string => `(${random.of(variables)} ${random.of(['<<', '>>'])} ${random.below(8)})`;
  return random.of([
    () => `(${part()} ${random.of(BINARY)} ${part()})`,
    () => `(${part()} ${random.of(BINARY)} ${part()})`,
    () => `(${part()} ${random.of(['/', '%'])} ((${part()} & 0x7f) + 1))`,
    () => `${random.of(['-', '~', '!', '+'])}(${part()})`,
    () => `((${random.of(TYPES)})(${part()}))`,
    () => `(${part()} ? ${part()} : ${part()})`,
    shift,
  ])();
}

interface Case {
  /** Given to the variables first. */
  readonly values: readonly string[];
  readonly text: string;
}

function cases(count: number): Case[] {
  const random = new Random(20260125);
  return Array.from({ length: count }, () => {
    const values = TYPES.map(() => constant(random));
    const target = random.of(variables);
    const text = random.of([
      () => expression(random, 4),
      () => expression(random, 3),
      () => `${target} = ${expression(random, 2)}`,
      () => `${target} ${random.of(UPDATES)} ${expression(random, 2).replaceAll(target, 'v0')}`,
      () => `${target} ${random.of(['<<=', '>>='])} ${random.below(8)}`,
      () => random.of([`${target}++`, `--${target}`, `++${target}`, `${target}--`]),
    ])();
    return { values, text };
  });
}

const declarations = TYPES.map((type, i) => `${type} v${i};`).join('\n');

/** Compiles and runs a C program; its lines, or undefined when there is no compiler. */
function runC(source: string): readonly string[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-check-'));
  try {
    writeFileSync(join(folder, 'c.c'), source);
    const compiled = spawnSync('cc', ['-w', '-O0', '-fwrapv', '-fsigned-char', '-o', join(folder, 'c'), join(folder, 'c.c')]);
    if (compiled.status !== 0) return undefined;
    return spawnSync(join(folder, 'c'), { encoding: 'latin1', maxBuffer: 1 << 24 })
      .stdout.trimEnd()
      .split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the expression gives and what the variables are after it, by the C compiler. */
function byC(list: readonly Case[]): readonly string[] | undefined {
  const state = variables.map((v) => `(long long)${v}`).join(', ');
  const bodies = list.map(
    ({ values, text }) =>
      `${values.map((value, i) => `v${i} = ${value};`).join(' ')} r = (long long)(${text}); printf("%lld${' %lld'.repeat(TYPES.length)}\\n", r, ${state});`,
  );
  return runC(`#include <stdio.h>\n${declarations}\nint main(void) { long long r;\n${bodies.join('\n')}\nreturn 0; }\n`);
}

function byModel(names: Names, model: Model, result: bigint | number): string {
  const state = variables.map((name) => {
    const id = names.global(name);
    if (id?.kind !== 'variable') throw new Error(`no variable ${name}`);
    return BigInt.asIntN(64, fit(model.variables.get(id.variable) ?? 0n, id.variable.type));
  });
  return [typeof result === 'bigint' ? BigInt.asIntN(64, result) : `fault ${result}`, ...state].join(' ');
}

test('random expressions and assignments have the values that C gives them', () => {
  const list = cases(600);
  const expected = byC(list);
  if (expected === undefined) return;
  assert.is(expected.length, list.length);
  for (const [i, { values, text }] of list.entries()) {
    const assignments = values.map((value, v) => `v${v} = ${value};`).join(' ');
    const { names, expressions } = checkProgram(`${declarations}\nBEGIN { ${assignments} ${text}; }`);
    const model = new Model();
    let result: bigint | number = 0n;
    for (const e of expressions) result = model.value(e);
    assert.is(byModel(names, model, result), expected[i], `${assignments} ${text}`);
  }
});

/** Members as declared: every name once, bit-fields of any width. */
function structure(random: Random, number: number): string {
  const members = Array.from({ length: 1 + random.below(9) }, (_, i) => {
    const type = random.of(TYPES);
    const bits = 8 * sizeOf(checkExpression(`(${type})0`).type);
    return random.of([
      () => `${type} m${i} : ${1 + random.below(bits)};`,
      () => `${type} m${i} : ${1 + random.below(bits)};`,
      () => `${type} m${i};`,
      () => `${type} m${i}[${1 + random.below(3)}];`,
      () => `struct { char x; ${type} y; } m${i};`,
    ])();
  });
  return `${random.below(5) === 0 ? 'union' : 'struct'} s${number} { ${members.join(' ')} };`;
}

/** The bits of a structure that a member takes, as hexadecimal bytes. */
function bitsOf(member: Member, bytes: number): string {
  const [first, count] =
    member.bits === undefined ? [member.offset * 8, sizeOf(member.type) * 8] : [member.offset * 8 + member.bits.shift, member.bits.width];
  const mask = ((1n << BigInt(count)) - 1n) << BigInt(first);
  return Array.from({ length: bytes }, (_, i) => Number((mask >> BigInt(8 * i)) & 0xffn).toString(16)).join('.');
}

test('structures, unions and bit-fields lie in memory as in C', () => {
  const random = new Random(4711);
  const structures = Array.from({ length: 120 }, (_, i) => structure(random, i));
  const bodies = structures.map((text, i) => {
    const kind = text.slice(0, text.indexOf(' '));
    const names = [...text.matchAll(/ (m[0-9]+)( :|;|\[)/g)];
    const shown = names.map(([, name, what]) => {
      const set = what === ' :' ? `x.${name} = -1;` : `memset(&x.${name}, 255, sizeof x.${name});`;
      return `memset(&x, 0, sizeof x); ${set} for (i = 0; i < sizeof x; i++) printf("%s%x", i ? "." : " ", p[i]);`;
    });
    return `{ ${kind} s${i} x; unsigned char *p = (void *)&x; printf("%d", (int)sizeof x); ${shown.join(' ')} printf("\\n"); }`;
  });
  const source = `#include <stdio.h>\n#include <string.h>\n${structures.join('\n')}\nint main(void) { unsigned i;\n${bodies.join('\n')}\nreturn 0; }\n`;
  const expected = runC(source);
  if (expected === undefined) return;
  const { names } = checkProgram(structures.join('\n'));
  structures.forEach((text, i) => {
    const type = names.tag(`s${i}`);
    if (type?.kind !== 'struct' && type?.kind !== 'union') throw new Error(`no structure s${i}`);
    const found = [type.bytes, ...type.members.map((member) => bitsOf(member, type.bytes))];
    assert.is(found.join(' '), expected[i], text);
  });
});

test.run();
