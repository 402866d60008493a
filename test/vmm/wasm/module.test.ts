/** Modules made with the emitter: they validate, instantiate and compute. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Asm, EMPTY, F64, FUNCREF, I32, I64, V128 } from '../../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../../vmm/wasm/module.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';

// biome-ignore lint/suspicious/noExplicitAny: an export is called with whatever its type asks for
type Exported = Record<string, any>;

function instantiate(m: ModuleBuilder, imports: WebAssembly.Imports = {}): Exported {
  return new WebAssembly.Instance(new WebAssembly.Module(m.finish()), imports).exports;
}

test('a loop sums', () => {
  const m = new ModuleBuilder();
  const sum = m.func(m.type([I32], [I32]), (a) => {
    const total = a.local(I32);
    const done = a.block();
    const again = a.loop();
    a.get(0);
    a.op(OP.i32Eqz);
    a.brIf(done);
    a.get(total);
    a.get(0);
    a.op(OP.i32Add);
    a.set(total);
    a.get(0);
    a.i32(1);
    a.op(OP.i32Sub);
    a.set(0);
    a.br(again);
    a.end();
    a.end();
    a.get(total);
  });
  m.export('sum', 'func', sum);
  assert.is(instantiate(m)['sum'](100), 5050);
});

test('functions call each other before they are defined', () => {
  const m = new ModuleBuilder();
  const type = m.type([I32], [I32]);
  assert.is(m.type([I32], [I32]), type);
  const even = m.declare(type);
  const odd = m.declare(type);
  const define = (self: number, other: number, atZero: number): void => {
    const a = m.define(self);
    a.get(0);
    a.op(OP.i32Eqz);
    a.if_(I32);
    a.i32(atZero);
    a.else_();
    a.get(0);
    a.i32(1);
    a.op(OP.i32Sub);
    a.returnCall(other);
    a.end();
    m.end();
  };
  define(odd, even, 0);
  define(even, odd, 1);
  m.export('even', 'func', even);
  // A million calls deep: only tail calls can.
  assert.is(instantiate(m)['even'](1_000_001), 0);
});

test('shared memory is imported, accessed at offsets, copied and filled', () => {
  const m = new ModuleBuilder();
  m.importMemory('env', 'memory', { initial: 1, maximum: 4, shared: true });
  const go = m.func(m.type([I32], [I64]), (a) => {
    a.get(0);
    a.i64(0x89ab_cdef, 0x0123_4567);
    a.mem(OP.i64Store, 70_000 - 65_536);
    a.i32(256);
    a.get(0);
    a.i32(8);
    a.memoryCopy();
    a.i32(128);
    a.i32(0xaa);
    a.i32(4);
    a.memoryFill();
    a.get(0);
    a.i64(1);
    a.mem(OP.i64AtomicRmwAdd, 4464);
    a.op(OP.drop);
    a.get(0);
    a.mem(OP.i64Load, 4464);
  });
  m.export('go', 'func', go);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  assert.is(instantiate(m, { env: { memory } })['go'](4464), 0x0123_4567_89ab_cdf0n);
  assert.equal([...new Uint8Array(memory.buffer, 128, 5)], [0xaa, 0xaa, 0xaa, 0xaa, 0]);
});

test('64-bit constants of every size and sign', () => {
  const m = new ModuleBuilder();
  const values = [0n, -1n, 63n, -64n, 64n, 2n ** 31n, -(2n ** 31n), 2n ** 32n + 5n, 2n ** 63n - 1n, -(2n ** 63n), 0x1234_5678_9abc_def0n];
  values.forEach((value, i) => {
    const f = m.func(m.type([], [I64]), (a) => a.i64(Number(BigInt.asUintN(32, value)), Number(BigInt.asIntN(32, value >> 32n))));
    m.export(`v${i}`, 'func', f);
  });
  const exact = [-1, 2 ** 40 + 3, -(2 ** 40) - 3];
  exact.forEach((value, i) => {
    m.export(
      `n${i}`,
      'func',
      m.func(m.type([], [I64]), (a) => a.i64(value)),
    );
  });
  const e = instantiate(m);
  values.forEach((value, i) => {
    assert.is(e[`v${i}`](), value);
  });
  exact.forEach((value, i) => {
    assert.is(e[`n${i}`](), BigInt(value));
  });
});

test('br_table dispatches over its labels and beyond', () => {
  const m = new ModuleBuilder();
  const pick = m.func(m.type([I32], [I32]), (a) => {
    const labels = new Int32Array(4);
    const other = a.block();
    for (let i = 3; i >= 0; i--) labels[i] = a.block();
    a.get(0);
    a.brTable(labels, other);
    for (let i = 0; i < 4; i++) {
      a.end();
      a.i32(10 + i);
      a.return_();
    }
    a.end();
    a.i32(-1);
  });
  m.export('pick', 'func', pick);
  const e = instantiate(m);
  assert.equal(
    [0, 1, 2, 3, 4, -1].map((n) => e['pick'](n)),
    [10, 11, 12, 13, -1, -1],
  );
});

test('tables, indirect calls, imports and globals', () => {
  const m = new ModuleBuilder();
  const binary = m.type([I32, I32], [I32]);
  const host = m.importFunction('env', 'host', binary);
  const counter = m.importGlobal('env', 'counter', I32, true);
  const table = m.importTable('env', 'table', { initial: 4 });
  const seven = m.global(I32, false, (a) => a.i32(7));
  const add = m.func(binary, (a) => {
    a.get(0);
    a.get(1);
    a.op(OP.i32Add);
  });
  m.elements(1, [add, host]);
  const apply = m.func(m.type([I32], [I32]), (a) => {
    a.globalGet(counter);
    a.i32(1);
    a.op(OP.i32Add);
    a.globalSet(counter);
    a.globalGet(seven);
    a.i32(3);
    a.get(0);
    a.callIndirect(binary, table);
  });
  m.export('apply', 'func', apply);
  const counterGlobal = new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
  const imports = {
    host: (x: number, y: number) => x * y,
    counter: counterGlobal,
    table: new WebAssembly.Table({ element: 'anyfunc', initial: 4 }),
  };
  const e = instantiate(m, { env: imports });
  assert.is(e['apply'](1), 10);
  assert.is(e['apply'](2), 21);
  assert.is(counterGlobal.value, 2);
  assert.throws(() => e['apply'](3));
});

test('data segments, active and passive', () => {
  const m = new ModuleBuilder();
  m.memory({ initial: 1 });
  m.export('memory', 'memory');
  m.data(16, Uint8Array.of(1, 2, 3));
  const segment = m.passiveData(Uint8Array.of(9, 8, 7, 6));
  m.export(
    'put',
    'func',
    m.func(m.type([], []), (a) => {
      a.i32(32);
      a.i32(1);
      a.i32(2);
      a.memoryInit(segment);
      a.dataDrop(segment);
    }),
  );
  const e = instantiate(m);
  e['put']();
  const bytes = new Uint8Array(e['memory'].buffer);
  assert.equal([...bytes.slice(16, 20)], [1, 2, 3, 0]);
  assert.equal([...bytes.slice(32, 36)], [8, 7, 0, 0]);
  assert.throws(() => e['put']());
});

test('locals of one type share a declaration, and released ones are used again', () => {
  const m = new ModuleBuilder();
  const type = m.type([I32], []);
  const a = m.define(m.declare(type));
  const first = a.local(I64);
  assert.is(first, 1);
  assert.is(a.local(I64), 2);
  a.release(first);
  a.release(first);
  assert.is(a.local(I32), 3);
  assert.is(a.local(I64), first);
  assert.is(a.local(I64), 4);
  a.release(0);
  assert.is(a.local(I32), 0);
  m.end();
  const bytes = [...m.finish()];
  // Code section: one body; three runs: 2 x i64, 1 x i32, 1 x i64; end.
  assert.equal(bytes.slice(-8), [3, 2, I64, 1, I32, 1, I64, 0x0b]);
});

test('the next function starts with no locals of the last', () => {
  const m = new ModuleBuilder();
  m.func(m.type([], []), (a) => void a.local(F64));
  m.func(m.type([I32], [I32]), (a) => {
    assert.is(a.local(I64), 1);
    a.get(0);
  });
  assert.ok(WebAssembly.validate(m.finish()));
});

test('branch hints name the branch by its place in the function, functions in order', () => {
  const m = new ModuleBuilder();
  const type = m.type([I32], [I32]);
  const host = m.importFunction('env', 'f', m.type([], []));
  assert.is(host, 0);
  const first = m.declare(type);
  const second = m.declare(type);
  const body = (a: Asm): void => {
    a.local(I64);
    a.get(0);
    a.hint(false);
    a.if_(EMPTY);
    a.i32(1);
    a.return_();
    a.end();
    a.i32(2);
  };
  body(m.define(second));
  m.end();
  body(m.define(first));
  m.end();
  const module = new WebAssembly.Module(m.finish());
  const [section] = WebAssembly.Module.customSections(module, 'metadata.code.branch_hint');
  // Locals take 3 bytes, local.get 2: the if stands at 5.
  assert.equal([...new Uint8Array(section as ArrayBuffer)], [2, first, 1, 5, 1, 0, second, 1, 5, 1, 0]);
});

test('vectors: constants, lanes, shuffles', () => {
  const m = new ModuleBuilder();
  m.memory({ initial: 1 });
  m.export('memory', 'memory');
  m.export(
    'go',
    'func',
    m.func(m.type([], [I32]), (a) => {
      a.i32(0);
      a.v128(0x0302_0100, 0x0706_0504, 0x0b0a_0908, -1);
      a.v128(1, 2, 3, 4);
      a.shuffle([0, 1, 2, 3, 16, 17, 18, 19, 12, 13, 14, 15, 28, 29, 30, 31]);
      a.mem(OP.v128Store);
      a.i32(0);
      a.mem(OP.v128Load);
      a.i32(9);
      a.lane(OP.i32x4ReplaceLane, 1);
      const v = a.local(V128);
      a.set(v);
      a.i32(20);
      a.get(v);
      a.memLane(OP.v128Store16Lane, 6, 2);
      a.get(v);
      a.lane(OP.i32x4ExtractLane, 1);
    }),
  );
  const e = instantiate(m);
  assert.is(e['go'](), 9);
  assert.equal([...new Uint32Array(e['memory'].buffer, 0, 4)], [0x0302_0100, 1, 0xffff_ffff, 4]);
  assert.is(new Uint16Array(e['memory'].buffer)[11], 4);
});

test('references and tables of the module', () => {
  const m = new ModuleBuilder();
  const type = m.type([], [I32]);
  const table = m.table({ initial: 2, maximum: 2 });
  const answer = m.func(type, (a) => a.i32(42));
  m.declareReferences([answer]);
  m.export(
    'go',
    'func',
    m.func(type, (a) => {
      a.i32(1);
      a.refFunc(answer);
      a.tableSet(table);
      a.i32(0);
      a.tableGet(table);
      a.refIsNull();
      a.refNull(FUNCREF);
      a.refIsNull();
      a.op(OP.i32And);
      a.if_();
      a.i32(1);
      a.returnCallIndirect(type, table);
      a.end();
      a.op(OP.unreachable);
    }),
  );
  assert.is(instantiate(m)['go'](), 42);
});

test('a builder that is reset makes the same module again', () => {
  const m = new ModuleBuilder();
  const make = (): Uint8Array => {
    const binary = m.type([I32, I32], [I32]);
    m.importMemory('env', 'memory', { initial: 1 });
    m.export(
      'f',
      'func',
      m.func(binary, (a) => {
        a.get(0);
        a.get(1);
        a.hint(true);
        a.if_(I32);
        a.i32(1);
        a.else_();
        a.get(0);
        a.end();
        a.op(OP.i32Xor);
      }),
    );
    return m.finish();
  };
  m.func(m.type([I64], []), (a) => void a.local(I64));
  m.data(0, Uint8Array.of(1));
  m.reset();
  const first = make();
  m.reset();
  assert.equal([...make()], [...first]);
});

test('misuse is refused', () => {
  const m = new ModuleBuilder();
  const type = m.type([], []);
  const f = m.declare(type);
  assert.throws(() => m.importFunction('a', 'b', type), /after the first declaration/);
  assert.throws(() => m.finish(), /not defined/);
  const a = m.define(f);
  assert.throws(() => m.define(f), /open|defined already/);
  const label = a.block();
  assert.throws(() => m.end(), /1 blocks are open/);
  a.end();
  assert.throws(() => a.br(label), /not open/);
  m.end();
  assert.throws(() => m.end(), /no function is open/);
  assert.throws(() => a.end(), /without a block/);
  assert.throws(() => m.importMemory('a', 'b', { initial: 1, shared: true }), /maximum/);
});

test.run();
