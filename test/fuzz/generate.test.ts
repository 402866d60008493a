/**
 * The fuzzer's generator, without a host: what it writes for an encoding is that encoding, as iced-x86 decodes it, and every encoding is written.
 */
import iced from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_FEATURES } from '../../vmm/cpu/cpuid.ts';
import { formsOf } from './forms.ts';
import { Generator, newCases } from './generate.ts';
import { AT, BATCH, RECORD } from './record.ts';
import { POOL } from './values.ts';

const SEED = 7;
const BATCHES = 40;

/** Code of the first instruction of a case. */
function codeOf(bytes: Uint8Array, at: number): number {
  const length = new DataView(bytes.buffer, at).getUint32(AT.LENGTH, true);
  const start = at + AT.CODE;
  const decoder = new iced.Decoder(64, bytes.slice(start, start + length), iced.DecoderOptions.NoInvalidCheck);
  const i = decoder.decode();
  const code = i.code;
  i.free();
  decoder.free();
  return code;
}

/** Cases by encoding: written, and written as something else. */
function count(): Map<string, [right: number, wrong: number]> {
  const bytes = new Uint8Array(BATCH * RECORD + 5 * POOL);
  // The decoder calls 0F 0D with memory PREFETCH, whatever its register field is.
  // FWAIT and what follows it are two instructions to the decoder, one to the table.
  const forms = formsOf(CORE_FEATURES).forms.filter((f) => !f.fwait && !f.onlyMemory);
  const generator = new Generator(bytes, BATCH * RECORD, forms, SEED, { sequences: 0, mutants: 0 });
  const cases = newCases();
  const found = new Map(forms.map((f) => [f.name, [0, 0] as [number, number]]));
  for (let batch = 0; batch < BATCHES; batch++) {
    generator.batch(0, BATCH, cases);
    for (let n = 0; n < BATCH; n++) {
      const f = cases.forms[n]?.[0];
      if (f === undefined) continue;
      const counts = found.get(f.name) as [number, number];
      counts[codeOf(bytes, n * RECORD) === f.code ? 0 : 1]++;
    }
  }
  return found;
}

const found = count();

test('every encoding of this CPU is written', () => {
  assert.ok(found.size > 1300, `${found.size} encodings`);
  assert.equal(
    [...found].filter(([, [right, wrong]]) => right + wrong < 5).map(([name]) => name),
    [],
  );
});

test('what is written for an encoding is decoded as that encoding', () => {
  // A few are not meant to be: wrong prefixes, other W or L.
  const wrong = [...found].filter(([, [right, other]]) => right === 0 || other > right);
  assert.equal(
    wrong.map(([name, [right, other]]) => `${name}: ${right} right, ${other} not`),
    [],
  );
});

test.run();
