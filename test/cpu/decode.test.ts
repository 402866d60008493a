/** The decoder against iced-x86: length, validity, operands; and against its own rules for lines. */
import { Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind } from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_MODELS, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { bytes, CODE, CPU, decoder, MODES, setIsa, UOPS, view } from './decode-core.ts';
import {
  ALWAYS,
  compare,
  DIFFERENCES,
  type Extensions,
  extensions,
  hex,
  isaIn,
  place,
  SHOWN,
  SLOT,
  type Tally,
  tally,
} from './decode-oracle.ts';
import { compareRandom, ESCAPES, generator, MAPS, randomSlot, vexSets } from './decode-random.ts';
import { lengthOf, UOP, UOP_NAMES } from './decode-operands.ts';
import { AT, CPU as X87_CPU, loadX87 } from './x87core.ts';

const x87 = await loadX87();

const ALL = extensions(SHOWN);
const REX = [0x48, 0x45, 0x4f];

/** Every opcode of a map behind a prefix, with every `step`th ModRM byte. Without a map the prefix is VEX. */
function everyOpcode(
  prefix: readonly number[],
  map: number | undefined,
  mode: (typeof MODES)[number],
  have: Extensions,
  step: number,
  sum: Tally,
): void {
  const random = generator(prefix.length * 256 + (map ?? 4));
  const before = [...prefix, ...(map === undefined ? [] : (MAPS[map] as number[]))];
  for (let op = 0; op < 256; op++) {
    if (map !== undefined && ESCAPES[map]?.includes(op)) continue;
    let n = 0;
    for (let modrm = op % step; modrm < 256; modrm += step) place(n++, [...before, op, modrm], random);
    compare(n, mode, have, sum);
  }
}

function report(sum: Tally): void {
  assert.equal([...sum.wrong.values()], []);
}

test('every opcode with every ModRM byte is what iced-x86 says, in all code sizes', () => {
  const sum = tally();
  for (const mode of MODES) {
    for (const prefix of [[], [0x66], [0xf3], [0xf2], [0xf0]]) {
      for (const map of [0, 1]) everyOpcode(prefix, map, mode, ALL, 1, sum);
      for (const map of [2, 3]) everyOpcode(prefix, map, mode, ALL, 7, sum);
    }
    for (const prefix of [[0x67], [0x65], [0x2e, 0x66], [0x66, 0xf3], [0xf3, 0x66, 0xf2]]) {
      for (const map of [0, 1, 2, 3]) everyOpcode(prefix, map, mode, ALL, 11, sum);
    }
  }
  for (const rex of REX) {
    for (const prefix of [[], [0x66], [0xf3], [0xf2]]) {
      for (const map of [0, 1, 2, 3]) everyOpcode([...prefix, rex], map, MODES[2], ALL, 5, sum);
    }
  }
  for (const vex of vexSets()) for (const mode of MODES) everyOpcode(vex, undefined, mode, ALL, 41, sum);
  report(sum);
  assert.ok(sum.valid > 800_000, `${sum.valid} valid of ${sum.compared}`);
});

test('a CPU model has the instructions of its extensions and no others', () => {
  const sum = tally();
  for (const model of CPU_MODELS.filter((m) => m !== 'max')) {
    const have = extensions(isaIn(modelFeatures(model)));
    for (const mode of MODES) {
      for (const prefix of [[], [0x66], [0xf3], [0xf2]]) for (const map of [0, 1, 2, 3]) everyOpcode(prefix, map, mode, have, 37, sum);
    }
  }
  report(sum);
});

test('an extension that CPUID hides takes its instructions along and no others', () => {
  const sum = tally();
  for (const hidden of SHOWN.filter((name) => !ALWAYS.includes(name))) {
    const have = extensions(SHOWN.filter((name) => name !== hidden));
    for (const mode of MODES) {
      for (const prefix of [[], [0x66], [0xf3], [0xf2]]) for (const map of [1, 2, 3]) everyOpcode(prefix, map, mode, have, 61, sum);
    }
  }
  report(sum);
});

test('every documented difference occurs', () => {
  assert.equal(
    DIFFERENCES.filter((d) => d.seen === 0).map((d) => d.why),
    [],
  );
});

