/** Tables of costs are read as they are documented, what is wrong is told with its key, and what they leave out follows by the stated rule. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_EXIT_COSTS, loadExitCosts } from '../../../vmm/exit-cost.ts';
import { costTableNames, loadCostTable } from '../../../vmm/exit-cost/named.ts';
import { type Bounds, type CostTable, costTableFrom, ExitCostError, exitCostsOf } from '../../../vmm/exit-cost/table.ts';
import { EXIT_REASON } from '../../../vmm/exit-reason.ts';
import { Random } from '../../cpu/host-random.ts';

function reason(json: unknown): string {
  try {
    costTableFrom('f', json);
  } catch (error) {
    assert.instance(error, ExitCostError);
    return (error as Error).message;
  }
  return 'accepted';
}

const bounds = ({ low, typical, high }: Bounds): number[] => [low, typical, high];

test('numbers may have bounds, a source, a rule or a note; reasons and causes have names', () => {
  const table = costTableFrom('f', {
    unit: 'cycles',
    ghz: 2,
    sources: { paper: { title: 'A paper', year: 2020, url: 'https://example.org' } },
    reasons: {
      CPUID: { low: 900, typical: 1000, high: 2000, source: 'paper' },
      'msr-write': 3000,
      12: { low: 1, typical: 2, high: 3, from: 'a guess' },
    },
    causes: { 'MSR_WRITE 0x6e0': { low: 0, typical: 0, high: 0, note: 'no exit' } },
    devices: { serial: 5 },
    byte: 1,
  });
  assert.equal(table.reasons.get(EXIT_REASON.CPUID), { low: 900, typical: 1000, high: 2000, basis: 'source', source: 'paper' });
  assert.equal(table.reasons.get(EXIT_REASON.MSR_WRITE), { low: 3000, typical: 3000, high: 3000, basis: 'given' });
  assert.is(table.reasons.get(EXIT_REASON.HLT)?.basis, 'from');
  assert.is([...table.causes.values()][0]?.note, 'no exit');
  assert.is(table.reasons.get(EXIT_REASON.XSETBV)?.basis, 'modelled');
  const costs = exitCostsOf(table);
  assert.equal([costs.reasons[EXIT_REASON.CPUID], costs.reasons[EXIT_REASON.MSR_WRITE], costs.devices.serial], [500, 1500, 3]);
  // The default is in nanoseconds, whatever the table's unit.
  assert.is(costs.reasons[EXIT_REASON.XSETBV], DEFAULT_EXIT_COSTS.reasons[EXIT_REASON.XSETBV]);
});

test('what a table of a processor leaves out is the default, scaled by what it has', () => {
  const table = costTableFrom('f', { processor: 'P', unit: 'cycles', ghz: 1, reasons: { CPUID: 2400 }, device: 6000 });
  // Twice the default's 1200.
  assert.equal(bounds(table.reasons.get(EXIT_REASON.MSR_READ) as Bounds), [1300, 2600, 6500]);
  assert.is(table.reasons.get(EXIT_REASON.MSR_READ)?.basis, 'scaled');
  assert.is(table.devices.get('pic')?.typical, 800);
  assert.is(table.devices.get('serial')?.typical, 7000);
  assert.is(table.other.typical, 3000);
  const other = costTableFrom('f', { processor: 'P', reasons: { INVD: 600 } });
  assert.equal([other.reasons.get(EXIT_REASON.CPUID)?.typical, other.devices.get('serial')?.typical], [600, 1750]);
});

test('what is wrong is told with the key, and with what would be right', () => {
  for (const [json, message] of [
    [7, /^f: an exit cost table is an object with reasons, other, causes, devices, device, byte$/],
    [{ cpuid: 1 }, /^f: unknown key 'cpuid'; known are \$schema, processor, .*, byte$/],
    [{ unit: 'us' }, /^f: unit must be "ns" or "cycles", not "us"$/],
    [{ unit: 'cycles' }, /^f: ghz is missing: a table in cycles says how many there are in a nanosecond$/],
    [{ ghz: 0 }, /^f: ghz must be a number above 0, at most 100, not 0$/],
    [{ reasons: { NIX: 1 } }, /^f: reasons\.NIX: not a basic exit reason \(0 to 71\), nor the name of one, such as CPUID$/],
    [{ reasons: { 10: 1, cpuid: 2 } }, /^f: reasons\.cpuid is there twice, once under another name$/],
    [{ reasons: { CPUID: 1.5 } }, /^f: reasons\.CPUID must be nanoseconds, an integer from 0 to 1000000000, or \{"low": L, .*, not 1\.5$/],
    [{ unit: 'cycles', ghz: 1, other: -1 }, /^f: other must be cycles, an integer from 0 to 10000000000, or /],
    [{ device: { low: 1, high: 2 } }, /^f: device lacks 'typical'; write /],
    [{ device: { low: 3, typical: 2, high: 4 } }, /^f: device: low 3, typical 2, high 4 are not in this order$/],
    [{ device: { low: 1, typical: 2, high: 4, source: 'x' } }, /^f: device\.source: there is no 'x' in sources; it has none$/],
    [{ device: { low: 1, typical: 2, high: 4, why: 'x' } }, /^f: device: unknown key 'why'; known are low, /],
    [{ device: { low: 1, typical: 2, high: 4, note: 'a\nb' } }, /^f: device\.note must be text of one line, not "a\\nb"$/],
    [{ devices: [1] }, /^f: devices must be an object of costs$/],
    [{ causes: { CPUID: 1 } }, /^f: causes\.CPUID: is a reason, not a cause: write it under reasons, or as in 'MSR_WRITE 0x6e0'$/],
    [{ causes: { 'CPUID nix': 1 } }, /^f: causes\.CPUID nix: CPUID has no 'nix'; write CPUID or CPUID leaf 0x1$/],
    [{ sources: { a: {} } }, /^f: sources\.a lacks 'title'$/],
    [{ sources: { a: { title: 't', year: 3 } } }, /^f: sources\.a\.year must be a year, not 3$/],
    [{ notes: 'x' }, /^f: notes must be a list of texts$/],
    [{ hardware: 1 }, /^f: hardware must be true or false, not 1$/],
    [{ processor: 'P' }, /^f: reasons has none of CPUID, VMCALL, INVD, MSR_WRITE: what a table of a processor leaves out is scaled/],
    [{ instructionsPerCycle: { low: 1, typical: 0, high: 2 } }, /^f: instructionsPerCycle\.typical must be a number above 0/],
  ] as const)
    assert.match(reason(json), message);
});

test('each table that comes along cites a published measurement for at least one kind, and moves a clock', () => {
  const names = costTableNames();
  assert.ok(names.length >= 3);
  for (const name of names) {
    const table = loadCostTable('--cost', name);
    const measured = [...table.reasons.values(), ...table.causes.values(), ...table.devices.values()].filter(
      (cost) => cost.source !== undefined,
    );
    assert.ok(measured.length > 0, name);
    assert.ok(table.processor !== undefined && table.hardware, name);
    assert.ok(
      [...table.sources.values()].some(({ url }) => url?.startsWith('https://')),
      name,
    );
    for (const { source = '' } of measured) {
      const cited = table.sources.get(source);
      assert.ok((cited?.year ?? 0) > 2000 && cited?.measured !== undefined && cited.kernel !== undefined, name);
    }
    const costs = loadExitCosts(name);
    const cpuid = costs.reasons[EXIT_REASON.CPUID] as number;
    assert.ok(cpuid > 100 && cpuid < 10_000, `${name}: CPUID ${cpuid} ns`);
  }
});

test('the schema has the keys that the reader knows', () => {
  const schema = JSON.parse(readFileSync(new URL('../../../vmm/exit-cost/exit-cost.schema.json', import.meta.url), 'utf8'));
  const known = (/known are (.*)$/.exec(reason({ nix: 1 }))?.[1] ?? '').split(', ').sort();
  assert.equal(Object.keys(schema.properties).sort(), known);
  const inCost = (/known are (.*)$/.exec(reason({ device: { nix: 1 } }))?.[1] ?? '').split(', ').sort();
  assert.equal(Object.keys(schema.$defs.cost.oneOf[1].properties).sort(), inCost);
  const inSource = (/known are (.*)$/.exec(reason({ sources: { a: { nix: 1 } } }))?.[1] ?? '').split(', ').sort();
  assert.equal(Object.keys(schema.properties.sources.additionalProperties.properties).sort(), inSource);
});

test('the example of the documentation is a table', () => {
  const text = readFileSync(new URL('../../../docs/exit-cost.md', import.meta.url), 'utf8');
  const [, example = ''] = /```json\n(.*?)```/s.exec(text) ?? [];
  assert.is(costTableFrom('docs', JSON.parse(example)).processor, 'My server');
});

const KEYS = [
  'processor',
  'unit',
  'ghz',
  'sources',
  'notes',
  'reasons',
  'other',
  'causes',
  'devices',
  'device',
  'byte',
  'hardware',
  'nix',
  '__proto__',
];
const INNER = [
  'CPUID',
  '10',
  '71',
  '72',
  'MSR_WRITE 0x6e0',
  'serial',
  'low',
  'typical',
  'high',
  'source',
  'from',
  'note',
  'title',
  '__proto__',
  'constructor',
];
const LEAVES = [0, 1, -1, 1.5, 1e9, 1e10, 1e300, null, true, '', 'a', 'ns', 'cycles', 'x'.repeat(2000), '\u0000', [], {}];

/** JSON that is often nearly a table. */
function someJson(random: Random, keys: readonly string[], depth: number): unknown {
  if (depth === 0 || random.below(4) === 0) return random.pick(LEAVES);
  if (random.below(8) === 0) return Array.from({ length: random.below(4) }, () => someJson(random, INNER, depth - 1));
  const entries = Array.from({ length: 1 + random.below(5) }, () => [random.pick(keys), someJson(random, INNER, depth - 1)] as const);
  return Object.fromEntries(entries);
}

function holds(table: CostTable): void {
  const costs = exitCostsOf(table);
  for (const ns of [...Object.values(costs.reasons), costs.other, ...Object.values(costs.devices), costs.device, costs.byte])
    assert.ok(Number.isInteger(ns) && ns >= 0 && ns <= 1e9);
  for (const { low, typical, high } of [
    ...table.reasons.values(),
    ...table.devices.values(),
    ...table.causes.values(),
    table.other,
    table.device,
  ])
    assert.ok(low <= typical && typical <= high);
}

test('random JSON is a table whose numbers hold, or is refused in one line', () => {
  const random = new Random(11);
  let tables = 0;
  for (let i = 0; i < 4000; i++) {
    const json = JSON.parse(JSON.stringify(someJson(random, KEYS, 4)));
    try {
      holds(costTableFrom('f', json));
      tables++;
    } catch (error) {
      assert.instance(error, ExitCostError, `${JSON.stringify(json)}: ${(error as Error).stack}`);
      assert.not.match((error as Error).message, /[\n\r\u0000]/);
      assert.ok((error as Error).message.length < 2000);
    }
  }
  assert.ok(tables > 20, `${tables} tables`);
});

test.run();
