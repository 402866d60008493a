/**
 * VEX-encoded vector instructions against the host's processor: every form that iced-x86 knows, register and memory operands, all of MXCSR.
 *
 * The harness avx-oracle.c runs the same instructions natively and is built when there is gcc on x86-64 with AVX2; without it these tests are
 * skipped in so many words. AVX_CASES=n runs n times as many cases. VRCPPS and VRSQRTPS, whose low bits are each processor's own, are not
 * compared.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { CpuidFeature as F } from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AT, AvxCore, MIDDLE, RECORD } from './avx-core.ts';
import { type Encoded, encodeForm, type VexForm, vexForms } from './avx-forms.ts';
import { below, double, integer, random, randomMxcsr, reseed, single, values } from './simd-values.ts';

const build = fileURLToPath(new URL('../../build/', import.meta.url));
/** Cases, in multiples of the usual number. */
const rounds = Number(process.env['AVX_CASES'] ?? 1);
/** CF PF AF ZF SF OF. */
const ARITHMETIC = 0x8d5;

/** Builds the harness; false with the reason said when there is none. */
function buildOracle(): boolean {
  if (process.arch !== 'x64' || process.platform !== 'linux') return skipped('the host is not x86-64 Linux');
  mkdirSync(build, { recursive: true });
  const source = fileURLToPath(new URL('./avx-oracle.c', import.meta.url));
  try {
    execFileSync('gcc', ['-O1', '-z', 'noexecstack', '-o', `${build}avx-oracle`, source], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    return skipped(`gcc does not build it (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`);
  }
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  return /\bavx2\b/.test(flags) || skipped('the host has no AVX2');
}
function skipped(why: string): false {
  console.log(`avx: comparison with the host's processor SKIPPED: ${why}`);
  return false;
}

function consult(cases: Uint8Array): Uint8Array {
  writeFileSync(`${build}avx-cases`, cases);
  execFileSync(`${build}avx-oracle`, [`${build}avx-cases`, `${build}avx-results`]);
  return readFileSync(`${build}avx-results`);
}

type Lanes = 'single' | 'double' | 'integer';
const PUT = { single: singles, double, integer } as const;

/** What an instruction's operands hold; of a conversion its source. */
function lanesOf(name: string): Lanes {
  const kind = /^vcvtt?(dq|ps|pd|ss|sd|si|ph)2/.exec(name)?.[1] ?? /(ps|pd|ss|sd)$/.exec(name)?.[1] ?? '';
  if (/^(vbroadcast|vperm|vblend|vmov|vgather|vmaskmov|vtest|vunpck|vshuf|vand|vor|vxor|vinsert|vextract|v(ld|st)mxcsr)/.test(name))
    return 'integer';
  return kind === 'ps' || kind === 'ss' ? 'single' : kind === 'pd' || kind === 'sd' ? 'double' : 'integer';
}

function singles(view: DataView, offset: number): void {
  single(view, offset);
  single(view, offset + 4);
}

/** Binary16 in a quadword. */
const HALVES = [0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7d01, 0xfe12, 1, 0x3ff, 0x400, 0x7bff, 0x8001, 0x3c00];
function halves(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 2) view.setUint16(offset + i, below(3) ? random() & 0xffff : (HALVES[below(HALVES.length)] as number), true);
}

/** Binary32 that are often in or about the range of binary16, and about halfway between two of it. */
function narrowSingles(view: DataView, offset: number): void {
  for (let i = 0; i < 8; i += 4) {
    single(view, offset + i);
    if (below(3)) continue;
    const fraction = below(2) ? random() & 0x7fffff : ((random() & 0x3ff) << 13) | ([0, 0x1000, 0x1001, 0xfff, 1][below(5)] as number);
    view.setUint32(offset + i, ((below(2) << 31) | ((100 + below(48)) << 23) | fraction) >>> 0, true);
  }
}

