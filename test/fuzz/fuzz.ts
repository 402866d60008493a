/**
 * The fuzzer's loop: cases go to the host in batches, the core runs one batch while the host runs the next, and outcomes are compared.
 *
 * A mismatch is run again on both sides, alone, before it counts (a timer may disturb the host). Then it is made smaller: instructions and state that do
 * not matter are taken away.
 *
 * @module
 */
import process from 'node:process';
import iced from 'iced-x86';
import { CORE_FEATURES, type Feature } from '../../vmm/cpu/cpuid.ts';
import { describe, difference, Masked, same, type Sides } from './compare.ts';
import { Core, type Engine, ENGINES } from './core.ts';
import { type Form, formsOf, PROBES } from './forms.ts';
import { type Cases, EPOCH, Generator, newCases, type Options } from './generate.ts';
import { type Answer, Host } from './host.ts';
import { AT, BATCH, RECORD } from './record.ts';

/** The host has 48-bit linear addresses: what is canonical depends on it. LUCID_FUZZ_FEATURES=avx,... tries what CPUID does not have yet. */
export const HOST_FEATURES: readonly Feature[] = [
  ...new Set([...CORE_FEATURES, ...((process.env['LUCID_FUZZ_FEATURES']?.split(',') ?? []) as Feature[])]),
].filter((name) => name !== 'la57');

export interface Mismatch {
  readonly seed: number;
  /** Where the case is found again: run one epoch from there. */
  readonly epoch: number;
  readonly engine: Engine;
  /** Mnemonics of the case. */
  readonly name: string;
  readonly difference: string;
  readonly text: string;
  /** The record of the case. */
  readonly record: Uint8Array;
}

export interface Result {
  readonly cases: number;
  readonly seconds: number;
  /** Cases that ended in a fault on the host. */
  readonly faults: number;
  readonly mismatches: readonly Mismatch[];
  /** Mismatches in all, also those that were not kept. */
  readonly wrong: number;
  readonly executed: ReadonlySet<number>;
  readonly masked: Masked;
  readonly strays: number;
}

export interface Run extends Options {
  readonly cases: number;
  readonly seed: number;
  /** Stops after so long, whatever is left. */
  readonly seconds?: number;
  readonly engines?: readonly Engine[];
  /** Mismatches of the same instruction that are kept. */
  readonly each?: number;
  progress?(cases: number, wrong: number): void;
}

/** Both sides, and what they share. */
export class Fuzzer {
  readonly core: Core;
  readonly host: Host;
  forms: readonly Form[];
  missing: ReadonlyMap<string, string>;
  readonly #features: readonly Feature[];
  readonly #hostBytes = new Uint8Array(BATCH * RECORD);
  readonly #sides: Sides;
  readonly #inputs: number;
  readonly #outputs: number;

  constructor(path: string, features: readonly Feature[]) {
    this.core = new Core(features);
    this.host = new Host(path);
    this.#features = features;
    const table = formsOf(features);
    this.forms = table.forms;
    this.missing = table.missing;
    const bytes = this.core.bytes;
    this.#inputs = this.core.inputs(0).byteOffset;
    this.#outputs = this.core.outputs.byteOffset;
    this.#sides = {
      core: bytes,
      coreWords: new Uint32Array(bytes.buffer),
      host: this.#hostBytes,
      hostWords: new Uint32Array(this.#hostBytes.buffer),
    };
  }

