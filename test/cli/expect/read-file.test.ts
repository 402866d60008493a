/** A file of expectations with every kind of mistake: FILE:LINE, what is wrong, what would be right. And what the published schema says of the same. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { readPlan } from '../../../vmm/cli/expect/read-file.ts';
import { violations } from '../../probes/consumer/json-schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-plan-'));
const test = suite('a file of expectations');
test.after(() => rmSync(folder, { recursive: true }));

const SCHEMA = JSON.parse(readFileSync(new URL('../../../vmm/cli/expect/expect.schema.json', import.meta.url), 'utf8'));
const path = join(folder, 'boot.yaml');

function plan(text: string, given: readonly string[] = []) {
  writeFileSync(path, text);
  return readPlan(path, given);
}

/** A whole file around an expectation, which stands in line 6. */
const around = (expectation: string): string =>
  `guest: {kernel: vmlinuz}\nmarks:\n  init: {serial: Run /init}\n  ready: {port: 0x80, value: 1}\nexpect:\n  - ${expectation}\n`;

const D = 'd: "kvm-pio { @n = count(); @q = quantize(args[1]); }"';

/** What is wrong with the whole file. */
const FILES: readonly [text: string, line: number, message: RegExp][] = [
  ['', 1, /^is empty; it needs guest: and expect:$/],
  ['guest: [', 1, /^not YAML: /],
  ['guest: {}\nguest: {}\n', 2, /^not YAML: Map keys must be unique/],
  ['- a\n', 1, /^not a map; write guest: and expect:$/],
  ['guest: {kernel: k}\n', 1, /^expect: missing; /],
  ['expect: []\n', 1, /^guest: missing; /],
  ['guest: {kernel: k}\nexpects: []\n', 2, /^'expects' is unknown here; did you mean expect\?$/],
  ['guest: {kernel: k}\nzzz: []\n', 2, /^'zzz' is unknown here; there is guest, marks, input, symbols, expect$/],
  ['guest: {kernel: k}\nexpect: []\n', 2, /^expect: expects nothing; write /],
  ['guest: {kernel: k}\nexpect: 5\n', 2, /^expect: not a list; /],
  ['guest:\n  kernal: k\nexpect: []\n', 2, /^'kernal' is no option of the guest; did you mean kernel\?$/],
  ['guest:\n  json: true\nexpect: []\n', 2, /^'json' is no option of the guest; there is image, kernel, /],
  ['guest:\n  kernel: [a, b]\nexpect: []\n', 2, /^kernel: not a text; write kernel: VALUE, as --kernel of lucid run takes it$/],
  ['guest:\n  rng: maybe\nexpect: []\n', 2, /^rng: 'maybe' is neither true nor false$/],
  ['guest: &a {kernel: k}\nmarks: *a\nexpect: []\n', 2, /anchors and aliases are not used here/],
  [
    'guest: {kernel: k}\nmarks: {start: {serial: x}}\nexpect: []\n',
    2,
    /^mark 'start': is there already, as the start of the run; give another name$/,
  ],
  ['guest: {kernel: k}\nmarks:\n  a: {serial: x, port: 1}\nexpect: []\n', 3, /^a: not one mark; write \{serial: TEXT\}, /],
  ['guest: {kernel: k}\nmarks:\n  a: {}\nexpect: []\n', 3, /^a: not one mark; /],
  ['guest: {kernel: k}\nmarks:\n  a: {serial: x, value: 1}\nexpect: []\n', 3, /^value: belongs to a port; /],
  ['guest: {kernel: k}\nmarks:\n  a: {port: 0x10000}\nexpect: []\n', 3, /^port: '0x10000' is not a number from 0 to 0xffff; /],
  ['guest: {kernel: k}\nmarks:\n  a: {symbol: main}\nexpect: []\n', 3, /^symbol: whose symbol\? write symbols: FILE in this file/],
  [
    'guest: {kernel: k}\nsymbols: nowhere\nmarks:\n  a: {symbol: main}\nexpect: []\n',
    4,
    /^symbol: symbols .*nowhere: No such file or directory/,
  ],
  ['guest: {kernel: k}\nmarks:\n  a: {address: main}\nexpect: []\n', 3, /^address: 'main' is not an address; write 0x100000$/],
  ['guest: {kernel: k}\nmarks:\n  a: ready\nexpect: []\n', 3, /^a: not a map; /],
];