/** Makes one operand of some lanes the product of the others, or almost, so that a fused sum cancels. `places`: where the operands stand. */
function cancel(view: DataView, places: readonly number[], width: 4 | 8): void {
  const get = (at: number): number => (width === 8 ? view.getFloat64(at, true) : view.getFloat32(at, true));
  for (let lane = 0; lane < 32; lane += width) {
    if (below(3)) continue;
    const z = below(3);
    const [x, y] = places.filter((_, n) => n !== z).map((at) => get(at + lane)) as [number, number];
    const at = (places[z] as number) + lane;
    const product = (below(2) ? 1 : -1) * x * y;
    if (width === 8) view.setFloat64(at, product, true);
    else view.setFloat32(at, product, true);
    if (below(3) === 0) view.setUint32(at, view.getUint32(at, true) ^ (1 << below(4)), true);
  }
}

/** A record of a form with random operands. */
function fill(view: DataView, base: number, form: VexForm): Encoded {
  const lanes = lanesOf(form.name);
  const put = form.name === 'vcvtph2ps' ? halves : form.name === 'vcvtps2ph' ? narrowSingles : PUT[lanes];
  values.calm = below(4) === 0;
  const scale = 1 << below(4);
  const displacement = form.gather ? 0 : below(3) === 0 ? below(33) : 0;
  const encoded = encodeForm(form, { registers: below(2) ? 16 : 4, displacement, scale });
  encoded.bytes.forEach((b, i) => {
    view.setUint8(base + i, b);
  });
  view.setUint8(base + AT.LENGTH, encoded.bytes.length);
  view.setUint32(base + AT.MXCSR, randomMxcsr(), true);
  view.setUint32(base + AT.FLAGS, 2 | (random() & ARITHMETIC), true);
  for (let o = AT.GPR; o < RECORD; o += 8) put(view, base + o);
  // VLDMXCSR takes what is there: mostly without reserved bits.
  if (form.name === 'vldmxcsr') view.setUint32(base + AT.MEM + MIDDLE + displacement, random() & (below(8) ? 0xffff : -1), true);
  const string = /^vpcmp([ei])str/.exec(form.name);
  if (string !== null) {
    // Explicit string lengths: about the size of a register. Elements that are often equal.
    for (const n of [0, 2]) view.setBigUint64(base + AT.GPR + 8 * n, BigInt.asUintN(64, BigInt(below(40) - 20)), true);
    for (let i = AT.MEM; i < RECORD; i++) if (below(2)) view.setUint8(base + i, below(4));
  }
  if (/^vfn?m/.test(form.name)) {
    const places = encoded.vectors.map((n) => base + AT.YMM + 32 * n);
    if (form.mem) places.push(base + AT.MEM + MIDDLE + displacement);
    cancel(view, places, lanes === 'double' ? 8 : 4);
  }
  if (form.gather) indices(view, base, form, encoded, scale);
  if (/mask|blendv|v[sr]lv|vpsravd|vperm/.test(form.name))
    for (let i = AT.YMM; i < RECORD; i += 4) if (below(2)) view.setInt32(base + i, below(80) - 40, true);
  return encoded;
}

/** Indices of a gather that keep to the record's memory. */
function indices(view: DataView, base: number, form: VexForm, encoded: Encoded, scale: number): void {
  const at = base + AT.YMM + 32 * (encoded.vectors.at(-1) as number);
  const span = 56 / scale;
  const quad = /^vp?gatherq/.test(form.name);
  for (let i = 0; i < 32; i += quad ? 8 : 4) {
    const n = below(2 * span) - span;
    if (quad) view.setBigInt64(at + i, BigInt(n), true);
    else view.setInt32(at + i, n, true);
  }
}

const hex = (data: Uint8Array): string =>
  [...data]
    .reverse()
    .map((b) => b.toString(16).padStart(2, '0'))
    .join('');