test('BMI1 and BMI2 with every prefix field, hidden and shown', () => {
  const sum = tally();
  const random = generator(77);
  for (const have of [ALL, extensions(SHOWN.filter((n) => n !== 'bmi1')), extensions(SHOWN.filter((n) => n !== 'bmi2'))]) {
    for (const mode of MODES) {
      for (const [map, op] of [...[0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7].map((o) => [2, o] as const), [3, 0xf0] as const]) {
        let n = 0;
        for (let field = 0; field < 256; field++) {
          // R and X are inverted, and set outside 64-bit code, where this would be LES.
          const rxb = mode.bits === 64 ? random() & 0xe0 : 0xc0 | (random() & 0x20);
          place(n++, [0xc4, rxb | map, field, op, random() & 0xff], random);
        }
        compare(n, mode, have, sum);
      }
    }
  }
  report(sum);
  assert.ok(sum.valid > 800, `${sum.valid} valid`);
});

function randomInstructions(seed: number, cases: number): void {
  const sum = tally();
  compareRandom(seed, cases, sum);
  report(sum);
}

test('random bytes are what iced-x86 says', () => {
  randomInstructions(1, 300_000);
});

test('random bytes of a new seed are what iced-x86 says', () => {
  const seed = (Math.random() * 2 ** 32) >>> 0;
  process.stdout.write(`(seed ${seed}) `);
  randomInstructions(seed, 200_000);
});

test('reserved x87 opcodes are #UD, the rest and their documented aliases are not', () => {
  const ins = new Instruction();
  const wrong: string[] = [];
  for (let esc = 0; esc < 8; esc++) {
    for (let modrm = 0; modrm < 256; modrm++) {
      if (modrm < 0xc0 && (modrm & 0xc7) !== 0) continue;
      const iced = new Decoder(64, Uint8Array.from([0xd8 + esc, modrm]), 0);
      iced.decodeOut(ins);
      iced.free();
      x87.reset();
      if (modrm >= 0xc0) x87.fn.x87Reg(X87_CPU, esc, modrm);
      else x87.fn.x87Mem(X87_CPU, esc, modrm >> 3, BigInt(AT), 3, 4);
      if ((x87.fault() === 6) !== (ins.code === Code.INVALID)) wrong.push(`${(0xd8 + esc).toString(16)} ${modrm.toString(16)}`);
    }
  }
  assert.equal(wrong, []);
});

const decodeAlone = (code: readonly number[], mode: number, count = code.length): string => {
  bytes.set(code, CODE);
  return decoder.decodeAlone(CODE, count, 0, mode, UOPS) ? (UOP_NAMES[view.getUint16(UOPS, true)] as string) : 'missing bytes';
};

test('fifteen bytes are an instruction, sixteen are #GP whatever they would be', () => {
  const cases: [number[], string][] = [
    [[0x90], 'NOP'],
    [[0x0f, 0x0b], 'UD'],
    [[0xf0, 0x90], 'UD'],
    [[0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8], 'ADD_MI_32'],
    [[0x0f, 0xff, 0xc0], 'UD'],
  ];
  for (const [code, uop] of cases) {
    for (const prefix of [0x64, 0x3e]) {
      const padded = (length: number): number[] => [...new Array<number>(length - code.length).fill(prefix), ...code];
      assert.is(decodeAlone(padded(15), 2), uop, `15: ${code}`);
      assert.is(decodeAlone(padded(16), 2), 'GP', `16: ${code}`);
      assert.is(decodeAlone([...padded(40)], 2), 'GP', `40: ${code}`);
    }
  }
  // With 15 bytes to be had, the instruction is not whole, and the caller says #GP (run.ts).
  assert.is(decodeAlone(new Array<number>(16).fill(0x66), 2, 15), 'missing bytes');
  // A run of prefixes up to the end of the page is too long, not cut off.
  assert.is(decodeAlone(new Array<number>(64).fill(0x66), 1), 'GP');
});

/** SDM vol. 2, "LOCK—Assert LOCK# Signal Prefix": with these, and a destination in memory, else #UD. */
const LOCKABLE = 'Add Adc And Btc Btr Bts Cmpxchg Cmpxchg8b Cmpxchg16b Dec Inc Neg Not Or Sbb Sub Xor Xadd Xchg'.split(' ');