  /** Leaves out what this processor does not execute, whatever its CPUID says; before the first run. */
  async probe(): Promise<void> {
    const wanted = this.#features.filter((name) => PROBES[name] !== undefined);
    const there = await this.host.probe(wanted.map((name) => PROBES[name] as readonly number[]));
    const lacking = wanted.filter((_, i) => !there[i]);
    const table = formsOf(this.#features.filter((name) => !lacking.includes(name)));
    const missing = new Map(table.missing);
    for (const f of this.forms) if (!table.forms.some((g) => g.code === f.code)) missing.set(f.name, 'this processor does not have it');
    this.forms = table.forms;
    this.missing = missing;
  }

  close(): void {
    this.host.close();
  }

  async run(options: Run): Promise<Result> {
    const started = performance.now();
    const generator = new Generator(this.core.bytes, this.core.pools, this.forms, options.seed, options);
    const engines = options.engines ?? ENGINES;
    const cases: readonly [Cases, Cases] = [newCases(), newCases()];
    const executed = new Set<number>();
    const masked = new Masked();
    const kept = new Map<string, number>();
    const mismatches: Mismatch[] = [];
    const counts = { wrong: 0, strays: 0, faults: 0, done: 0 };
    let batches = Math.ceil(options.cases / BATCH);
    const limit = started + 1000 * (options.seconds ?? Number.POSITIVE_INFINITY);
    const begin = (batch: number): Promise<Answer> | undefined => {
      if (batch >= batches) return undefined;
      const buffer = (batch & 1) as 0 | 1;
      const size = Math.min(BATCH, options.cases - batch * BATCH);
      generator.batch(this.#inputs + buffer * BATCH * RECORD, size, cases[buffer]);
      return this.host.start(buffer, this.core.inputs(buffer), size);
    };
    let next = begin(0);
    for (let batch = 0; batch < batches; batch++) {
      const buffer = (batch & 1) as 0 | 1;
      const size = Math.min(BATCH, options.cases - batch * BATCH);
      const answer = (await next) as Answer;
      this.host.take(buffer, this.#hostBytes, size);
      if (performance.now() > limit) batches = batch + 1;
      next = begin(batch + 1);
      const here = cases[buffer];
      for (let n = 0; n < size; n++) {
        if (this.#sides.hostWords[(n * RECORD + AT.VECTOR) >> 2] !== 256) counts.faults++;
        for (const f of here.forms[n] as Form[]) executed.add(f.code);
      }
      this.core.load(buffer, size);
      const suspects: [number, Engine][] = [];
      for (const engine of engines) {
        for (let n = 0; n < size; n++) {
          this.core.run(buffer, n, engine);
          const input = this.#inputs + (buffer * BATCH + n) * RECORD;
          const output = this.#outputs + n * RECORD;
          if (same(this.#sides, input, output, n * RECORD, here.undefinedEnd[n] as number)) continue;
          if (difference(this.#sides, input, output, n * RECORD, here, n, masked) !== '') suspects.push([n, engine]);
        }
        if (this.core.hash() !== answer.hash) counts.strays++;
      }
      this.core.unload(buffer, size);
      if (suspects.length > 0) {
        // The other batch is under way: its answer comes before that of a confirmation.
        const pending = next === undefined ? undefined : await next;
        const outcomes = pending === undefined ? undefined : new Uint8Array(size === BATCH ? BATCH * RECORD : BATCH * RECORD);
        if (outcomes) this.host.take((buffer ^ 1) as 0 | 1, outcomes, BATCH);
        for (const [n, engine] of suspects) {
          const list = here.forms[n] as Form[];
          const name = list.map((f) => f.name).join(' ');
          const short = list.length === 1 ? name : `sequence of ${list.length}`;
          const seen = kept.get(short) ?? 0;
          if (seen >= (options.each ?? 2)) {
            counts.wrong++;
            continue;
          }
          const found = await this.#confirm(buffer, n, engine, here);
          if (found === undefined) continue;
          counts.wrong++;
          kept.set(short, seen + 1);
          mismatches.push({ seed: options.seed, epoch: (options.epoch ?? 0) + Math.floor(batch / EPOCH), engine, name, ...found });
        }
        if (pending !== undefined) {
          const again = pending;
          next = Promise.resolve(again);
          // Its outcomes stand in the file still.
        }
      }
      counts.done += size;
      options.progress?.(counts.done, counts.wrong);
    }
    return {
      cases: counts.done,
      seconds: (performance.now() - started) / 1000,
      faults: counts.faults,
      mismatches,
      wrong: counts.wrong,
      executed,
      masked,
      strays: counts.strays,
    };
  }

  /** Runs a record alone on both sides; what differs, or undefined. The record stands in slot `n` of a buffer. */
  async #alone(buffer: 0 | 1, n: number, engine: Engine, cases: Cases): Promise<string | undefined> {
    const slot = this.#inputs + buffer * BATCH * RECORD;
    const record = this.core.bytes.slice(slot + n * RECORD, slot + (n + 1) * RECORD);
    const first = this.core.bytes.slice(slot, slot + RECORD);
    this.core.bytes.set(record, slot);
    await this.host.start(buffer, this.core.inputs(buffer), 1);
    this.host.take(buffer, this.#hostBytes, 1);
    this.core.load(buffer, 1);
    this.core.run(buffer, 0, engine);
    this.core.hash();
    this.core.unload(buffer, 1);
    const text = difference(this.#sides, slot, this.#outputs, 0, cases, n);
    const described = text === '' ? undefined : `${text}\n${describe(this.#sides, slot, this.#outputs, 0)}`;
    this.core.bytes.set(first, slot);
    return described;
  }

  async #confirm(
    buffer: 0 | 1,
    n: number,
    engine: Engine,
    cases: Cases,
  ): Promise<{ difference: string; text: string; record: Uint8Array } | undefined> {
    let text = await this.#alone(buffer, n, engine, cases);
    if (text === undefined) return undefined;
    const at = this.#inputs + (buffer * BATCH + n) * RECORD;
    const kind = kindOf(text);
    const attempt = async (from: number, length: number, write: (b: Uint8Array) => void): Promise<void> => {
      const before = this.core.bytes.slice(at + from, at + from + length);
      const part = this.core.bytes.subarray(at + from, at + from + length);
      write(part);
      if (part.every((v, i) => v === before[i])) return;
      const found = await this.#alone(buffer, n, engine, cases);
      if (found !== undefined && kindOf(found) === kind) text = found;
      else this.core.bytes.set(before, at + from);
    };
    // Instructions that do not matter, then state.
    for (const [from, length] of instructions(this.core.bytes, at)) await attempt(AT.CODE + from, length, (b) => b.fill(0x90));
    for (let i = 0; i < 16; i++) await attempt(8 * i, 8, (b) => b.fill(0));
    for (let i = 0; i < 8; i++) await attempt(AT.ST + 16 * i, 10, (b) => b.fill(0));
    for (let i = 0; i < 16; i++) await attempt(AT.YMM + 32 * i, 32, (b) => b.fill(0));
    await attempt(AT.FLAGS, 4, (b) => b.set([2, 2, 0, 0]));
    await attempt(AT.MXCSR, 4, (b) => b.set([0x80, 0x1f, 0, 0]));
    await attempt(AT.FCW, 2, (b) => b.set([0x7f, 3]));
    await attempt(AT.FSW, 2, (b) => b.fill(0));
    return { difference: text.split('\n')[0] as string, text, record: this.core.bytes.slice(at, at + RECORD) };
  }
}

/** Places and lengths of the instructions of a case but the last, which is the jump to EXIT. */
function instructions(bytes: Uint8Array, at: number): (readonly [number, number])[] {
  const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(AT.LENGTH, true);
  const decoder = new iced.Decoder(64, bytes.slice(at + AT.CODE, at + AT.CODE + length), iced.DecoderOptions.None);
  const places: (readonly [number, number])[] = [];
  for (let from = 0; decoder.canDecode; ) {
    const i = decoder.decode();
    places.push([from, i.length]);
    from += i.length;
    i.free();
  }
  decoder.free();
  places.pop();
  return places.length > 1 ? places : [];
}

/** What differs, without values: a smaller case must differ in the same way. */
function kindOf(text: string): string {
  return (text.split('\n')[0] as string)
    .split('; ')
    .map((part) => part.split(' ')[0])
    .join(' ');
}
