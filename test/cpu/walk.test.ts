/** Every opcode of every map in every mode, by its models: #UD where there is no such instruction, and nowhere else. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CPU_MODELS, modelFeatures } from '../../vmm/cpu/cpuid.ts';
import { walk } from './walk.ts';
import { type Conditions, WALK_MODES, type WalkMode } from './walk-core.ts';

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
      const { wrong } = walk(mode, modelFeatures('max'), 31, { ...conditions, badMemory: true });
      assert.equal(wrong, []);
    }
  });
}

test.run();
