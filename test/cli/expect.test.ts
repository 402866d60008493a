/** `lucid expect`, as a person and a CI service use it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FIRMWARE } from '../../vmm/cli/firmware.ts';
import type { ExpectReport } from '../../vmm/cli/expect/report.ts';
import { CODE, multiboot } from '../vmm/guests.ts';
import { type Finished, finished, runtimePlace, start } from './stat-commands.ts';

const place = runtimePlace();
const folder = mkdtempSync(join(tmpdir(), 'lucid-expecting-'));
const test = suite('lucid expect');
test.after(() => {
  place.remove();
  rmSync(folder, { recursive: true });
});

const lucid = (...args: string[]): Promise<Finished> => finished(start('lucid', args, place.xdg));
const at = (name: string): string => join(folder, name);
const says = (text: string): number[] => [0x66, 0xba, 0xf8, 3, ...[...text].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee])];
/** mov ecx,n; l: in al,71h; loop l */
const reads = (n: number): number[] => [0xb9, n, 0, 0, 0, 0xe4, 0x71, 0xe2, 0xfc];
/** mov al,v; out f4h,al */
const ends = (v: number): number[] => [0xb0, v, 0xe6, 0xf4];

const GUEST = 'guest: {kernel: guest.elf, debug-exit: 0xf4, limit: time=10}\nmarks:\n  ready: {serial: ready}\n  done: {serial: done}\n';

/** Writes a file of expectations of the guest that says ready, reads a port ten times, and says done. */
function file(name: string, expectations: string): string {
  writeFileSync(at(name), `${GUEST}expect:\n${expectations}`);
  return at(name);
}

async function report(name: string, expectations: string, ...more: string[]): Promise<ExpectReport & { status: number | null }> {
  const { out, err, status } = await lucid('expect', file(name, expectations), '--json', ...more);
  assert.is(err, '');
  return { ...(JSON.parse(out) as ExpectReport), status };
}

test.before(() => {
  const guest = (n: number): number[] => [...says('ready\n'), ...reads(n), ...says('done\n'), ...ends(0)];
  writeFileSync(at('guest.elf'), multiboot(guest(10)));
  writeFileSync(at('more.elf'), multiboot(guest(30)));
  writeFileSync(at('dies.elf'), multiboot([...says('ready\nhm\n'), 0x0f, 0x0b]));
});

test('each kind of expectation is met, or not, and says what was found', async () => {
  const program =
    '"kvm-pio { @n = count(); @ports[args[0] ? \\"out\\" : \\"in\\"] = count(); @sizes = lquantize(args[1], 0, 2000, 100); }"';
  const cases: [expectation: string, met: boolean, found: RegExp][] = [
    ['exits: IO_INSTRUCTION in 0x71, count: {max: 10}, between: [ready, done]', true, /^10 exits$/],
    ['exits: io-instruction in 0x71, count: {max: 9}, between: [ready, done]', false, /^10 exits$/],
    ['exits: IO_INSTRUCTION in 0x71, count: {max: 0}, between: [start, ready]', true, /^0 exits$/],
    ['exits: MSR_WRITE 0x10, count: 0', true, /^0 exits$/],
    ['exits: any, time: {max: 1ns}', false, /^\d+ exits, [\d.]+us \(modelled\)$/],
    ['exits: IO_INSTRUCTION in 0x71, count: {min: 11}', false, /^10 exits$/],
    ['reached: done, within: {instructions: 1k, time: 1s, exits: 100}', true, /^after \d+ instructions, [\d.]+us, \d+ exits$/],
    ['reached: done, within: {instructions: 5}', false, /^after \d+ instructions/],
    ['serial: {contains: ready}', true, /^it says: ready$/],
    ['serial: {contains: ready}, between: [done, end]', false, /^it does not say it$/],
    ['serial: {lacks: panic}', true, /^it does not say it$/],
    ['serial: {lacks: one}, between: [ready, end]', false, /^it says: done$/],
    ['serial: {matches: "^d[aeiou]n"}', true, /^it says: done$/],
    ['serial: {matches: "^x"}', false, /^it does not say it$/],
    ["kstat: 'kvm:0:vcpu-*:exits', value: {min: 10}", true, /^kvm:0:vcpu-0:exits \d+$/],
    ["kstat: 'kvm:0:vcpu-*:exits', value: {max: 1}", false, /^kvm:0:vcpu-0:exits \d+$/],
    ["kstat: 'virtio_blk:0:*:reads', value: {max: 1}", false, /^there is no such statistic$/],
    [`d: ${program}, aggregation: "@n", value: {min: 10}`, true, /^\d+$/],
    [`d: ${program}, aggregation: "@ports", key: [none], value: {max: 0}`, true, /^nothing was counted: 0$/],
    [`d: ${program}, aggregation: "@ports", value: {max: 5}`, false, /^\[\w+\] \d+/],
    [`d: ${program}, aggregation: "@sizes", percentile: 99, max: 1100`, true, /^p99 is in the bucket from \d+ to \d+$/],
    [`d: ${program}, aggregation: "@sizes", percentile: 50, max: 5`, false, /^p50 is in the bucket from \d+ to \d+$/],
    ['outcome: debug-exit 0', true, /^the guest wrote 0 to the debug-exit port$/],
    ['outcome: power-off', false, /^the guest wrote 0 to the debug-exit port$/],
  ];
  const all = await report('kinds.yaml', cases.map(([expectation]) => `  - {${expectation}}\n`).join(''));
  cases.forEach(([expectation, met, found], i) => {
    const verdict = all.expectations[i];
    assert.equal([expectation, verdict?.met], [expectation, met]);
    assert.match(verdict?.found ?? '', found);
    assert.is(verdict?.line, 6 + i);
  });
  assert.equal([all.ok, all.exitStatus, all.status], [false, 1, 1]);
});