function show(record: Uint8Array, vectors: readonly number[]): string {
  const part = (from: number, to: number): string => hex(record.subarray(from, to));
  const registers = [...new Set([0, ...vectors])].map((n) => `ymm${n} ${part(AT.YMM + 32 * n, AT.YMM + 32 * n + 32)}`);
  return `mxcsr ${part(16, 20)} flags ${part(20, 22)} rax ${part(32, 40)} rcx ${part(40, 48)} mem ${part(128, 160)}\n       ${registers.join('\n       ')}`;
}

const machine = new AvxCore();
/** An alignment check of the host's kernel and #XM are as in the core: vectors are compared as they are. */
function differs(here: Uint8Array, host: Uint8Array): string {
  if (here[AT.VECTOR] !== host[AT.VECTOR]) return `vector ${here[AT.VECTOR]}, host ${host[AT.VECTOR]}`;
  const flags = (r: Uint8Array): number => ((r[AT.FLAGS] as number) | ((r[AT.FLAGS + 1] as number) << 8)) & ARITHMETIC;
  if (flags(here) !== flags(host)) return `flags ${flags(here).toString(16)}, host ${flags(host).toString(16)}`;
  for (let i = AT.MXCSR; i < AT.MXCSR + 4; i++)
    if (here[i] !== host[i]) return `mxcsr ${hex(here.subarray(16, 20))}, host ${hex(host.subarray(16, 20))}`;
  for (let i: number = AT.GPR; i < RECORD; i++)
    if (here[i] !== host[i]) return `byte ${i}${i >= AT.YMM ? ` (ymm${(i - AT.YMM) >> 5})` : ''}`;
  return '';
}

/** Runs `each` cases of every form on both and returns the differences, a few per form. */
function compareWithHost(forms: readonly VexForm[], each: number): string[] {
  const differences: string[] = [];
  const perForm = new Map<VexForm, number>();
  const batch = 40;
  for (let first = 0; first < forms.length; first += batch) {
    const some = forms.slice(first, first + batch);
    const cases = new Uint8Array(some.length * each * RECORD);
    const view = new DataView(cases.buffer);
    const encoded = Array.from({ length: some.length * each }, (_, n) => fill(view, n * RECORD, some[Math.floor(n / each)] as VexForm));
    const results = consult(cases);
    const ours = new Uint8Array(RECORD);
    encoded.forEach(({ bytes, vectors }, n) => {
      const form = some[Math.floor(n / each)] as VexForm;
      const before = cases.slice(n * RECORD, (n + 1) * RECORD);
      machine.run(before, ours, 0);
      const host = results.subarray(n * RECORD, (n + 1) * RECORD);
      const wrong = differs(ours, host);
      if (wrong === '') return;
      const seen = perForm.get(form) ?? 0;
      perForm.set(form, seen + 1);
      if (seen >= 1) return;
      differences.push(
        `${form.name}${form.mem ? ' m' : ''} ${hex(bytes.slice().reverse())}: ${wrong}\n  in   ${show(before, vectors)}\n  host ${show(host, vectors)}\n  here ${show(ours, vectors)}`,
      );
    });
  }
  return differences;
}

const AVX_FORMS = vexForms([F.AVX, F.AVX2, F.FMA, F.F16C, F.AES, F.PCLMULQDQ]);
const compared = AVX_FORMS.filter((f) => !/^vrcp|^vrsqrt/.test(f.name));
const isFloat = (f: VexForm): boolean => lanesOf(f.name) !== 'integer' || f.name.startsWith('vcvt');
const against = buildOracle() ? test : test.skip;

test.before.each(() => {
  reseed();
});

against("moves, integers and shuffles give the host processor's bits", () => {
  assert.is(
    compareWithHost(
      compared.filter((f) => !isFloat(f)),
      30 * rounds,
    ).join('\n'),
    '',
  );
});

against("floating point gives the host processor's bits and MXCSR in every mode", () => {
  assert.is(compareWithHost(compared.filter(isFloat), 120 * rounds).join('\n'), '');
});

test.run();