/** What is wrong with one expectation. */
const EXPECTATIONS: readonly [expectation: string, message: RegExp][] = [
  ['exit', /^expect: not a map; /],
  ['{exit: any}', /^'exit' is unknown here; did you mean exits\?$/],
  ['{name: x}', /^expect: says nothing that can be checked; write one of exits, reached, /],
  ['{exits: any, count: 1, reached: init}', /^expect: exits and reached in one expectation; /],
  ['{exits: any, cuont: 1}', /^'cuont' is unknown here; did you mean count\?$/],
  ['{exits: any}', /^exits: no limit; write count: \{max: 20\} or time: \{max: 2ms\} beside it$/],
  ['{exits: EPT_VIOLATOIN, count: 1}', /^exits: 'EPT_VIOLATOIN' is no exit reason; there is any, EXCEPTION_NMI, /],
  [
    '{exits: IO_INSTRUCTION 0x3f8, count: 1}',
    /^exits: IO_INSTRUCTION has no '0x3f8'; write IO_INSTRUCTION or IO_INSTRUCTION in 0x71 or out 0x3f8$/,
  ],
  ['{exits: IO_INSTRUCTION out 0x10000, count: 1}', /^exits: IO_INSTRUCTION has no 'out 0x10000'/],
  ['{exits: HLT now, count: 1}', /^exits: HLT has no 'now': exits of this reason are of one kind; write HLT$/],
  ['{exits: CR_ACCESS mov cr99, count: 1}', /^exits: CR_ACCESS has no 'mov cr99'; there is /],
  ['{exits: any, count: {max: many}}', /^max: 'many' is not a number; write 20, 500k, 900M or 1\.5G$/],
  ['{exits: any, count: {}}', /^count: says no limit; /],
  ['{exits: any, count: {max: 1, min: 2}}', /^count: min 2 is more than max 1$/],
  ['{exits: any, count: {max: 1, is: 2}}', /^count: is: not beside max or min; /],
  ['{exits: any, time: {max: 5}}', /^max: '5' is not a time; write 2s, 1\.5ms, 20us or 100ns$/],
  ['{exits: any, count: 1, between: [init, raedy]}', /^between: there is no mark 'raedy'; did you mean ready\?$/],
  ['{exits: any, count: 1, between: [ready, init]}', /^between: 'init' does not come after 'ready' in marks:; /],
  ['{exits: any, count: 1, between: [init, init]}', /^between: 'init' does not come after 'init'/],
  ['{exits: any, count: 1, between: [init]}', /^between: not two marks; /],
  ['{reached: login}', /^reached: there is no mark 'login'; there is init, ready$/],
  ['{reached: init, within: {isntructions: 5}}', /^'isntructions' is unknown here; did you mean instructions\?$/],
  ['{serial: {contains: a, lacks: b}}', /^serial: not one of them; /],
  ['{serial: {matches: "("}}', /^matches: '\(' is not a regular expression \(/],
  ['{kstat: "virtio_blk:0:reads", value: 1}', /^kstat: 'virtio_blk:0:reads' is not a statistic; write module:instance:name:statistic, /],
  ['{kstat: "a:b:c:/(/", value: 1}', /^kstat: .*not a regular expression$/],
  ['{kstat: "a:b:c:d"}', /^kstat: no limit; /],
  [`{${D}, value: 1}`, /^d: of which aggregation\? /],
  [`{${D}, aggregation: "@m", value: 1}`, /^aggregation: the program has no @m; there is @n, @q$/],
  [`{${D}, aggregation: "@n"}`, /^d: no limit; /],
  [`{${D}, aggregation: "@n", percentile: 99, max: 1}`, /^percentile: @n is count\(\), no distribution; write value: \{max: 20\}$/],
  [`{${D}, aggregation: "@q", value: 1}`, /^aggregation: @q is a distribution \(quantize\); write percentile: 99 with max: or min:$/],
  [`{${D}, aggregation: "@q", percentile: 101, max: 1}`, /^percentile: '101' is not a percentile; /],
  [`{${D}, aggregation: "@q", percentile: 99}`, /^percentile: says no limit; write max: 2ms beside it$/],
  [`{${D}, aggregation: "@n", max: 1}`, /^max: belongs to a percentile; write value: \{max: 20\}$/],
  ['{d: "kvm-nothing { @ = count(); }", aggregation: "@", value: 1}', /^d: probe description :::kvm-nothing does not match any probes$/],
  ['{outcome: reboot}', /^outcome: 'reboot' is no way in which a run ends; there is power-off, /],
  ['{baseline: {}}', /^baseline: compares nothing; /],
  ['{baseline: {counts: about}}', /^counts: 'about' is no tolerance; write exact, or 5%$/],
  ['{baseline: {new-causes: some}}', /^new-causes: 'some' is unknown; there is none, any$/],
];

test('each mistake in the file is told with its line and what would be right', () => {
  const told = [...FILES, ...EXPECTATIONS.map(([expectation, message]) => [around(expectation), 6, message] as const)];
  for (const [text, line, message] of told) {
    let said = '';
    try {
      plan(text);
    } catch (error) {
      assert.is((error as Error).name, 'UsageError', `${text}: ${(error as Error).stack}`);
      said = (error as Error).message;
    }
    const [, at, rest = ''] = /^\S*boot\.yaml:(\d+): (.*)$/s.exec(said) ?? [];
    assert.is(Number(at), line, `${text}\n${said}`);
    assert.match(rest, message);
  }
});

test('each mistake in what is typed is told', () => {
  const inputs: [input: string, message: RegExp][] = [
    ['{type: x}', /^input: not a list; write \{after: MARK, type: "root\\n"\} or /],
    ['[{type: x}]', /^input: at which mark\? write /],
    ['[{after: init}]', /^input: not one of type and press; /],
    ['[{after: init, type: x, press: power}]', /^input: not one of type and press; /],
    ['[{after: intit, type: x}]', /^after: there is no mark 'intit'; did you mean init\?$/],
    ['[{after: end, type: x}]', /^after: nothing can be typed at the end; write start or the name of a mark$/],
    ['[{after: init, press: eject}]', /^press: 'eject' is unknown; there is power, reset$/],
    ['[{after: init, type: }]', /^type: not a text; write type: "root\\n"$/],
    ['[{after: init, tpye: x}]', /^'tpye' is unknown here; did you mean type\?$/],
  ];
  for (const [input, message] of inputs) {
    const text = `guest: {kernel: k}\nmarks: {init: {serial: a}}\ninput: ${input}\nexpect: [{outcome: limit}]\n`;
    assert.throws(
      () => plan(text),
      (error: Error) => error.message.includes('boot.yaml:3: ') && message.test(error.message.replace(/^\S+ /, '')),
      text,
    );
  }
  assert.equal(
    plan(
      'guest: {kernel: k}\nmarks: {init: {serial: a}}\ninput: [{after: start, type: "a\\n"}, {after: init, press: power}]\nexpect: [{outcome: limit}]\n',
    ).inputs,
    [
      { after: -1, type: 'a\n' },
      { after: 0, press: 'power' },
    ],
  );
});

test('a program is compiled once for each stretch, and there is room for eight', () => {
  const d = (between: string): string => `{${D}, aggregation: "@n", value: 1, between: ${between}}`;
  const text = (all: readonly string[]): string =>
    `guest: {kernel: k}\nmarks: {init: {serial: a}, ready: {serial: b}}\nexpect: [${all.join(', ')}]\n`;
  const stretches = ['[start, init]', '[init, ready]', '[init, ready]', '[init, end]'].map(d);
  assert.equal(
    plan(text(stretches)).programs.map(({ between: { from, to } }) => [from, to]),
    [
      [0, 0],
      [1, 1],
      [1, 2],
    ],
  );
  const many = Array.from({ length: 9 }, (_, i) => `{d: "tick-${i + 1}s { @n = count(); }", aggregation: "@n", value: 1}`);
  assert.throws(() => plan(text(many)), /boot\.yaml:3: d: one program too many: a run has room for 8, /);
});

test('an error in a D program is told with its own line', () => {
  const program = around('d: |\n      kvm-pio\n      {\n        @n = cuont();\n      }\n    aggregation: "@n"\n    value: 1');
  assert.throws(() => plan(program), /boot\.yaml:9: d: .*cuont/);
});

test('names of files are relative to the file; words that are given replace its options', () => {
  const text =
    'guest: {kernel: a/vmlinuz, initrd: /i, memory: 64M, rng: true, debug-exit: 0xf4, disk: ["d.img,ro", "e.img,overlay=o.qcow2"]}\nexpect: [{outcome: limit}]\n';
  assert.equal(plan(text, ['--memory', '1G']).guest, [
    `--kernel=${folder}/a/vmlinuz`,
    '--initrd=/i',
    '--rng',
    '--debug-exit=0xf4',
    `--disk=${folder}/d.img,ro`,
    `--disk=${folder}/e.img,overlay=${folder}/o.qcow2`,
    '--memory',
    '1G',
  ]);
});

test('the schema takes what the command takes, and finds what it can find', () => {
  const good = [
    '{exits: any, count: {max: 20}, time: {max: 2ms}, between: [init, ready], name: few}',
    '{reached: ready, within: {instructions: 900M, time: 2s, exits: 5}}',
    '{serial: {contains: x}}',
    '{kstat: "virtio_blk:0:*:reads", value: 3, between: [init, ready]}',
    `{${D}, aggregation: "@q", percentile: 99, max: 2ms}`,
    `{${D}, aggregation: "@n", value: {is: 3}}`,
    '{outcome: debug-exit 0}',
    '{baseline: {new-causes: none, counts: 5%}}',
  ];
  for (const expectation of good) {
    assert.equal(plan(around(expectation)).expectations.length, 1);
    assert.equal(violations(parse(around(expectation)), SCHEMA), [], expectation);
  }
  for (const text of [around('{exit: any}'), around('{outcome: reboot}'), 'guest: {kernal: k}\nexpect: []', 'guest: {}'])
    assert.ok(violations(parse(text), SCHEMA).length > 0, text);
});

test.run();
