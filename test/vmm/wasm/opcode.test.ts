/**
 * The opcode table against another assembler: every instruction is written as text, assembled by binaryen (which the AssemblyScript compiler
 * brings), and compared byte for byte with what the emitter writes.
 */
import binaryen from 'binaryen';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Asm, F32, F64, I32, I64, V128, type ValueType } from '../../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../../vmm/wasm/module.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';

const TYPE: Record<string, ValueType> = { i32: I32, i64: I64, f32: F32, f64: F64, v128: V128 };

/** The text format's name of a constant's: `i32x4TruncSatF64x2SZero` is `i32x4.trunc_sat_f64x2_s_zero`. */
function mnemonic(constant: string): string {
  const words = constant.replace(/([A-Z])/g, (c) => `_${c.toLowerCase()}`).split('_');
  const [first = '', ...rest] = words;
  if (rest[0] !== 'atomic') return rest.length === 0 ? first : `${first}.${rest.join('_')}`;
  const [, operation = '', ...more] = rest;
  // Loads, stores, waits: i32.atomic.load8_u; the others: i32.atomic.rmw8.add_u.
  return operation.startsWith('rmw')
    ? `${first}.atomic.${operation}.${more.join('_')}`
    : `${first}.atomic.${[operation, ...more].join('_')}`;
}

/** Types of an instruction's operands and result, from its name. */
function signature(name: string): { params: string[]; result: string } {
  const [prefix = '', operation = ''] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)];
  if (operation.startsWith('atomic.')) return atomicSignature(prefix, operation.slice(7));
  if (/^(load|store)\d*_lane/.test(operation)) return { params: ['i32', 'v128'], result: operation.startsWith('load') ? 'v128' : '' };
  if (operation.startsWith('load')) return { params: ['i32'], result: prefix };
  if (operation.startsWith('store')) return { params: ['i32', prefix], result: '' };
  return /x\d+$/.test(prefix) || prefix === 'v128' ? vectorSignature(prefix, operation) : scalarSignature(prefix, operation);
}

function atomicSignature(prefix: string, operation: string): { params: string[]; result: string } {
  if (operation === 'notify') return { params: ['i32', 'i32'], result: 'i32' };
  if (operation === 'wait32') return { params: ['i32', 'i32', 'i64'], result: 'i32' };
  if (operation === 'wait64') return { params: ['i32', 'i64', 'i64'], result: 'i32' };
  if (operation.startsWith('load')) return { params: ['i32'], result: prefix };
  if (operation.startsWith('store')) return { params: ['i32', prefix], result: '' };
  return { params: operation.includes('cmpxchg') ? ['i32', prefix, prefix] : ['i32', prefix], result: prefix };
}

const COMPARE = /^(eq|ne|lt|gt|le|ge)(_[su])?$/;

function scalarSignature(prefix: string, operation: string): { params: string[]; result: string } {
  const from = /_(i32|i64|f32|f64)(_[su])?$/.exec(operation)?.[1];
  if (from !== undefined) return { params: [from], result: prefix };
  if (operation === 'eqz') return { params: [prefix], result: 'i32' };
  if (COMPARE.test(operation)) return { params: [prefix, prefix], result: 'i32' };
  const unary = /^(clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt|extend\d+_s)$/.test(operation);
  return { params: unary ? [prefix] : [prefix, prefix], result: prefix };
}

