/**
 * `npm run fuzz`: generated instructions on this machine's processor and on the core, compared.
 *
 * `npm run fuzz -- [--cases N] [--seconds N] [--seed S] [--epoch N] [--only NAME] [--engine lines|step] [--each N] [--singles] [--json] [--masks]`. The exit status is 1 when anything differs.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type Engine, ENGINES } from './core.ts';
import { Fuzzer, HOST_FEATURES, type Result } from './fuzz.ts';
import { EPOCH } from './generate.ts';
import { findHarness } from './host.ts';
import { BATCH } from './record.ts';
import { flagClause, looseOf } from './undefined.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    only: { type: 'string' },
    engine: { type: 'string' },
    mode: { type: 'string', default: '64' },
    epoch: { type: 'string', default: '0' },
    seconds: { type: 'string' },
    each: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    masks: { type: 'boolean', default: false },
    singles: { type: 'boolean', default: false },
  },
});

function report(result: Result, fuzzer: Fuzzer): void {
  const all = fuzzer.forms.length + fuzzer.missing.size;
  const notRun = fuzzer.forms.filter((f) => !result.executed.has(f.code));
  for (const m of result.mismatches)
    console.log(
      `\n${m.name}: ${m.text}\n  engine ${m.engine}; again: npm run fuzz -- --seed ${m.seed} --epoch ${m.epoch} --cases ${EPOCH * BATCH}${values.only ? ` --only ${values.only}` : ''}`,
    );
  if (values.masks) {
    console.log('\nundefined or not comparable, by clause:');
    const clauses = new Map<string, number>();
    for (const f of fuzzer.forms)
      for (const text of [flagClause(f.mnemonic)?.text, looseOf(f)?.text])
        if (text !== undefined) clauses.set(text, (clauses.get(text) ?? 0) + 1);
    for (const [text, encodings] of [...clauses].sort()) console.log(`  ${text} (${encodings} encodings)`);
    console.log('\nnot compared (cases in which the sides differed within the clause):');
    for (const [name, count] of [...result.masked.flags].sort()) console.log(`  ${name}: undefined flags, ${count}`);
    for (const [name, count] of [...result.masked.loose].sort()) console.log(`  ${name}, ${count}`);
  }
  const rate = Math.round(result.cases / result.seconds);
  console.log(
    `\n${result.cases} cases in ${result.seconds.toFixed(1)} s, ${rate} a second; ${((100 * result.faults) / result.cases).toFixed(1)} % end in a fault; ${result.wrong} mismatches, ${result.strays} batches with stray writes`,
  );
  console.log(`${result.executed.size} of ${all} encodings of this CPU executed (${((100 * result.executed.size) / all).toFixed(1)} %)`);
  if (values.only === undefined) {
    for (const [name, why] of fuzzer.missing) console.log(`  left out: ${name}: ${why}`);
    if (notRun.length > 0) console.log(`  not reached: ${notRun.map((f) => f.name).join(' ')}`);
  }
}

const found = findHarness();
if ('reason' in found) console.log(`fuzz: skipped: ${found.reason}`);
else if (values.mode !== '64') console.log('fuzz: skipped: 32-bit code is compared by test/cpu/host.test.ts');
else {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  console.log(`fuzz: seed ${seed}`);
  const fuzzer = new Fuzzer(found.path, HOST_FEATURES);
  await fuzzer.probe();
  const started = performance.now();
  let shown = 0;
  const result = await fuzzer.run({
    cases: Number(values.cases),
    seed,
    epoch: Number(values.epoch),
    ...(values.seconds === undefined ? {} : { seconds: Number(values.seconds) }),
    each: Number(values.each),
    ...(values.only === undefined ? {} : { only: values.only }),
    ...(values.singles ? { sequences: 0, mutants: 0 } : {}),
    engines: values.engine === undefined ? ENGINES : [values.engine as Engine],
    progress(cases, wrong) {
      const now = performance.now();
      if (!process.stderr.isTTY || now - shown < 500) return;
      shown = now;
      process.stderr.write(`\r${cases} cases, ${Math.round((1000 * cases) / (now - started))} a second, ${wrong} mismatches `);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (values.json)
    console.log(
      JSON.stringify({
        seed,
        cases: result.cases,
        seconds: result.seconds,
        mismatches: result.mismatches.map(({ name, difference, engine }) => ({ name, difference, engine })),
        wrong: result.wrong,
        executed: result.executed.size,
        encodings: fuzzer.forms.length + fuzzer.missing.size,
      }),
    );
  else report(result, fuzzer);
  fuzzer.close();
  process.exitCode = result.wrong + result.strays > 0 ? 1 : 0;
}