test('LOCK is #UD but with the instructions of its list and a destination in memory', () => {
  const ins = new Instruction();
  setIsa(SHOWN);
  const met = new Set<string>();
  for (const { mode, bits } of MODES) {
    for (const map of MAPS) {
      for (let op = 0; op < 256; op++) {
        if (ESCAPES[MAPS.indexOf(map)]?.includes(op)) continue;
        for (let modrm = 0; modrm < 256; modrm++) {
          const code = [...(bits === 64 && modrm & 1 ? [0x48] : []), ...map, op, modrm, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0].slice(0, 14);
          if (decodeAlone(code, mode) === 'UD') continue;
          const iced = new Decoder(bits, Uint8Array.from(code), DecoderOptions.ForceReservedNop);
          iced.decodeOut(ins);
          iced.free();
          const name = Mnemonic[ins.mnemonic] as string;
          const valid = LOCKABLE.includes(name) && ins.op0Kind === OpKind.Memory;
          if (valid) met.add(name);
          assert.is(decodeAlone([0xf0, ...code], mode) !== 'UD', valid, `${bits}-bit f0 ${hex(CODE)}: ${name}`);
        }
      }
    }
  }
  assert.equal([...met].sort(), [...LOCKABLE].sort());
});

/** The micro-op and its bytes but for the length, as text. */
const meaning = (code: readonly number[], mode: number): string => {
  const name = decodeAlone(code, mode);
  return `${name} ${[...bytes.slice(UOPS + 4, UOPS + 16)].join()}`;
};

test('prefixes may be repeated and stand in any order; the last of a group counts', () => {
  setIsa(SHOWN);
  const same: [number[], number[]][] = [
    [
      [0x66, 0x66, 0x66, 0x01, 0x03],
      [0x66, 0x01, 0x03],
    ],
    [
      [0x67, 0x66, 0x67, 0x01, 0x03],
      [0x66, 0x67, 0x01, 0x03],
    ],
    [
      [0x64, 0x65, 0x01, 0x03],
      [0x65, 0x01, 0x03],
    ],
    [
      [0xf0, 0x66, 0xf0, 0x01, 0x03],
      [0x66, 0xf0, 0x01, 0x03],
    ],
    [
      [0xf2, 0xf3, 0xa4],
      [0xf3, 0xa4],
    ],
    [
      [0xf3, 0xf2, 0xa6],
      [0xf2, 0xa6],
    ],
    // F2 and F3 win over 66 wherever they stand: MOVSS, MOVSD.
    [
      [0xf3, 0x66, 0x0f, 0x10, 0xc1],
      [0xf3, 0x0f, 0x10, 0xc1],
    ],
    [
      [0x66, 0xf3, 0xf2, 0x0f, 0x10, 0xc1],
      [0xf2, 0x0f, 0x10, 0xc1],
    ],
  ];
  for (const { mode } of MODES) for (const [a, b] of same) assert.is(meaning(a, mode), meaning(b, mode), `${a}`);
});

test('REX counts directly before the opcode only', () => {
  setIsa(SHOWN);
  for (const rex of [0x40, 0x44, 0x48, 0x4f]) {
    for (const prefix of [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0x41]) {
      // add r/m, r; mov r8, r8; bswap; movss
      for (const code of [
        [0x01, 0xd8],
        [0x88, 0xe0],
        [0x0f, 0xc9],
        [0x0f, 0x10, 0xca],
      ]) {
        assert.is(meaning([rex, prefix, ...code], 2), meaning([prefix, ...code], 2), `${rex} ${prefix} ${code}`);
        if (prefix !== 0x41) assert.is.not(meaning([prefix, 0x4f, ...code], 2), meaning([prefix, ...code], 2));
      }
    }
  }
});

test('CS DS ES SS before an address change nothing in 64-bit code, even behind FS', () => {
  for (const prefix of [0x26, 0x2e, 0x36, 0x3e]) {
    assert.is(meaning([prefix, 0x01, 0x03], 2), meaning([0x01, 0x03], 2));
    assert.is(meaning([0x64, prefix, 0x01, 0x03], 2), meaning([0x64, 0x01, 0x03], 2));
    assert.is.not(meaning([0x64, prefix, 0x01, 0x03], 1), meaning([0x64, 0x01, 0x03], 1));
  }
});