test('an expectation that is not met shows the exits that broke it: when, where, by which instruction', async () => {
  writeFileSync(at('guest.map'), `00000000${CODE.toString(16)} T start\n00000000${(CODE + 0x16).toString(16)} T poll\n`);
  const yaml = file('broken.yaml', '  - name: polls little\n    exits: IO_INSTRUCTION in 0x71\n    count: {max: 8}\n').replace(/$/, '');
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('marks:', 'symbols: guest.map\nmarks:'));
  const { out, status } = await lucid('expect', yaml);
  assert.match(
    out,
    /^NOT MET polls little\n +10 exits\n +exits that broke it:\n(?: +[\d.]+us vcpu 0 IO_INSTRUCTION in 0x71 at 0x10002\w poll\+0x\w+: in al,71h \(after ready\)\n){2}\n/,
  );
  assert.match(
    out,
    /\nguest\.elf: the guest wrote 0 to the debug-exit port after \d+ instructions, [\d.]+us, \d+ exits\n\S*broken\.yaml: 0 of 1 expectations met\n$/,
  );
  assert.is(status, 1);
});

test('all met is status 0; options after -- replace those of the file', async () => {
  const yaml = file('met.yaml', '  - {exits: IO_INSTRUCTION in 0x71, count: 10}\n');
  const { out, status } = await lucid('expect', yaml);
  assert.equal([status, /1 of 1 expectations met\n$/.test(out)], [0, true]);
  const more = await lucid('expect', yaml, '--', '--kernel', at('more.elf'));
  assert.match(more.out, /NOT MET exits IO_INSTRUCTION in 0x71: 10\n +30 exits\n/);
  assert.is(more.status, 1);
});

test('a mark that is never reached, and a guest that dies on the way, are told with the last of the console', async () => {
  const yaml = file('died.yaml', '  - {reached: done}\n  - {exits: CPUID, count: 0, between: [ready, done]}\n  - {reached: ready}\n');
  const { out, status } = await lucid('expect', yaml, '--junit', at('died.xml'), '--', '--kernel', at('dies.elf'));
  assert.match(
    out,
    /^NOT MET reached done\n +mark 'done' \(serial 'done'\) was never reached\n +the console said last:\n +ready\n +hm\nNOT MET exits CPUID/,
  );
  assert.match(out, /\nmet {5}reached ready\n/);
  assert.match(out, /\nthe guest died: triple fault\n[\s\S]*ud2\n/);
  assert.is(status, 6);
  assert.match(
    readFileSync(at('died.xml'), 'utf8'),
    /tests="4" failures="2" errors="1"[\s\S]*<error message="the guest died: triple fault">/,
  );
  const foreseen = await report('foreseen.yaml', '  - {outcome: died}\n', '--', '--kernel', at('dies.elf'));
  assert.is(foreseen.status, 0);
});

