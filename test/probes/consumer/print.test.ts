/** print(): data by type. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { arrayOf, DOUBLE, INT64, LONG_DOUBLE, pointerTo, sizeOf, UNSIGNED_LONG, VOID } from '../../../probes/d/ctype.ts';
import type { EnumType, Type } from '../../../probes/d/types.ts';
import { field, said, struct, text, types, type Value } from './trace.ts';

function print(type: Type, value: Value, bytes = sizeOf(type)): string {
  return said([{ action: 'print', fields: [field(type, value, bytes)] }]);
}

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

test('integers in hexadecimal with the name of their type; 0 bare', () => {
  assert.is(print(types.int, 10), 'int 0xa\n');
  assert.is(print(INT64, -1), 'int64_t 0xffffffffffffffff\n');
  assert.is(print(types.unsignedShort, 65535), 'unsigned short 0xffff\n');
  assert.is(print(types.int, 0), 'int 0\n');
  assert.is(print(pointerTo(types.int), 0xffff_f000n), 'int * 0xfffff000\n');
  assert.is(print(pointerTo(VOID), 0), 'void * 0\n');
});

test('characters in quotes, those that cannot be printed in octal', () => {
  assert.is(print(types.char, 120), "char 'x'\n");
  assert.is(print(types.char, 0), "char '\\0'\n");
  assert.is(print(types.char, 10), "char '\\012'\n");
  assert.is(print(types.char, -1), "char '\\37777777777'\n");
  assert.is(print(types.unsignedChar, 120), 'unsigned char 0x78\n');
});

test('text stands in quotes, in brackets when it is a member', () => {
  assert.is(said([{ action: 'print', fields: [text('some text')] }]), 'string "some text"\n');
  assert.is(said([{ action: 'print', fields: [text('')] }]), 'string ""\n');
  assert.is(print(arrayOf(types.char, 4), 'abc'), 'char [4] "abc"\n');
  assert.is(print(arrayOf(types.char, 4), 'a\nc'), "char [4] [ 'a', '\\012', 'c', '\\0' ]\n");
  assert.is(print(arrayOf(types.char, 3), 'abc'), "char [3] [ 'a', 'b', 'c' ]\n");
  assert.is(print(struct('s', 4, [['name', arrayOf(types.char, 4), 0]]), 'abc'), 'struct s {\n    char [4] name = [ "abc" ]\n}');
});

test('a structure: members four columns in, no newline behind', () => {
  const inner = struct('inner', 4, [
    ['a', types.short, 0],
    ['c', types.char, 2],
  ]);
  const outer = struct('outer', 16, [
    ['in', inner, 0],
    ['next', pointerTo(inner), 8],
  ]);
  assert.is(
    print(outer, bytes(2, 0, 0x71, 0, 0, 0, 0, 0, 0, 0x10)),
    `struct outer {
    struct inner in = {
        short a = 0x2
        char c = 'q'
    }
    struct inner *next = 0x1000
}`,
  );
});

test('what has no name has no name, and what has no tag a space more', () => {
  const nameless = struct('', 8, [['x', types.int, 0]], 'union');
  const whole = struct('elves', 16, [
    ['feanor', types.int, 0],
    ['', nameless, 4],
    ['named', nameless, 8],
  ]);
  assert.is(
    print(whole, bytes(1, 0, 0, 0, 2, 0, 0, 0, 3)),
    `struct elves {
    int feanor = 0x1
    union  {
        int x = 0x2
    }
    union named = {
        int x = 0x3
    }
}`,
  );
  assert.is(print({ kind: 'typedef', name: 'elves_t', to: whole }, bytes(0)).split('\n')[0], 'elves_t {');
});

test('bit-fields with their widths', () => {
  const fields = struct('bits', 4, [
    ['a', types.unsigned, 0, { shift: 0, width: 3 }],
    ['b', { kind: 'typedef', name: 'uint32_t', to: types.unsigned }, 0, { shift: 3, width: 2 }],
    ['c', types.int, 0, { shift: 5, width: 12 }],
  ]);
  assert.is(
    print(fields, 0b1111_1111_1111_00_101),
    `struct bits {
    unsigned int:3 a :3 = 0x5
    unsigned int:2 b :2 = 0
    int:12 c :12 = 0xfff
}`,
  );
});

test('enumerators by name, other values as they are', () => {
  const state: EnumType = {
    kind: 'enum',
    tag: 'state',
    members: [
      ['IDLE', 0n],
      ['BUSY', 5n],
    ],
    complete: true,
  };
  assert.is(print(state, 5), 'enum state BUSY\n');
  assert.is(print(state, -3), 'enum state -3\n');
});

test('arrays: elements in one line, structures in blocks', () => {
  assert.is(print(arrayOf(types.int, 3), bytes(1, 0, 0, 0, 0, 0, 0, 0, 255)), 'int [3] [ 0x1, 0, 0xff ]\n');
  assert.is(print(arrayOf(arrayOf(types.short, 2), 2), bytes(1, 0, 2, 0, 3, 0, 4)), 'short [2][2] [ [ 0x1, 0x2 ], [ 0x3, 0x4 ] ]\n');
  assert.is(print(arrayOf(arrayOf(types.char, 2), 2), bytes(97, 0, 98, 0)), 'char [2][2] [ "a", "b" ]\n');
  const pair = struct('pair', 4, [
    ['x', types.short, 0],
    ['y', types.short, 2],
  ]);
  const row = struct('row', 8, [['pairs', arrayOf(pair, 2), 0]]);
  assert.is(
    print(row, bytes(1, 0, 2, 0, 3)),
    `struct row {
    struct pair [2] pairs = [ 
        struct pair {
            short x = 0x1
            short y = 0x2
        }, 
        struct pair {
            short x = 0x3
            short y = 0
        }
    ]
}`,
  );
});

test('floating-point numbers in the exponential form', () => {
  assert.is(print(DOUBLE, -2.5), 'double -2.5000000e+00\n');
  const one = new Uint8Array(16);
  new DataView(one.buffer).setBigUint64(0, 1n << 63n, true);
  new DataView(one.buffer).setUint16(8, 16383, true);
  assert.is(print(LONG_DOUBLE, one), 'long double +1.0000000000000000E+00\n');
});

test('a structure of which only the tag is known', () => {
  assert.is(print({ ...struct('hidden', 0, []), complete: false }, 0, 8), 'struct hidden <forward decl>');
  assert.is(print(UNSIGNED_LONG, 1n << 63n), 'unsigned long 0x8000000000000000\n');
});

test.run();
