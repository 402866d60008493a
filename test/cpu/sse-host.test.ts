/**
 * MMX, SSE, AES-NI, PCLMULQDQ and SHA against the host's processor: every form of the operand table, register and memory operands, all of MXCSR.
 *
 * The harness sse-oracle.c runs the same instructions natively and is built when there is gcc on x86-64; without it these tests are
 * skipped in so many words. SSE_CASES=n runs n times as many cases. RCPPS and RSQRTPS, whose low bits are each processor's own, are
 * not compared.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Form } from './sse-core.ts';
import { absent, at, build, C, encode, enter, execute, forms, fresh, isFloat, lanesOf, leave, memory, RECORD, root } from './sse-core.ts';
import { below, double, integer, random, randomMxcsr, single, values } from './simd-values.ts';

function singles(view: DataView, offset: number): void {
  single(view, offset);
  single(view, offset + 4);
}

/** Fills one record: instruction, operands, MXCSR. Returns the immediate. */
function fill(view: DataView, base: number, form: Form): number {
  const lanes = lanesOf(form.op);
  const put = lanes === 'single' ? singles : lanes === 'double' ? double : integer;
  values.calm = below(4) === 0;
  const imm = below(4) ? random() & 0xff : random() & 0x0f;
  const code = encode(form, imm);
  for (let i = 0; i < 16; i++) view.setUint8(base + i, code[i] ?? 0);
  view.setUint8(base + 15, code.length);
  view.setUint32(base + 16, randomMxcsr(), true);
  for (let o = 24; o < 128; o += 8) put(view, base + o);
  // Explicit string lengths: about the size of a register.
  if (form.op >> 10 === 2 && (form.op & 0xfe) === 0x60) {
    view.setBigUint64(base + 88, BigInt.asUintN(64, BigInt(below(40) - 20)), true);
    view.setBigUint64(base + 104, BigInt.asUintN(64, BigInt(below(40) - 20)), true);
  }
  if (form.op >> 10 === 2 && (form.op & 0xfc) === 0x60) for (let i = 40; i < 72; i++) if (below(2)) view.setUint8(base + i, below(4));
  if (below(8) === 0) for (let i = 0; i < 16; i++) view.setUint8(base + 56 + i, view.getUint8(base + 40 + i));
  return imm;
}

const hex = (data: Uint8Array): string =>
  [...data]
    .reverse()
    .map((b) => b.toString(16).padStart(2, '0'))
    .join('');
function show(record: Uint8Array): string {
  const part = (from: number, to: number): string => hex(record.subarray(from, to));
  return (
    `mxcsr ${part(16, 20)} xmm0 ${part(24, 40)} xmm1 ${part(40, 56)} xmm2 ${part(56, 72)} mm1 ${part(72, 80)} mm2 ${part(80, 88)} ` +
    `rax ${part(88, 96)} rcx ${part(96, 104)} rdx ${part(104, 112)} mem ${part(112, 128)}`
  );
}

