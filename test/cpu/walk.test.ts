/** Every opcode of every map in every mode, by its models: #UD where there is no such instruction, and nowhere else. */
import { Code, Decoder, FlowControl, Instruction, Register } from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_MODELS, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { bytes, CODE } from './decode-core.ts';
import { extensions, SHOWN, SLOT } from './decode-oracle.ts';
import { generator, randomSlot } from './decode-random.ts';
import { walk } from './walk.ts';
import { type Conditions, WALK_MODES, WalkCore, type WalkMode } from './walk-core.ts';

/** Every so many ModRM bytes; test/slow/walk.test.ts takes each. */
const STEP = { v1: 127, v2: 127, v3: 127, max: 37 } as const;

for (const model of CPU_MODELS) {
  test(`${model}: every encoding is executed or #UD as its manual says`, () => {
    for (const mode of Object.keys(WALK_MODES) as WalkMode[]) {
      const { wrong, executed, undefinedOpcodes } = walk(mode, modelFeatures(model), STEP[model]);
      assert.equal(wrong, []);
      assert.ok(undefinedOpcodes > executed / 2 && undefinedOpcodes < executed, `${executed}, ${undefinedOpcodes} undefined`);
    }
  });
}

const CONDITIONS: readonly [string, Conditions][] = [
  ['memory that faults', {}],
  ['CR0.TS', { ts: true }],
  ['CR0.EM', { em: true }],
  ['CR0.EM and TS', { em: true, ts: true }],
  ['CR4.OSFXSR clear', { noOsfxsr: true }],
  ['CR4.OSXSAVE clear', { noOsxsave: true }],
];

for (const [name, conditions] of CONDITIONS) {
  test(`${name}: #UD and #NM come before what the address faults with, and where their tables say`, () => {
    for (const mode of ['real', 'protected32', 'long'] as const) {
      const { wrong } = walk(mode, modelFeatures('max'), 61, { ...conditions, badMemory: true });
      assert.equal(wrong, []);
    }
  });
}

/** Cases of a seed, with their length: valid instructions that do not branch and have no operand relative to where or what the code is. */
function* instructions(mode: WalkMode, count: number): Generator<{ code: Uint8Array; length: number }> {
  const random = generator(WALK_MODES[mode] * 7 + mode.length);
  const have = extensions(SHOWN);
  const ins = new Instruction();
  for (let i = 0; i < count; i++) {
    randomSlot(0, random);
    const code = bytes.slice(CODE, CODE + SLOT);
    const iced = new Decoder(WALK_MODES[mode], code, have.options);
    iced.decodeOut(ins);
    iced.free();
    const free = !ins.isIpRelMemoryOperand && ins.segmentPrefix !== Register.CS && ins.cpuidFeatures().every((f) => have.have.has(f));
    if (ins.code !== Code.INVALID && ins.flowControl === FlowControl.Next && free) yield { code, length: ins.length };
  }
  ins.free();
}

test('an instruction across two pages is the one that it is in a page', () => {
  for (const mode of Object.keys(WALK_MODES) as WalkMode[]) {
    const core = new WalkCore(mode, modelFeatures('max'), { badMemory: true });
    for (const { code, length } of instructions(mode, 4000)) {
      const whole = core.execute(code);
      for (const before of [1, length >> 1, length - 1]) {
        if (before === 0) continue;
        const { vector, moved, broken } = core.execute(code, 4096 - before);
        const jumps = vector === undefined && whole.moved !== length;
        assert.equal(
          [vector, broken, jumps ? 0 : moved],
          [whole.vector, whole.broken, jumps ? 0 : moved],
          Buffer.from(code).toString('hex'),
        );
        if (vector === undefined && !jumps) assert.is(moved, whole.moved);
      }
    }
  }
});

test('an instruction that the limit of CS cuts is #GP, whatever it would be', () => {
  // 64-bit code has no limit; in real mode the handlers would have the same.
  for (const mode of ['vm86', 'protected16', 'protected32', 'compatibility'] as const) {
    const core = new WalkCore(mode, modelFeatures('max'), { badMemory: true });
    for (const { code, length } of instructions(mode, 4000)) {
      for (let room = 1; room < length; room++)
        assert.is(core.execute(code, 0, room).vector, 13, `${mode} ${Buffer.from(code).toString('hex')}, ${room}`);
      const whole = core.execute(code);
      if (whole.moved === length)
        assert.is(core.execute(code, 0, length).vector, whole.vector, `${mode} ${Buffer.from(code).toString('hex')}, whole`);
    }
  }
});

test.run();