test('a baseline is exact: what is new, gone, more and less in which phase', async () => {
  const yaml = file('base.yaml', '  - baseline: {new-causes: none, counts: exact}\n');
  const none = await lucid('expect', yaml);
  assert.match(none.err, /^lucid: \S*base\.yaml\.baseline\.json: there is no baseline yet; write one with lucid expect --update\n$/);
  assert.is(none.status, 2);
  const died = await lucid('expect', yaml, '--update', '--', '--kernel', at('dies.elf'));
  assert.equal([died.status, existsSync(`${yaml}.baseline.json`)], [6, false]);
  assert.is((await lucid('expect', yaml, '--update')).status, 0);
  assert.is((await lucid('expect', yaml)).status, 0);
  const more = await lucid('expect', yaml, '--', '--kernel', at('more.elf'));
  assert.match(
    more.out,
    /\n +1 difference, the weightiest first\n +more IO_INSTRUCTION in 0x71 between ready and done: 10 before, 30 now\n +to compare: lucid expect .*; lucid diff .*\n +exits that broke it:\n/,
  );
  assert.is(more.status, 1);
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('exact', '200%'));
  assert.is((await lucid('expect', yaml, '--', '--kernel', at('more.elf'))).status, 0);
  writeFileSync(`${yaml}.baseline.json`, '{}');
  assert.match((await lucid('expect', yaml)).err, /is no baseline; write one with lucid expect --update\n$/);
});

test('runs of the same file give identical reports', async () => {
  const yaml = file(
    'same.yaml',
    '  - {exits: any, count: 0}\n  - {d: "kvm-pio { @[args[0]] = count(); }", aggregation: "@", value: {max: 1}}\n',
  );
  const first = await lucid('expect', yaml, '--json', '--junit', at('1.xml'));
  const second = await lucid('expect', yaml, '--json', '--junit', at('2.xml'));
  assert.is(first.out, second.out);
  assert.is(readFileSync(at('1.xml'), 'utf8'), readFileSync(at('2.xml'), 'utf8'));
});

const firmware = existsSync(FIRMWARE) ? test : test.skip;

firmware('statistics are those of the very end, and the latency of a disk is asked with D', async () => {
  const sector = Buffer.alloc(512);
  Buffer.from([0xb0, 0, 0xe6, 0xf4, 0xf4]).copy(sector); // mov al,0; out f4h,al; hlt
  sector.writeUInt16LE(0xaa55, 510);
  writeFileSync(at('disk.img'), Buffer.concat([sector, Buffer.alloc(1 << 20)]));
  const latency = 'io:::start { t[arg0] = timestamp; } io:::done /t[arg0]/ { @lat = quantize(timestamp - t[arg0]); t[arg0] = 0; }';
  writeFileSync(
    at('disk.yaml'),
    `guest: {image: "disk.img,snapshot", debug-exit: 0xf4, limit: time=20}\nexpect:\n` +
      `  - {kstat: 'virtio_blk:0:*:reads', value: {is: 1}}\n  - {d: "${latency}", aggregation: "@lat", percentile: 99, max: 2ms}\n`,
  );
  const { out, status } = await lucid('expect', at('disk.yaml'));
  assert.match(out, /^met {5}kstat virtio_blk:0:\*:reads: 1\n +virtio_blk:0:disk0:reads 1\nmet {5}d @lat p99: at most 2000000\n/);
  assert.is(status, 0);
});

test('bad options and files are told in one line, status 2', async () => {
  const yaml = file('plain.yaml', '  - {reached: done}\n');
  for (const [args, message] of [
    [[], /^lucid: which file\? /],
    [[at('nix.yaml')], /^lucid: \S*nix\.yaml: No such file or directory\n$/],
    [[yaml, '--', '--kernel', at('nix.elf')], /^lucid: \S*plain\.yaml:1: guest: --kernel \S*nix\.elf: there is no such file\n$/],
    [[yaml, '--', '--events', 'x'], /^lucid: \S*plain\.yaml:1: guest: --events: not here; /],
    [[yaml, '--', '--kernal', 'x'], /^lucid: \S*plain\.yaml:1: guest: --kernal: unknown option/],
    [[yaml, '--', '-n', 'BEGIN'], /^lucid: \S*plain\.yaml:1: guest: -n: not here; /],
    [
      [file('names.yaml', '  - {reached: done}\nsymbols: nix.map\n')],
      /^lucid: \S*names\.yaml: symbols \S*nix\.map: No such file or directory\n$/,
    ],
    [[yaml, '--update'], /^lucid: --update: \S*plain\.yaml has no baseline among its expectations; write /],
    [[yaml, '--junit', at('no/where.xml')], /^lucid: --junit \S*where\.xml: No such file or directory\n$/],
  ] as [string[], RegExp][]) {
    const { err, status } = await lucid('expect', ...args);
    assert.match(err, message);
    assert.is(status, 2);
  }
});

test.run();
