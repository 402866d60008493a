/**
 * Exit logs gone bad: logs of both formats, and baselines, changed at random and read by everything that reads them.
 *
 * Nothing but the one-line errors of the user's boundary may come out, in a time and with as many records as the bytes allow; what a log of JSON gives is
 * the same when it is written down and read again.
 *
 * @module
 */
import { parseBaseline } from '../../../vmm/cli/expect/baseline.ts';
import { causeName, causeOf } from '../../../vmm/exit-log/cause.ts';
import { differences } from '../../../vmm/exit-log/difference.ts';
import { eventAt } from '../../../vmm/exit-log/describe.ts';
import { exitFilter, type Range } from '../../../vmm/exit-log/filter.ts';
import { Folded } from '../../../vmm/exit-log/folded.ts';
import { jsonEnd, jsonHeader } from '../../../vmm/exit-log/json.ts';
import { Phases } from '../../../vmm/exit-log/marks.ts';
import { type ExitLogEnd, ExitLogReader } from '../../../vmm/exit-log/reader.ts';
import { RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { TALLY_KEYS, Tally } from '../../../vmm/exit-log/tally.ts';
import { perfText, traceText } from '../../../vmm/exit-log/text.ts';
import { Random } from '../../cpu/host-random.ts';
import { syntheticLog } from '../../vmm/exit-log/synthetic.ts';

/** Of a line of text for one exit, with the longest call chain. */
const LINE_MAX = 4096;
const MAX64 = 0xffff_ffff_ffff_ffffn;

export interface Finding {
  readonly seed: number;
  readonly text: string;
}

/** Bytes in memory, which come in pieces of any size. */
class Pieces {
  readonly #bytes: Uint8Array;
  readonly #random: Random;
  #at = 0;

  constructor(bytes: Uint8Array, random: Random) {
    this.#bytes = bytes;
    this.#random = random;
  }

  read(into: Uint8Array, from: number): number {
    const left = Math.min(this.#bytes.length - this.#at, into.length - from);
    const count = this.#random.oneIn(2) ? left : Math.min(left, 1 + this.#random.below(200));
    into.set(this.#bytes.subarray(this.#at, this.#at + count), from);
    this.#at += count;
    return count;
  }

  close(): void {}
}

function binary(exits: number, stack: number | undefined): Uint8Array {
  return Buffer.concat([...syntheticLog({ exits, stack })].map((piece) => piece.slice()));
}

function json(log: Uint8Array): Uint8Array {
  const reader = new ExitLogReader(new Pieces(log, new Random(0)));
  const lines: string[] = [jsonHeader(reader.about)];
  const end = reader.read((view, at, chain) => lines.push(`${JSON.stringify(eventAt(view, at, chain))}\n`) > 0);
  return Buffer.from([...lines, jsonEnd(end.records, end.timeNs, end.instructions ?? 0)].join(''));
}

const PHASE = {
  from: 'start',
  to: 'end',
  causes: { 'IO_INSTRUCTION out 0x3f8': { exits: 5, timeNs: 22_000 }, HLT: { exits: 1, timeNs: 9 } },
};
const BASELINE = Buffer.from(JSON.stringify({ kind: 'lucid-baseline', version: 1, phases: [PHASE, { ...PHASE, from: 'init' }] }));

const LOGS: readonly Uint8Array[] = [undefined, 0, 3, 12].flatMap((stack) => [1, 9].map((exits) => binary(exits, stack)));
export const SEEDS: readonly Uint8Array[] = [...LOGS, ...LOGS.map(json), BASELINE];

const BYTES = [0, 1, 0x7f, 0x80, 0xfd, 0xfe, 0xff, 10, 34, 44, 45, 48, 57, 92, 123, 125];
const WORDS = [
  '"',
  '{',
  '}',
  '[]',
  'null',
  '-1',
  '1e999',
  '0.5',
  '"0x"',
  '"0xg"',
  '99999999999999999999',
  '{"end":',
  '"stack":[',
  '\\u0000',
  '\n',
  '__proto__',
];

function mutated(random: Random): Uint8Array {
  let bytes = Uint8Array.from(random.pick(SEEDS));
  for (let n = random.below(5); n >= 0; n--) {
    const at = random.below(bytes.length + 1);
    const to = Math.min(bytes.length, at + random.below(130));
    const splice = (middle: Uint8Array, end: number): void => {
      bytes = Uint8Array.from(Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(end)]));
    };
    switch (random.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = random.pick(BYTES);
        break;
      case 2:
        bytes.fill(random.pick(BYTES), at, to);
        break;
      case 3:
        splice(new Uint8Array(0), random.oneIn(2) ? bytes.length : to);
        break;
      case 4:
        splice(bytes.slice(at, to), at);
        break;
      case 5:
        splice(Buffer.from(random.pick(WORDS)), random.oneIn(2) ? at : to);
        break;
      default: {
        const other = random.pick(SEEDS);
        splice(other.slice(random.below(other.length), other.length), bytes.length);
      }
    }
  }
  return bytes;
}

function range(random: Random): Range | undefined {
  if (!random.oneIn(4)) return undefined;
  const [a, b] = [BigInt(random.u32()), (BigInt(random.u32()) << 32n) | BigInt(random.u32())];
  return random.oneIn(2) ? { from: a, to: MAX64 } : { from: 0n, to: b };
}

const fails = (why: string): never => {
  throw new Error(why);
};

/** Reads a log with everything that reads one. */
function readLog(bytes: Uint8Array, random: Random): ExitLogEnd {
  const reader = new ExitLogReader(new Pieces(bytes, random));
  const [key, other] = [random.pick(TALLY_KEYS), random.pick(TALLY_KEYS)];
  const tallies = [new Tally(key), new Tally(key), new Tally(other)] as const;
  const folded = new Folded((address) => `f${address & 3n}`);
  const filter = exitFilter({
    rip: range(random),
    time: range(random),
    gpa: range(random),
    port: range(random),
    msr: range(random),
    ...(random.oneIn(4) ? { vcpu: random.below(8) } : undefined),
  });
  const phases = new Phases([
    { kind: 'serial', text: 'A' },
    { kind: 'port', port: 0x80, value: 1 },
    { kind: 'address', address: 1n },
  ]);
  const [perf, trace] = [perfText(reader.about.name), traceText(reader.about.name)];
  const most = bytes.length;
  let exits = 0;
  const end = reader.read((view, at, chain) => {
    exits++;
    const phase = phases.take(view, at);
    if (phase > 3 || chain < 0 || chain > 2) fails(`phase ${phase}, ${chain} records of a chain`);
    (filter(view, at) ? tallies[0] : tallies[1]).add(view, at, chain);
    tallies[2].add(view, at, chain);
    folded.add(view, at, chain);
    const texts = [JSON.stringify(eventAt(view, at, chain)), perf(view, at, chain), trace(view, at), causeName(causeOf(view, at))];
    const long = texts.find((text) => text.length > LINE_MAX + reader.about.name.length * 4);
    if (long !== undefined) fails(`a line of ${long.length} letters`);
    return exits <= most;
  });
  if (end.records !== exits) fails(`${exits} exits were read, ${end.records} are told`);
  if (exits * RECORD_BYTES > bytes.length * 2) fails(`${exits} exits in ${bytes.length} bytes`);
  if (end.complete && end.told !== undefined && end.told !== exits) fails('complete, and yet another number is told');
  const rows = tallies.map((tally) => tally.rows(1 + random.below(9)));
  differences(rows[0] ?? [], rows[1] ?? []);
  folded.lines();
  return end;
}

/** One case. What is not one line for the user is thrown on. */
function once(seed: number): void {
  const random = new Random(seed);
  const bytes = mutated(random);
  try {
    parseBaseline('baseline', Buffer.from(bytes).toString());
    readLog(bytes, random);
  } catch (error) {
    const { name, message } = error as Error;
    if ((name !== 'ExitLogError' && name !== 'UsageError') || message.includes('\n')) throw error;
  }
}

/** Runs cases; what was found. */
export function fuzz(first: number, cases: number): Finding[] {
  const found: Finding[] = [];
  for (let seed = first; seed < first + cases && found.length < 20; seed++) {
    try {
      once(seed);
    } catch (error) {
      found.push({ seed, text: (error as Error).stack ?? String(error) });
    }
  }
  return found;
}
