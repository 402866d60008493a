/**
 * Integer expressions mean what they mean in C: random ones, against the system's C compiler where there is one.
 *
 * The checked tree is evaluated by the model that the code generator is tested against, so types, promotions and conversions of the checker are what is
 * tested here. -fwrapv: D wraps where C leaves it open.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fit } from '../../../probes/d/ctype.ts';
import type { Names } from '../../../probes/d/names.ts';
import { checkProgram } from './checked.ts';
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

/** What the expression gives and what the variables are after it, by the C compiler; undefined when there is none. */
function byC(list: readonly Case[]): readonly string[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-check-'));
  try {
    const state = variables.map((v) => `(long long)${v}`).join(', ');
    const bodies = list.map(
      ({ values, text }) =>
        `${values.map((value, i) => `v${i} = ${value};`).join(' ')} r = (long long)(${text}); printf("%lld${' %lld'.repeat(TYPES.length)}\\n", r, ${state});`,
    );
    const source = `#include <stdio.h>\n${declarations}\nint main(void) { long long r;\n${bodies.join('\n')}\nreturn 0; }\n`;
    writeFileSync(join(folder, 'c.c'), source);
    const compiled = spawnSync('cc', ['-w', '-O0', '-fwrapv', '-fsigned-char', '-o', join(folder, 'c'), join(folder, 'c.c')]);
    if (compiled.status !== 0) return undefined;
    const out = join(folder, 'out');
    spawnSync('sh', ['-c', `'${join(folder, 'c')}' > '${out}'`]);
    return readFileSync(out, 'latin1').trimEnd().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
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

test.run();