function vectorSignature(prefix: string, operation: string): { params: string[]; result: string } {
  const lane = prefix.startsWith('f') || prefix.startsWith('i64') ? prefix.slice(0, 3) : 'i32';
  if (operation === 'splat') return { params: [lane], result: 'v128' };
  if (operation.startsWith('extract_lane')) return { params: ['v128'], result: lane };
  if (operation === 'replace_lane') return { params: ['v128', lane], result: 'v128' };
  if (/^sh[lr]/.test(operation)) return { params: ['v128', 'i32'], result: 'v128' };
  if (/^(all_true|any_true|bitmask)$/.test(operation)) return { params: ['v128'], result: 'i32' };
  if (operation === 'bitselect') return { params: ['v128', 'v128', 'v128'], result: 'v128' };
  const unary = /^(not|abs|neg|popcnt|ceil|floor|trunc|nearest|sqrt|demote|promote|extadd|extend|convert|trunc_sat)/.test(operation);
  return { params: unary ? ['v128'] : ['v128', 'v128'], result: 'v128' };
}

const PLAIN = new Set(['unreachable', 'nop', 'return', 'drop', 'select']);

/** How binaryen writes an instruction's immediates: a lane, or a memory argument when it is not the default. */
function immediate(name: string): string {
  if (/_lane/.test(name)) return ' 1';
  return /\.(atomic\.|load|store)/.test(name) || name.startsWith('memory.atomic') ? ' offset=300' : '';
}

function emit(a: Asm, name: string, opcode: number): void {
  const memory = /\.(atomic\.|load|store)/.test(name);
  if (/(load|store)\d*_lane/.test(name)) a.memLane(opcode, 1, 300);
  else if (memory) a.mem(opcode, 300);
  else if (/_lane/.test(name)) a.lane(opcode, 1);
  else a.op(opcode);
}

const names = Object.entries(OP)
  .map(([constant, opcode]) => ({ name: mnemonic(constant), opcode }))
  .filter(({ name }) => !PLAIN.has(name));

/** One function for each instruction: its operands are its parameters. */
function ours(): Uint8Array {
  const m = new ModuleBuilder();
  m.importMemory('env', 'memory', { initial: 1, maximum: 1, shared: true });
  for (const { name, opcode } of names) {
    const { params, result } = signature(name);
    const type = m.type(
      params.map((p) => TYPE[p] as ValueType),
      result === '' ? [] : [TYPE[result] as ValueType],
    );
    m.func(type, (a) => {
      params.forEach((_, i) => {
        a.get(i);
      });
      emit(a, name, opcode);
    });
  }
  return m.finish();
}

function theirs(): Uint8Array {
  const functions = names.map(({ name }) => {
    const { params, result } = signature(name);
    const operands = params.map((_, i) => `(local.get ${i})`).join(' ');
    const lanes = /(load|store)\d*_lane/.test(name) ? ' offset=300 1' : immediate(name);
    return `(func ${params.map((p) => `(param ${p})`).join(' ')} ${result === '' ? '' : `(result ${result})`} (${name}${lanes} ${operands}))`;
  });
  const module = binaryen.parseText(`(module (import "env" "memory" (memory 1 1 shared)) ${functions.join('\n')})`);
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

/** The bodies of a module's code section, as hexadecimal text. */
function bodies(bytes: Uint8Array): string[] {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  for (;;) {
    const id = bytes[at++];
    const size = leb();
    if (id !== 10) {
      at += size;
      continue;
    }
    return Array.from({ length: leb() }, () => {
      const length = leb();
      at += length;
      return Buffer.from(bytes.subarray(at - length, at)).toString('hex');
    });
  }
}

test('every instruction has the bytes that binaryen gives it', () => {
  assert.ok(names.length > 400);
  const mine = bodies(ours());
  const other = bodies(theirs());
  assert.is(mine.length, names.length);
  assert.is(other.length, names.length);
  const different = names.filter((_, i) => mine[i] !== other[i]).map(({ name }) => name);
  assert.equal(different, []);
});

test('V8 accepts a module of all of them', () => {
  assert.ok(WebAssembly.validate(ours()));
});

test('the body writer alone refuses nothing that is nested well', () => {
  const a = new Asm();
  a.start([]);
  a.block();
  a.loop();
  assert.is(a.depth, 3);
  a.end();
  a.end();
  a.finish();
  assert.is(a.size, 7);
});

test.run();
