/**
 * Cases in batches through both machines, and what came of it.
 *
 * @module
 */
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import type { Case } from './case.ts';
import { type Difference, differences, Result } from './compare.ts';
import { generate, type Supported } from './generate.ts';
import { type Absent, buildHarness, type Harness } from './harness.ts';
import { excuse } from './known.ts';
import * as L from './layout.ts';
import { findQemu, lucid, qemu, type Runner } from './machines.ts';

interface Found {
  readonly n: number;
  readonly c: Case;
  readonly differences: readonly Difference[];
  readonly ours: Result;
  readonly theirs: Result;
}

export class Report {
  readonly seed: number;
  readonly version: string;
  cases = 0;
  seconds: readonly number[] = [0, 0];
  readonly byKind = new Map<string, number>();
  readonly byEnd = new Map<string, number>();
  /** Differences that are QEMU's fault, by the table's entry. */
  readonly known = new Map<string, number>();
  readonly unknown: Found[] = [];
  /** Cases after which QEMU had to be started anew. */
  readonly restarts = new Map<string, number>();

  constructor(seed: number, version: string) {
    this.seed = seed;
    this.version = version;
  }

  get outstanding(): number {
    return this.unknown.length;
  }

  text(show: number): string {
    const rows = (map: Map<string, number>): string =>
      [...map]
        .sort((a, b) => b[1] - a[1])
        .map(([name, n]) => `  ${String(n).padStart(8)}  ${name}\n`)
        .join('');
    let out = `QEMU ${this.version}, seed ${this.seed}: ${this.cases} cases, ${this.seconds.map((s) => s.toFixed(1)).join(' s in QEMU and ')} s here\n`;
    out += `kinds:\n${rows(this.byKind)}ends:\n${rows(this.byEnd)}QEMU started anew after:\n${rows(this.restarts)}where QEMU is wrong:\n${rows(this.known)}outstanding: ${this.outstanding}\n`;
    const shown = new Map<string, number>();
    for (const found of this.unknown) {
      const key = `${found.c.kind}: ${found.differences.map((d) => (d.field === 'end' ? `${d.ours} / ${d.theirs}` : d.field)).join(' ')}`;
      const n = (shown.get(key) ?? 0) + 1;
      shown.set(key, n);
      if (n <= show) out += describe(found);
    }
    return `${out}${shown.size === 0 ? '' : `by kind of difference (ours / QEMU):\n${rows(shown)}`}`;
  }
}

/** A case and what differs, for people. */
function describe({ n, c, differences: list, ours, theirs }: Found): string {
  const level = c.cs & 3;
  const where = `${c.environment}${(c.rflags & 0x20000n) !== 0n ? ' vm86' : ''} cs=${c.cs.toString(16)} level ${level} flags=${c.rflags.toString(16)}`;
  const control = `cr0=${c.cr0.toString(16)} cr4=${(c.cr4 | c.cr4Late).toString(16)} efer=${c.efer.toString(16)}`;
  let out = `\ncase ${n}, ${c.kind} [${[...c.tags].join(' ')}]: ${where} ${control}\n`;
  const bits = widthOf(c);
  const decoder = new Decoder(bits, c.code, DecoderOptions.None);
  decoder.ip = c.rip;
  const formatter = new Formatter(FormatterSyntax.Intel);
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const at = Number(instruction.ip - c.rip);
    const bytes = [...c.code.subarray(at, at + instruction.length)].map((b) => b.toString(16).padStart(2, '0')).join('');
    out += `  ${instruction.ip.toString(16)}  ${bytes.padEnd(22)} ${formatter.format(instruction)}\n`;
    instruction.free();
  }
  decoder.free();
  formatter.free();
  for (const p of c.patches.slice(0, -1))
    out += `  patch ${p.at.toString(16)}: ${[...p.bytes]
      .reverse()
      .map((b) => b.toString(16).padStart(2, '0'))
      .join('')}\n`;
  for (const [index, value] of c.msrs) out += `  msr ${index.toString(16)} = ${value.toString(16)}\n`;
  out += `  registers ${c.regs.map((value) => value.toString(16)).join(' ')}\n`;
  if (c.dr7 !== 0x400) out += `  dr0-3 ${c.dr.map((value) => value.toString(16)).join(' ')} dr7 ${c.dr7.toString(16)}\n`;
  out += `  ends: ours ${ours.end} at ${ours.rip.toString(16)}, QEMU ${theirs.end} at ${theirs.rip.toString(16)} cr2 ${ours.text(L.SAVE.CR2, 8)} / ${theirs.text(L.SAVE.CR2, 8)}\n`;
  for (const d of list.slice(0, 12)) out += `  ${d.field}: ours ${d.ours}, QEMU ${d.theirs}\n`;
  return out;
}

