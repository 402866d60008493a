/**
 * FMA3 and F16C against the host's processor: every opcode, precision and vector length, register and memory operands, all of MXCSR.
 *
 * The harness fma-oracle.c runs the same instructions natively and is built when there is gcc on x86-64 with FMA; without it these tests
 * are skipped in so many words. FMA_CASES=n runs n times as many cases.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { below, double, random, randomMxcsr, single, values } from './simd-values.ts';
import { at, build, bytes, CPU, core, fresh, memory, RAM, root } from './sse-core.ts';

const RECORD = 160;
const YMM = (n: number): number => at('XMM') + 32 * n;

interface Form {
  readonly name: string;
  /** Instruction bytes; `mem` has [rsi] for ymm2. */
  readonly code: readonly number[];
  readonly lanes: 'single' | 'double' | 'half';
  /** Bytes of the operation's lanes, for operands that are near one another. */
  readonly run: () => void;
}

const vex = (map: number, w: number, l: number, vvvv: number, opcode: number, modrm: number): number[] => [
  0xc4,
  0xe0 | map,
  (w << 7) | ((~vvvv & 15) << 3) | (l << 2) | 1,
  opcode,
  modrm,
];

function fmaForms(): Form[] {
  const forms: Form[] = [];
  for (const order of [0x90, 0xa0, 0xb0])
    for (let op = 6; op < 16; op++)
      for (const w of [0, 1])
        for (const l of op >= 8 && op & 1 ? [0] : [0, 1])
          for (const mem of [false, true]) {
            const opcode = order | op;
            const rm = mem ? RAM : YMM(2);
            forms.push({
              name: `${opcode.toString(16)} W${w} L${l}${mem ? ' m' : ''}`,
              code: vex(2, w, l, 1, opcode, mem ? 0x06 : 0xc2),
              lanes: w ? 'double' : 'single',
              run: () => core.fmaExec(CPU, opcode, w, l, YMM(0), YMM(1), rm),
            });
          }
  return forms;
}

function f16cForms(): Form[] {
  const forms: Form[] = [];
  for (const l of [0, 1])
    for (const mem of [false, true]) {
      const rm = mem ? RAM : YMM(2);
      forms.push({
        name: `vcvtph2ps L${l}${mem ? ' m' : ''}`,
        code: vex(2, 0, l, 0, 0x13, mem ? 0x06 : 0xc2),
        lanes: 'half',
        run: () => core.cvtph2ps(CPU, l, YMM(0), rm),
      });
      for (const imm of [0, 1, 2, 3, 4, 7, 0x80, 0xfd])
        forms.push({
          name: `vcvtps2ph L${l}${mem ? ' m' : ''} ${imm}`,
          code: [...vex(3, 0, l, 0, 0x1d, mem ? 0x06 : 0xc2), imm],
          lanes: 'single',
          run: () => core.cvtps2ph(CPU, l, rm, mem ? 1 : 0, YMM(0), imm),
        });
    }
  return forms;
}

/** A binary16, or a binary32 about the size of one. */
const HALVES = [0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7d01, 0xfe12, 1, 0x3ff, 0x400, 0x7bff, 0x8001, 0x3c00];
function half(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 2) view.setUint16(offset + i, below(3) ? random() & 0xffff : (HALVES[below(HALVES.length)] as number), true);
}
function singles(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 4) {
    single(view, offset + i);
    // Binary16 has exponents from 103 to 143 in binary32's terms.
    if (below(3) === 0) {
      const low = below(2) ? random() & 0x7fffff : ((random() & 0x3ff) << 13) | [0, 0x1000, 0x1001, 0xfff, 1][below(5)]!;
      view.setUint32(offset + i, (((random() & 1) << 31) | ((100 + below(48)) << 23) | low) >>> 0, true);
    }
  }
}

/** Makes the addend of some lanes almost the product, so that they cancel. */
function cancel(view: DataView, base: number, width: 4 | 8): void {
  for (let lane = 0; lane < 32; lane += width) {
    if (below(3)) continue;
    const roles = [0, 1, 2].map((n) => base + 32 + 32 * n + lane);
    const z = below(3);
    const [x, y] = roles.filter((_, n) => n !== z) as [number, number];
    const sign = below(2) ? 1 : -1;
    if (width === 8) {
      view.setFloat64(roles[z] as number, sign * view.getFloat64(x, true) * view.getFloat64(y, true), true);
      if (below(3) === 0) view.setUint32(roles[z] as number, view.getUint32(roles[z] as number, true) ^ (1 << below(4)), true);
    } else {
      view.setFloat32(roles[z] as number, sign * view.getFloat32(x, true) * view.getFloat32(y, true), true);
      if (below(3) === 0) view.setUint32(roles[z] as number, view.getUint32(roles[z] as number, true) ^ (1 << below(4)), true);
    }
  }
}

