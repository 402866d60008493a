/** `lucid exits --cost`, as a person uses it. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { costTableNames } from '../../vmm/exit-cost/named.ts';
import type { Bounds, Cost } from '../../vmm/exit-cost/table.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-exits-cost-'));
const test = suite('lucid exits --cost');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);

// mov ecx,9; l: in al,71h; loop l; out 21h,al; xor eax,eax; cpuid; mov ecx,6e0h; xor eax,eax; cdq; wrmsr; mov ecx,1000; s: dec ecx; jnz s; mov al,1; out f4h,al
const CODE = [
  ...[0xb9, 9, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc, 0xe6, 0x21, 0x31, 0xc0, 0x0f, 0xa2, 0xb9, 0xe0, 6, 0, 0, 0x31, 0xc0, 0x99, 0x0f, 0x30],
  ...[0xb9, 0xe8, 3, 0, 0, 0x49, 0x75, 0xfd, 0xb0, 1, 0xe6, 0xf4],
];
writeFileSync(at('guest.elf'), multiboot(CODE));
const RUN = ['run', '--kernel', at('guest.elf'), '--debug-exit', '0xf4', '--serial', 'null'];

const TABLE = {
  processor: 'Test processor',
  unit: 'cycles',
  ghz: 2,
  instructionsPerCycle: { low: 1, typical: 1, high: 2 },
  sources: { lab: { title: 'A measurement', year: 2021, url: 'https://example.org/1' } },
  notes: ['Nothing else is known.'],
  reasons: {
    CPUID: { low: 1000, typical: 1200, high: 2400, source: 'lab' },
    IO_INSTRUCTION: { low: 1000, typical: 2000, high: 3000, source: 'lab' },
    EPT_VIOLATION: { low: 0, typical: 0, high: 0, note: 'the test leaves them out' },
  },
  causes: { 'MSR_WRITE 0x6e0': { low: 0, typical: 0, high: 0, note: 'the timer belongs to the guest' } },
  devices: { rtc: { low: 5000, typical: 10_000, high: 20_000, source: 'lab' }, pic: 100 },
};
writeFileSync(at('t.json'), JSON.stringify(TABLE));

interface Told {
  exits: number;
  instructions: number;
  tables: {
    table: string;
    exitsNs: Bounds;
    guestNs: Bounds;
    share: Bounds;
    kinds: { kind: string; count: number; each: Bounds; timeNs: Bounds; parts: Cost[] }[];
  }[];
}

const told = async (...args: string[]): Promise<Told> => JSON.parse((await lucid('exits', at('log'), ...args, '--json')).out) as Told;

test('a log is priced by kind, with its bounds', async () => {
  const run = await lucid(...RUN, '--no-exits', '--events', at('log'));
  assert.is(run.status, 3, run.err);
  const { status, out, err } = await lucid('exits', at('log'), '--cost', at('t.json'));
  assert.is(status, 0, err);
  assert.match(out, /^predicted for Test processor, 2 GHz\n\nKIND +Exits +cycles each +Time +Run%\n/);
  assert.match(out, /\nIO_INSTRUCTION rtc +9 +6000 - 12000 - 23000 +27\.0 - 54\.0 - 104 us +\d+%\n/);
  assert.match(out, /\nIO_INSTRUCTION pic +1 +1100 - 2100 - 3100 +0\.55 - 1\.05 - 1\.55 us /);
  assert.match(out, /\nCPUID +1 +1000 - 1200 - 2400 +500 - 600 - 1200 ns /);
  assert.match(out, /\nMSR_WRITE 0x6e0 +1 +0 +0 ns +0\.0%\n/);
  assert.match(out, /\nIO_INSTRUCTION unclaimed \* +1 +/, 'the debug-exit port is in no fixed place, and its device is scaled');
  assert.match(out, /\n\* not measured: the modelled default, scaled by what was; /);
  assert.match(out, /\nMSR_WRITE 0x6e0: the timer belongs to the guest\n/);
  assert.match(out, /\nNothing else is known\.\nsource: A measurement, 2021, https:\/\/example\.org\/1\n$/);
});

test('sums and shares follow from the parts', async () => {
  const { exits, instructions, tables } = await told('--cost', at('t.json'));
  const [{ kinds, exitsNs, guestNs, share }] = tables as [Told['tables'][0]];
  assert.is(
    exits,
    kinds.reduce((sum, { count }) => sum + count, 0),
  );
  for (const end of ['low', 'typical', 'high'] as const) {
    for (const { count, each, timeNs } of kinds) assert.is(timeNs[end], (count * each[end]) / 2);
    const sum = kinds.reduce((all, { timeNs }) => all + timeNs[end], 0);
    assert.ok(Math.abs(sum - exitsNs[end]) < 1e-6);
  }
  // 2 GHz, and 1 to 2 instructions in a cycle.
  assert.equal([guestNs.low, guestNs.typical, guestNs.high], [instructions / 4, instructions / 2, instructions / 2]);
  assert.is(share.typical, exitsNs.typical / (exitsNs.typical + guestNs.typical));
  assert.is(share.low, exitsNs.low / (exitsNs.low + guestNs.high));
  assert.is(share.high, exitsNs.high / (exitsNs.high + guestNs.low));
});

test('chosen exits are shown, and their shares are of the whole run', async () => {
  const [all, some] = [await told('--cost', at('t.json')), await told('--cost', at('t.json'), '--port', '0x71')];
  assert.equal(
    some.tables[0]?.kinds.map(({ kind, count }) => [kind, count]),
    [['IO_INSTRUCTION rtc', 9]],
  );
  assert.equal(some.tables[0]?.exitsNs, all.tables[0]?.exitsNs);
});

test('--by counts the time of the table by other keys', async () => {
  const { out, status } = await lucid('exits', at('log'), '--cost', at('t.json'), '--by', 'port', '--top', '1');
  assert.is(status, 0);
  assert.match(out, /\nPORT +Exits +Time +Run%\n0x71 +9 +27\.0 - 54\.0 - 104 us +\d+%\n\(2 more; --top 3 shows all\)\n/);
});

test('several tables stand side by side; without a name, or a log, the list is printed', async () => {
  const names = costTableNames();
  const both = await lucid('exits', at('log'), '--cost', `${at('t.json')},${names[0]}`);
  assert.is(both.status, 0, both.err);
  assert.match(both.out, new RegExp(`\nKIND +Exits +${at('t.json')} +${names[0]}\n`));
  assert.match(both.out, /\nshare of exits +\d/);
  const list = await lucid('exits', '--cost');
  assert.match(list.out, /^NAME +PROCESSOR +Measured +Year\n/);
  for (const name of names) assert.ok(list.out.includes(`\n${name} `), name);
});

test('counts of a baseline are priced too, but nobody knows how many instructions they were among', async () => {
  const causes = {
    'IO_INSTRUCTION in 0x71': { exits: 9, timeNs: 1 },
    CPUID: { exits: 2, timeNs: 1 },
    'MSR_WRITE 0x6e0': { exits: 3, timeNs: 1 },
  };
  writeFileSync(at('b.json'), JSON.stringify({ kind: 'lucid-baseline', version: 1, phases: [{ from: 'start', to: 'end', causes }] }));
  const { out, err, status } = await lucid('exits', at('b.json'), '--cost', at('t.json'));
  assert.is(status, 0, err);
  assert.match(
    out,
    /\nIO_INSTRUCTION rtc +9 +6000 - 12000 - 23000 .*\nCPUID +2 .*\nMSR_WRITE 0x6e0 +3 .*\n\n14 exits take 28\.0 - 55\.2 - 106 us\n/,
  );
  assert.not.match(out, /the guest is busy/);
});

test('a log that was cut off is priced as far as it goes, by the instructions of its last exits', async () => {
  writeFileSync(at('cut'), readFileSync(at('log')));
  truncateSync(at('cut'), readFileSync(at('log')).length - 100);
  const { out, err, status } = await lucid('exits', at('cut'), '--cost', at('t.json'));
  assert.is(status, 0);
  assert.match(err, /cut: has no end /);
  assert.match(out, /\n\d+ instructions of the guest's own/);
});

test('a named table moves the clock of a run', async () => {
  const run = await lucid(...RUN, '--json', '--exit-cost', at('t.json'));
  assert.is(run.status, 3, run.err);
  const { exits } = JSON.parse(run.out) as { exits: { name: string; maxNs: number }[] };
  assert.is(exits.find(({ name }) => name === 'CPUID')?.maxNs, 600);
});

test('what cannot be is told in one line', async () => {
  const odd = { kind: 'lucid-baseline', version: 1, phases: [{ from: 'start', to: 'end', causes: { LUNCH: { exits: 1, timeNs: 1 } } }] };
  writeFileSync(at('odd.json'), JSON.stringify(odd));
  writeFileSync(at('bad.json'), JSON.stringify({ ...TABLE, device: 'x' }));
  const cases: [string[], RegExp][] = [
    [
      ['exits', at('log'), '--cost', 'pentium'],
      /^lucid: --cost pentium: No such file or directory; give emerald-rapids, .* or a JSON file\n$/,
    ],
    [['exits', at('log'), '--cost', at('guest.elf')], /^lucid: --cost \S+: not JSON: /],
    [['exits', at('log'), '--cost', at('bad.json')], /^lucid: --cost \S+bad\.json: device must be cycles, an integer .*, not "x"\n$/],
    [['exits', at('log'), '--cost', '/dev/zero'], /^lucid: --cost \/dev\/zero: is longer than 4 MB; give /],
    [['exits', at('log'), '--cost', folder], /^lucid: --cost \S+: is a directory; give /],
    [['exits', at('log'), '--cost', 'zen5,zen5'], /^lucid: --cost zen5,zen5: zen5 is there twice\n$/],
    [['exits', '--cost', 'zen5'], /^lucid: give a log of lucid run --events, or -- /],
    [['exits', at('log'), '--cost', 'zen5,skylake-sp', '--by', 'rip'], /^lucid: --by rip: with one table only; --cost names 2\n$/],
    [['exits', at('log'), '--cost', 'zen5', '--folded'], /^lucid: --folded: counts exits; not with --cost\n$/],
    [
      ['exits', at('b.json'), '--cost', 'zen5', '--by', 'rip'],
      /^lucid: \S+b\.json: has counts by cause; --by and what chooses exits need a log/,
    ],
    [['exits', at('odd.json'), '--cost', 'zen5'], /^lucid: \S+odd\.json: 'LUNCH' is no exit reason; /],
    [['exits', at('nix'), '--cost', 'zen5'], /^lucid: \S+nix: No such file or directory\n$/],
    [
      ['run', '--kernel', at('guest.elf'), '--exit-cost', 'pentium'],
      /^lucid: --exit-cost pentium: No such file or directory; give none, default, emerald-rapids, /,
    ],
  ];
  const ran = await Promise.all(cases.map(([args]) => lucid(...args)));
  cases.forEach(([args, message], i) => {
    const { status, out, err } = ran[i] as Finished;
    assert.match(err, message);
    assert.is(out, '');
    assert.is(status, 2, args.join(' '));
  });
});

test('a file of expectations may name a table', async () => {
  const guest = 'guest: {kernel: guest.elf, debug-exit: 0xf4, exit-cost: zen5, limit: time=1}';
  writeFileSync(at('e.yaml'), `${guest}\nexpect: [{exits: CPUID, count: 1}]\n`);
  const { status, err, out } = await lucid('expect', at('e.yaml'));
  assert.is(status, 0, err + out);
});

test.run();
