/**
 * D scripts as they are written for illumos' KVM, over guests from their first instruction on: what they print agrees with what the VM counted.
 *
 * The scripts are the files of `scripts/`; each has a test here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { VmReport } from '../../vmm/report.ts';
import { CODE, multiboot } from '../vmm/guests.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
const BUILTIN = fileURLToPath(new URL('../../images/builtin/lucid-guest.elf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lucid-scripts-'));
let files = 0;

interface Traced {
  readonly trace: string;
  readonly report: VmReport & { readonly exitStatus: number };
  readonly stderr: string;
}

/** Runs a guest with tracing options; the trace and the counts. */
function run(kernel: string, ...options: readonly string[]): Traced {
  const output = join(folder, `trace-${files++}`);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [LUCID, 'run', '--kernel', kernel, '--memory', '64M', '--serial', 'null', '--json', '--no-exits', '-o', output, ...options],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (stdout === '') throw new Error(stderr);
  return { trace: readFileSync(output, 'utf8'), report: JSON.parse(stdout) as Traced['report'], stderr };
}

function script(name: string, kernel = BUILTIN): Traced {
  return run(kernel, '-s', fileURLToPath(new URL(`./scripts/${name}.d`, import.meta.url)));
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

const test = suite('D scripts over a guest');
test.after(() => rmSync(folder, { recursive: true }));

test('every exit by its name, as it happens: as many as the VM counted', () => {
  const { trace, report } = script('exit-names');
  const names = trace.trim().split('\n');
  assert.equal(tally(names), Object.fromEntries(report.exits.map(({ name, count }) => [name, count])));
});

test('accesses of control registers by operation and register', () => {
  const { trace, report } = script('control-registers');
  const [heading, ...rows] = trace.trim().split('\n');
  assert.is(heading, 'OPERATION    CR  REG    COUNT');
  const cells = rows.map((row) => /^(mov to|mov from|clts|lmsw) +(\d) +(r..) +(\d+)$/.exec(row));
  assert.ok(rows.length > 0 && cells.every((cell) => cell !== null), trace);
  const counted = report.exits.find(({ name }) => name === 'CR_ACCESS')?.count;
  assert.is(sum(cells.map((cell) => Number(cell?.[4]))), counted);
});

test('a flight recorder: the last exits before a triple fault, with all registers', () => {
  // 2000 times: out 0x80, al; then an IDT of nothing, and int3.
  const loop = [0xb9, 0xd0, 7, 0, 0, 0xe6, 0x80, 0xe2, 0xfc];
  const idt = CODE + loop.length + 8;
  const code = [...loop, 0x0f, 0x01, 0x1d, ...new Uint8Array(Uint32Array.of(idt).buffer), 0xcc, 0, 0, 0, 0, 0, 0];
  const kernel = join(folder, 'triple.elf');
  writeFileSync(kernel, multiboot(code));
  const { trace, report } = script('flight-recorder', kernel);
  assert.is(report.exitStatus, 6);
  const exits = trace
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith(' '));
  assert.match(exits.at(-1) as string, new RegExp(`^TRIPLE_FAULT +rip ${(idt - 1).toString(16).padStart(16, '0')} `));
  assert.match(exits.at(-2) as string, /^IO_INSTRUCTION /);
  // Each firing is one record of three lines: 16 kB hold some, not all.
  assert.ok(exits.length > 20 && exits.length < 500, `${exits.length} exits`);
  assert.match(trace, /\n {2}rax [0-9a-f]{16} rbx [0-9a-f]{16} rcx 0{16} rdx [0-9a-f]{16}\n/);
});

test('time in the guest between two exits, by VM and vCPU', () => {
  const { trace, report } = script('guest-time');
  assert.match(trace, /^pid \d+, vcpu 1: \n +value {2}-+ Distribution -+ count/);
  const counts = [...trace.matchAll(/\|[@ ]* (\d+) *$/gm)].map(([, count]) => Number(count));
  // The first entry is at time 0, which the predicate takes for none.
  assert.is(sum(counts), report.exitsTotal - 1);
});

test('interrupts by vector and by when within a second', () => {
  const { trace, report } = script('interrupts');
  const [vector] = report.interrupts;
  assert.is(report.interrupts.length, 1);
  assert.match(trace, new RegExp(`^\n +${vector?.vector}\n +value  -+`));
  const counts = [...trace.matchAll(/\|[@ ]* (\d+) *$/gm)].map(([, count]) => Number(count));
  assert.is(sum(counts), vector?.count);
});

test('profile-97 by CR3: as many samples as there were times, over all address spaces', () => {
  const { trace, report } = script('address-spaces');
  const samples = [...trace.matchAll(/^ *([0-9a-f]+) +(\d+)$/gm)].map(([, , count]) => Number(count));
  assert.is(sum(samples), Math.floor((report.clockNs * 97) / 1e9));
});

test('two runs give the same trace, whatever the size of the buffer; the guest is the same with it and without', () => {
  const program = ['-qn', 'sdt::: { printf("%d %s %x %x %x\\n", timestamp, probename, arg0, arg1, arg2); }'];
  const runs = [run(BUILTIN, ...program), run(BUILTIN, ...program, '-b', '4k'), run(BUILTIN, ...program, '-xswitchrate=1hz')];
  const plain = run(BUILTIN, '-qn', 'BEGIN');
  assert.ok((runs[0]?.trace.split('\n').length as number) > 10_000);
  for (const { trace, report } of runs) {
    assert.ok(trace === runs[0]?.trace, 'the traces differ');
    assert.is(report.exitHash, plain.report.exitHash);
    assert.is(report.instructions, plain.report.instructions);
  }
});

test.run();