test('an instruction wants all of its bytes and no more', () => {
  setIsa(SHOWN);
  const random = generator(3);
  for (let i = 0; i < 20_000; i++) {
    randomSlot(0, random);
    const { mode } = MODES[i % 3] as (typeof MODES)[number];
    if (!decoder.decodeAlone(CODE, SLOT, 0, mode, UOPS)) continue;
    const uop = view.getUint16(UOPS, true);
    const length = lengthOf(UOPS);
    if (uop === UOP['GP'] || uop === UOP['UD']) continue;
    for (const n of [length - 1, length >> 1]) assert.not(decoder.decodeAlone(CODE, n, 0, mode, UOPS), `${hex(CODE)}, ${n} bytes`);
    assert.ok(decoder.decodeAlone(CODE, length, 0, mode, UOPS), hex(CODE));
    assert.is(view.getUint16(UOPS, true), uop);
  }
});

test('displacements next to 2^31 keep their target', () => {
  // Instructions at page offset 0xff0 so that what is added to the displacement is large.
  const sum = tally();
  const disps = [
    0x7fffffff, 0x7ffff010, 0x7ffff000, 0x7fffefff, 0x7fffe000, 0x7fffdfff, -1, -0x80000000, -0x7ffff000, 0x10, -0x1000, -0xff0, 0xfe0,
  ];
  const bytesOf = (d: number): number[] => [d & 255, (d >> 8) & 255, (d >> 16) & 255, (d >> 24) & 255];
  for (const d of disps) {
    const heads = [
      [0x8b, 0x05],
      [0x48, 0x89, 0x05],
      [0x0f, 0x58, 0x05],
      [0x67, 0x8b, 0x05],
      [0x64, 0x8b, 0x05],
      [0x80, 0x3d],
      [0xff, 0x25],
      [0xe8],
      [0xe9],
      [0x0f, 0x84],
      [0x48, 0x8d, 0x05],
      [0x0f, 0xb6, 0x05],
      [0xdb, 0x2d],
      [0x66, 0xe9],
      [0x67, 0xe8],
    ];
    for (let base = 0; base < 256; base += 17) {
      heads.forEach((head, i) => {
        place(i * 16 + (base >> 4), [...head, ...bytesOf(d)], () => 0x55);
      });
    }
    for (const mode of MODES) compare(256, mode, ALL, sum);
  }
  report(sum);
});

/** Micro-ops of one line: names with their bytes. */
function line(host: number, mode: number): string[] {
  const end = decoder.decodeLine(CPU, host, mode, UOPS);
  const names: string[] = [];
  for (let at = UOPS; at < end; at += 16) names.push(UOP_NAMES[view.getUint16(at, true)] as string);
  return names;
}
const CLOSING = ['PAGE_END', 'CHECK', 'ALONE'];

test('a line is its instructions one by one, but for fused and quiet forms', () => {
  setIsa(SHOWN);
  const random = generator(4);
  const alone = UOPS + 0x1000;
  for (let i = 0; i < 4000; i++) {
    const { mode } = MODES[i % 3] as (typeof MODES)[number];
    // A page of common instructions back to back, or of anything.
    let at = CODE;
    while (at < CODE + 400) {
      const common = COMMON[random() % COMMON.length] as readonly number[];
      for (const b of i % 4 === 0 ? [random()] : common) bytes[at++] = b < 0 ? random() : b;
    }
    const end = decoder.decodeLine(CPU, CODE, mode, UOPS);
    let offset = 0;
    for (let uop = UOPS; uop < end; uop += 16) {
      const name = UOP_NAMES[view.getUint16(uop, true)] as string;
      if (CLOSING.includes(name)) {
        assert.is(uop + 16, end);
        break;
      }
      assert.is(decoder.decodeAlone(CODE + offset, SLOT, offset, mode, alone), 1);
      const single = UOP_NAMES[view.getUint16(alone, true)] as string;
      const plain = name.replace(/_(J\d+|Q)$/, '');
      // Alone, no branch is local.
      if (plain.replace('_LOCAL', '_FAR') !== single.replace('_LOCAL', '_FAR')) assert.is(plain, single, hex(CODE + offset));
      for (let b = 2; b < 16; b++)
        if (view.getUint8(uop + b) !== view.getUint8(alone + b)) assert.unreachable(`${name} byte ${b}: ${hex(CODE + offset)}`);
      if (/_(LOCAL|FAR)/.test(name) && view.getUint8(uop + 6) !== 2) {
        const target = view.getInt32(uop + 12, true);
        assert.is(name.includes('_LOCAL'), target >= 0 && target < 4096, `${name} to ${target}`);
      }
      const fused = /_J(\d+)$/.exec(name)?.[1];
      if (fused !== undefined) assert.match(UOP_NAMES[view.getUint16(uop + 16, true)] as string, new RegExp(`^JCC_(LOCAL)_${fused}$`));
      offset += lengthOf(uop);
    }
  }
});