/** Fills one record: instruction, operands, MXCSR. */
function fill(view: DataView, base: number, form: Form): void {
  values.calm = below(4) === 0;
  form.code.forEach((byte, i) => {
    view.setUint8(base + i, byte);
  });
  view.setUint8(base + 15, form.code.length);
  view.setUint32(base + 16, randomMxcsr(), true);
  const put = form.lanes === 'half' ? half : form.lanes === 'double' ? double : singles;
  for (let o = 32; o < RECORD; o += 8) put(view, base + o);
  if (form.lanes !== 'half') cancel(view, base, form.lanes === 'double' ? 8 : 4);
  // The memory operand is what ymm2 holds.
  for (let i = 0; i < 32; i++) view.setUint8(base + 128 + i, view.getUint8(base + 96 + i));
}

function consult(cases: Uint8Array): Uint8Array {
  writeFileSync(`${build}/fma-cases`, cases);
  execFileSync(`${build}/fma-oracle`, [`${build}/fma-cases`, `${build}/fma-results`]);
  return readFileSync(`${build}/fma-results`);
}

const hex = (data: Uint8Array): string =>
  [...data]
    .reverse()
    .map((b) => b.toString(16).padStart(2, '0'))
    .join('');
const show = (r: Uint8Array): string =>
  `mxcsr ${hex(r.subarray(16, 20))} ${[0, 1, 2].map((n) => hex(r.subarray(32 + 32 * n, 64 + 32 * n))).join(' ')} mem ${hex(r.subarray(128, 160))}`;

/** The record as the core leaves it. */
function execute(form: Form, before: Uint8Array): Uint8Array {
  bytes.set(before.subarray(32, 128), YMM(0));
  bytes.set(before.subarray(128, 160), RAM);
  bytes.set(before.subarray(16, 20), at('MXCSR'));
  memory.setUint32(at('EXC'), 0, true);
  form.run();
  const after = before.slice();
  after.fill(0, 0, 16);
  after[0] = memory.getUint32(at('EXC'), true) === 0x113 ? SIGFPE : memory.getUint32(at('EXC'), true);
  after.set(bytes.subarray(at('MXCSR'), at('MXCSR') + 4), 16);
  after.set(bytes.subarray(YMM(0), YMM(3)), 32);
  after.set(bytes.subarray(RAM, RAM + 32), 128);
  return after;
}

/** Runs `each` cases of every form on both and returns the differences, two per form. */
function compareWithHost(chosen: readonly Form[], each: number): string {
  const cases = new Uint8Array(chosen.length * each * RECORD);
  const view = new DataView(cases.buffer);
  for (let n = 0; n < chosen.length * each; n++) fill(view, n * RECORD, chosen[Math.floor(n / each)] as Form);
  const results = consult(cases);
  const differences: string[] = [];
  chosen.forEach((form, f) => {
    let seen = 0;
    for (let n = f * each; n < (f + 1) * each; n++) {
      const before = cases.subarray(n * RECORD, (n + 1) * RECORD);
      const host = results.subarray(n * RECORD, (n + 1) * RECORD);
      const here = execute(form, before);
      if (Buffer.compare(here, host) === 0 || seen++ >= 2) continue;
      differences.push(`${form.name}\n  in   ${show(before)}\n  host ${host[0]} ${show(host)}\n  here ${here[0]} ${show(here)}`);
    }
  });
  return differences.join('\n');
}

const SIGFPE = 8;

/** Builds the harness; false with the reason said when there is none. */
function buildOracle(): boolean {
  if (process.arch !== 'x64' || process.platform !== 'linux') return skipped('the host is not x86-64 Linux');
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  if (!/\bfma\b/.test(flags) || !/\bf16c\b/.test(flags)) return skipped('the host has no FMA or no F16C');
  try {
    execFileSync('gcc', ['-O1', '-z', 'noexecstack', '-o', `${build}/fma-oracle`, `${root}test/cpu/fma-oracle.c`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    return skipped(`gcc does not build it (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`);
  }
  return true;
}
function skipped(why: string): false {
  console.log(`fma: comparison with the host's processor SKIPPED: ${why}`);
  return false;
}

const against = buildOracle() ? test : test.skip;
/** Cases, in multiples of the usual number. */
const rounds = Number(process.env['FMA_CASES'] ?? 1);

test.before.each(fresh);

against("fused multiply-adds give the host processor's bits and MXCSR in every mode", () => {
  assert.is(compareWithHost(fmaForms(), 400 * rounds), '');
});

against("conversions to and from binary16 give the host processor's bits and MXCSR in every mode", () => {
  assert.is(compareWithHost(f16cForms(), 1000 * rounds), '');
});

test.run();
