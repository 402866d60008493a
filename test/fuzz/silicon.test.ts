/**
 * The fuzzer's part in the test run: cases from a fixed seed and from one that is new each time (and printed), and everything that it ever found.
 *
 * LUCID_FUZZ_SEED=n repeats a run. Many more cases: `npm run fuzz`. Skipped in so many words where there is no x86-64 Linux or no compiler; what was found
 * runs everywhere.
 */
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES } from '../../vmm/cpu/cpuid.ts';
import { GENERAL } from './compare.ts';
import { Core, ENGINES } from './core.ts';
import { FOUND, type Found } from './found.ts';
import { HOST_FEATURES, Fuzzer, type Result } from './fuzz.ts';
import { findHarness } from './host.ts';
import { AT, CODE, EXIT, RECORD } from './record.ts';

const FIXED = 20_260_401;
/** Cases of one instruction, and of anything, from each seed. */
const SINGLES = 240_000;
const MIXED = 160_000;
const SHOWN = 8;

/** Writes a found case to the first record. */
function enter(record: Uint8Array, found: Found): void {
  const v = new DataView(record.buffer, record.byteOffset, RECORD);
  record.fill(0, 0, RECORD);
  const code = [...Buffer.from(found.code, 'hex')];
  record.set(code, AT.CODE);
  record[AT.CODE + code.length] = 0xe9;
  v.setInt32(AT.CODE + code.length + 1, EXIT - (CODE + code.length + 5), true);
  v.setUint32(AT.RIP, CODE, true);
  v.setUint32(AT.LENGTH, code.length + 5, true);
  const { registers = {}, flags = 0x202, fcw = 0x37f, fsw = 0, mxcsr = 0x1f80, ymm = {} } = found.before;
  for (const [name, value] of Object.entries(registers)) v.setBigUint64(8 * GENERAL.indexOf(name), BigInt.asUintN(64, value), true);
  v.setUint32(AT.FLAGS, flags, true);
  v.setUint16(AT.FCW, fcw, true);
  v.setUint16(AT.FSW, fsw, true);
  v.setUint16(AT.FTW, 0xff, true);
  // ST(0) to ST(7): 2^16000.
  for (let i = 0; i < 8; i++) {
    v.setBigUint64(AT.ST + 16 * i, 1n << 63n, true);
    v.setUint16(AT.ST + 16 * i + 8, 16383 + 16000, true);
  }
  v.setUint32(AT.MXCSR, mxcsr, true);
  for (const [n, value] of Object.entries(ymm))
    for (let k = 0; k < 4; k++) v.setBigUint64(AT.YMM + 32 * Number(n) + 8 * k, BigInt.asUintN(64, value >> BigInt(64 * k)), true);
}

function check(output: Uint8Array, found: Found, what: string): void {
  const v = new DataView(output.buffer, output.byteOffset, RECORD);
  const { vector = 256, registers = {}, flags, fsw, mxcsr, ymm = {}, cr2 } = found.after;
  assert.is(v.getUint32(AT.VECTOR, true), vector, `${what}: vector`);
  for (const [name, value] of Object.entries(registers))
    assert.is(v.getBigUint64(8 * GENERAL.indexOf(name), true), value, `${what}: ${name}`);
  if (cr2 !== undefined) assert.is(v.getBigUint64(AT.CR2, true), cr2, `${what}: CR2`);
  if (flags !== undefined) assert.is(v.getUint32(AT.FLAGS, true), flags, `${what}: flags`);
  if (fsw !== undefined) assert.is(v.getUint16(AT.FSW, true), fsw, `${what}: fsw`);
  if (mxcsr !== undefined) assert.is(v.getUint32(AT.MXCSR, true), mxcsr, `${what}: mxcsr`);
  for (const [n, value] of Object.entries(ymm))
    assert.is(v.getBigUint64(AT.YMM + 32 * Number(n), true), BigInt.asUintN(64, value), `${what}: ymm${n}`);
}

const core = new Core(HOST_FEATURES);
for (const found of FOUND.filter((f) => (f.features ?? []).every((name) => (CORE_FEATURES as readonly string[]).includes(name))))
  test(found.name, () => {
    enter(core.inputs(0), found);
    for (const engine of ENGINES) {
      core.load(0, 1);
      core.run(0, 0, engine);
      core.unload(0, 1);
      check(core.outputs, found, engine);
    }
  });

function judge(result: Result, what: string): void {
  const text = result.mismatches.slice(0, SHOWN).map((m) => `${m.name}: ${m.text}`);
  assert.is(result.wrong, 0, `${what}: ${result.wrong} of ${result.cases} cases differ:\n${text.join('\n')}`);
  assert.is(result.strays, 0, `${what}: batches that changed other memory`);
}

const harness = findHarness();
if ('reason' in harness) {
  console.log(`silicon: skipped: ${harness.reason}`);
  test.skip('generated instructions do what this processor does', () => {});
} else {
  const fuzzer = new Fuzzer(harness.path, HOST_FEATURES);
  await fuzzer.probe();
  const given = process.env['LUCID_FUZZ_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  console.log(`silicon: seeds ${FIXED}, ${seed}`);

  test('every instruction of this CPU does what this processor does', async () => {
    const result = await fuzzer.run({ cases: SINGLES, seed: FIXED, sequences: 0, mutants: 0 });
    judge(result, `seed ${FIXED}`);
    assert.equal(
      fuzzer.forms.filter((f) => !result.executed.has(f.code)).map((f) => f.name),
      [],
    );
  });

  test('sequences and changed instructions do what this processor does', async () => {
    judge(await fuzzer.run({ cases: MIXED, seed: FIXED, sequences: 2, mutants: 4, engines: ['lines', 'again', 'step'] }), `seed ${FIXED}`);
  });

  test('the same from a seed of its own each time', async () => {
    judge(await fuzzer.run({ cases: MIXED, seed }), `seed ${seed}`);
  });

  test.after(() => fuzzer.close());
}

test.run();