/** Bits of the code that a case starts with. */
export function widthOf(c: Case): 16 | 32 | 64 {
  if (c.environment === 'real' || (c.rflags & 0x20000n) !== 0n) return 16;
  const selector = c.cs & ~7;
  if (selector === L.SEL.code16 || selector === L.SEL.user16) return 16;
  const wide = [L.SEL.code64, L.SEL.code64of1, L.SEL.code64of2, L.SEL.user64] as readonly number[];
  return wide.includes(selector) ? 64 : 32;
}

/** CR4 by CPUID (SDM vol. 3, 2.5): what both processors have. */
function supported(a: Uint32Array, b: Uint32Array): Supported {
  const both = a.map((word, i) => word & (b[i] as number));
  const [, , ecx1, edx1, , ebx7, ecx7] = both as unknown as number[];
  let cr4 = 0x600;
  const bit = (has: number | undefined, n: number, cr4Bit: number): void => {
    if ((((has ?? 0) >>> n) & 1) === 1) cr4 |= 1 << cr4Bit;
  };
  bit(edx1, 2, 3);
  bit(edx1, 3, 4);
  bit(edx1, 4, 2);
  bit(edx1, 6, 5);
  bit(edx1, 7, 6);
  bit(edx1, 13, 7);
  cr4 |= 0x100;
  bit(ecx7, 2, 11);
  bit(ecx7, 16, 12);
  bit(ebx7, 0, 16);
  bit(ecx1, 26, 18);
  bit(ebx7, 7, 20);
  bit(ebx7, 20, 21);
  bit(ecx7, 3, 22);
  return { cr4: cr4 >>> 0 };
}

export class Session {
  readonly version: string;
  readonly #harness: Harness;
  readonly #ours: Runner;
  readonly #theirs: Runner;
  #supported: Supported | undefined;

  private constructor(version: string, harness: Harness) {
    this.version = version;
    this.#harness = harness;
    this.#ours = lucid(harness);
    this.#theirs = qemu(harness);
  }

  /** Both machines; or why there are not both. */
  static open(): Session | Absent {
    const found = findQemu();
    if ('reason' in found) return found;
    const harness = buildHarness();
    if ('reason' in harness) return harness;
    return new Session(found.version, harness);
  }

  async #features(): Promise<Supported> {
    if (this.#supported === undefined) {
      await Promise.all([this.#ours.run([]), this.#theirs.run([])]);
      this.#supported = supported(this.#ours.cpuid(), this.#theirs.cpuid());
    }
    return this.#supported;
  }

  async compare(seed: number, cases: number, only?: readonly string[]): Promise<Report> {
    const features = await this.#features();
    const report = new Report(seed, this.version);
    const seconds = [0, 0];
    for (let from = 0; from < cases; from += L.BATCH) {
      const batch = Array.from({ length: Math.min(L.BATCH, cases - from) }, (_, i) =>
        generate(seed, from + i, this.#harness, features, only),
      );
      const timed = async (runner: Runner, i: number): Promise<Uint8Array> => {
        const start = performance.now();
        const results = await runner.run(batch);
        seconds[i] = (seconds[i] as number) + (performance.now() - start) / 1000;
        return results;
      };
      const theirs = timed(this.#theirs, 0);
      const ours = await timed(this.#ours, 1);
      judge(report, from, batch, ours, await theirs);
    }
    report.seconds = seconds;
    return report;
  }

  close(): void {
    this.#ours.close();
    this.#theirs.close();
  }
}

const count = (map: Map<string, number>, key: string): Map<string, number> => map.set(key, (map.get(key) ?? 0) + 1);

function judge(report: Report, from: number, batch: readonly Case[], ours: Uint8Array, theirs: Uint8Array): void {
  batch.forEach((c, i) => {
    const a = new Result(ours, i);
    const b = new Result(theirs, i);
    report.cases++;
    count(report.byKind, c.kind);
    count(report.byEnd, a.end.replace(/\(.*\)/, ''));
    if (b.status !== L.STATUS.ENDED && b.status !== L.STATUS.HOME) count(report.restarts, `${c.kind}: ${b.end}`);
    const list = differences(c, a, b);
    if (list.length === 0) return;
    const { reasons, rest } = excuse(c, a, b, list);
    for (const reason of reasons) count(report.known, reason);
    if (rest.length > 0) report.unknown.push({ n: from + i, c, differences: rest, ours: a, theirs: b });
  });
}