/** Builds the harness; false with the reason said when there is none. */
function buildOracle(): boolean {
  if (process.arch !== 'x64' || process.platform !== 'linux') return skipped('the host is not x86-64 Linux');
  try {
    execFileSync('gcc', ['-O1', '-z', 'noexecstack', '-o', `${build}/sse-oracle`, `${root}test/cpu/sse-oracle.c`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    return skipped(`gcc does not build it (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`);
  }
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  if (!/\bsse4_2\b/.test(flags)) return skipped('the host has no SSE4.2');
  return true;
}
function skipped(why: string): false {
  console.log(`sse: comparison with the host's processor SKIPPED: ${why}`);
  return false;
}

function consult(cases: Uint8Array): Uint8Array {
  writeFileSync(`${build}/sse-cases`, cases);
  execFileSync(`${build}/sse-oracle`, [`${build}/sse-cases`, `${build}/sse-results`]);
  return readFileSync(`${build}/sse-results`);
}

/** EFLAGS of instructions that set them; others leave them alone. */
const setsFlags = (op: number): boolean =>
  [0x2e, 0x2f].includes(op) || [0x12e, 0x12f, 0x517].includes(op) || (op >> 10 === 2 && (op & 0xfc) === 0x60);
const isApproximate = (op: number): boolean => op >> 10 === 0 && ((op & 0xff) === 0x52 || (op & 0xff) === 0x53);

const SIGILL = 4;
const SIGFPE = 8;

/** Runs `each` cases of every chosen form on both and returns the differences, a few per form. */
function compareWithHost(chosen: readonly Form[], each: number): string[] {
  const cases = new Uint8Array(chosen.length * each * RECORD);
  const view = new DataView(cases.buffer);
  const imms = new Uint8Array(chosen.length * each);
  for (let n = 0; n < imms.length; n++) imms[n] = fill(view, n * RECORD, chosen[Math.floor(n / each)] as Form);
  const results = consult(cases);
  const differences: string[] = [];
  const perForm = new Map<Form, number>();
  for (let n = 0; n < imms.length; n++) {
    const form = chosen[Math.floor(n / each)] as Form;
    const before = cases.subarray(n * RECORD, (n + 1) * RECORD);
    const host = results.subarray(n * RECORD, (n + 1) * RECORD);
    enter(before);
    execute(form, imms[n] as number);
    const wrong = differs(form, host);
    const seen = perForm.get(form) ?? 0;
    perForm.set(form, seen + (wrong === '' ? 0 : 1));
    if (wrong === '' || seen >= 2) continue;
    differences.push(
      `${hex(before.slice(0, before[15]).reverse())}: ${wrong}\n  in   ${show(before)}\n  host ${show(host)}\n  here ${show(leave())}`,
    );
  }
  return differences;
}

function differs(form: Form, host: Uint8Array): string {
  const here = leave();
  const exc = memory.getUint32(at('EXC'), true);
  const signal = host[0] as number;
  if (signal === SIGILL) return 'no such instruction on the host';
  if ((signal === SIGFPE) !== (exc === 0x113)) return `exception ${exc.toString(16)}, host signal ${signal}`;
  for (let i = 16; i < RECORD; i++) if ((i < 20 || i >= 24) && here[i] !== host[i]) return `byte ${i}`;
  if (setsFlags(form.op) && exc === 0) {
    const hostFlags = (host[20] as number) | ((host[21] as number) << 8);
    if ((memory.getUint32(at('RFLAGS'), true) & 0x8d5) !== (hostFlags & 0x8d5))
      return `flags ${memory.getUint32(at('RFLAGS'), true).toString(16)}, host ${hostFlags.toString(16)}`;
  }
  const { info } = form;
  const written = info & C('INFO_STORE') ? (form.mem ? 0 : (info >> 3) & 7) : info & 7;
  if (written === C('CLASS_MMX') && exc === 0) {
    const word = memory.getUint16(at('FPR') + 16 * (info & C('INFO_STORE') ? 2 : 1) + 8, true);
    if (word !== 0xffff) return `exponent word ${word.toString(16)}`;
  }
  return '';
}

/** The host has the extension of a form; SSE4.2 is taken for granted. */
const hostFlags = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';
const EXTENSIONS = { LEVEL_AES: /\baes\b/, LEVEL_PCLMULQDQ: /\bpclmulqdq\b/, LEVEL_SHA: /\bsha_ni\b/ };
function onHost({ info }: Form): boolean {
  const level = (info & C('INFO_LEVEL')) >> C('INFO_LEVEL_SHIFT');
  return Object.entries(EXTENSIONS).every(([name, flag]) => C(name) !== level || flag.test(hostFlags));
}

const against = buildOracle() ? test : test.skip;
/** Cases, in multiples of the usual number. */
const rounds = Number(process.env['SSE_CASES'] ?? 1);

test.before.each(fresh);

against("moves, integers and shuffles give the host processor's bits", () => {
  const chosen = forms.filter((f) => !isFloat(f.op) && onHost(f));
  assert.is(compareWithHost(chosen, 60 * rounds).join('\n'), '');
});

against("floating point gives the host processor's bits and MXCSR in every mode", () => {
  const chosen = forms.filter((f) => isFloat(f.op) && !isApproximate(f.op));
  assert.is(compareWithHost(chosen, 700 * rounds).join('\n'), '');
});

against('forms that the table lacks are undefined on the host too', () => {
  // AMD's MOVNTSS and MOVNTSD (SSE4a) stand where Intel has nothing.
  const chosen = absent.filter((f) => (f.op & 0x6ff) !== 0x22b);
  const cases = new Uint8Array(chosen.length * RECORD);
  const view = new DataView(cases.buffer);
  chosen.forEach((form, n) => {
    fill(view, n * RECORD, form);
  });
  const results = consult(cases);
  const defined = chosen.filter((_, n) => results[n * RECORD] !== SIGILL).map((f) => `${f.op.toString(16)}${f.mem ? ' m' : ''} /${f.reg}`);
  assert.is(defined.join(', '), '');
});

test.run();