/** -1 stands for a random byte. */
const COMMON: readonly (readonly number[])[] = [
  [0x39, 0xd8],
  [0x48, 0x39, 0xd8],
  [0x83, 0xf8, -1],
  [0x74, -1],
  [0x75, -1],
  [0x7c, -1],
  [0x85, 0xc0],
  [0xa8, 1],
  [0x80, 0x38, -1],
  [0x01, 0xc8],
  [0x83, 0xc0, -1],
  [0xc1, 0xe0, 3],
  [0xff, 0xc0],
  [0x89, 0xd8],
  [0x8b, 0x43, -1],
  [0x8d, 0x43, 1],
  [0xf7, 0xd0],
  [0x0f, 0xb6, 0xc0],
  [0xb0, -1],
  [0x90],
  [0x0f, 0x84, -1, 0, 0, 0],
  [0x11, 0xc8],
  [0x9f],
  [0x50],
  [0x31, 0xc0],
  [0x0f, 0x94, 0xc0],
  [0xd1, 0xe8],
  [0xf7, 0xd8],
];

test('flags are dropped only where the same line replaces them before anything can see them', () => {
  // add eax, ecx; mov ebx, edx; sub eax, ecx; nop
  bytes.set([0x01, 0xc8, 0x89, 0xd3, 0x29, 0xc8, 0x90, 0xc3], CODE);
  assert.equal(line(CODE, 1).slice(0, 3), ['ADD_RR_32_Q', 'MOV_RR_32', 'SUB_RR_32']);
  // A load may fault, adc and sete read, inc keeps CF, a shift by CL may keep all, a branch shows them to its target.
  for (const between of [[0x8b, 0x18], [0x11, 0xd3], [0x0f, 0x94, 0xc3], [0x43], [0xd3, 0xe3], [0x74, 0x10], [0x50], [0x9c], [0xf4]]) {
    bytes.set([0x01, 0xc8, ...between, 0x29, 0xc8, 0xc3], CODE);
    assert.is(line(CODE, 1)[0], 'ADD_RR_32', between.map((b) => b.toString(16)).join(' '));
  }
});

test('a line ends behind an unconditional transfer, at the page end, or full', () => {
  for (const [code, count] of [
    [[0xc3], 1],
    [[0xeb, 0], 1],
    [[0xe8, 0, 0, 0, 0], 1],
    [[0xff, 0xe0], 1],
    [[0x0f, 0x0b], 1],
    [[0x74, 0, 0xc3], 2],
    [[0xcc], 1],
    [[0xcf], 1],
  ] as const) {
    bytes.set([...code, 0x90, 0x90], CODE);
    assert.is(line(CODE, 2).length, count, `${code}`);
  }
  bytes.fill(0x90, CODE, CODE + 4096);
  assert.equal(line(CODE, 2).slice(31), ['NOP', 'CHECK']);
  assert.equal(line(CODE + 4090, 2), ['NOP', 'NOP', 'NOP', 'NOP', 'NOP', 'NOP', 'PAGE_END']);
  bytes.set([0x90, 0xe8, 0, 0], CODE + 4092);
  assert.equal(line(CODE + 4092, 2), ['NOP', 'ALONE']);
  bytes.set([0x66, 0x66, 0x66, 0x66], CODE + 4092);
  assert.equal(line(CODE + 4092, 2), ['ALONE']);
  bytes.fill(0x66, CODE + 4000, CODE + 4096);
  assert.equal(line(CODE + 4000, 2), ['GP']);
});

test('a branch is local only where its target needs no check: not alone, not to the first 64 KB of 32-bit code', () => {
  const jump = [0xeb, 0x10];
  for (const { mode } of MODES) {
    assert.is(decodeAlone(jump, mode), 'JMP_FAR');
    bytes.set([0x66, ...jump], CODE);
    assert.equal(line(CODE, mode), [mode === 1 ? 'JMP_FAR' : 'JMP_LOCAL']);
    assert.equal(line(CODE + 1, mode), ['JMP_LOCAL']);
  }
});

test.run();
