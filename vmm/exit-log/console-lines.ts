/**
 * What the console of a run said, line by line, as its log of exits has it; and which lines two runs have in common.
 *
 * A guest that says more causes more exits, all of them at COM1: the bytes, the questions whether the transmitter is empty, the interrupt's disabling
 * and enabling around a message. Those exits are what the text costs and no cause of anything. They are told apart one by one: such an access belongs
 * to the line that is being written, and lines are held against each other without their times and numbers. What COM1 costs in lines that both
 * runs have is compared like everything else, so a driver that polls too much is seen; what it costs in other lines is the console's text.
 *
 * Accesses to a 16550's other registers are no text, nor are those that stand apart from any byte, as in a driver that looks for the device.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import { aligned } from './aligned.ts';
import { textAt } from './describe.ts';
import { COM1, ConsoleText } from './marks.ts';

const PORTS = 8;
/** Interrupt enable register, interrupt identification register (when read), line status register. */
const IER = 1;
const IIR = 2;
const LSR = 5;
const IN = 8;
const NEWLINE = 0x0a;
/** More lines than this are one; of a line so much is kept. Bytes beyond count. */
const LINES_MAX = 1 << 17;
const LINE_MAX = 256;
/** Accesses to COM1 beyond this are no text. */
const ACCESSES_MAX = 1 << 28;

/** Exits that may come in the midst of a message without being a part of what its writer does. */
const BETWEEN = new Uint8Array(256);
for (const reason of [EXIT_REASON.EPT_VIOLATION, EXIT_REASON.EXTERNAL_INTERRUPT, EXIT_REASON.PENDING_INTERRUPT, EXIT_REASON.NMI_WINDOW])
  BETWEEN[reason] = 1;

/** The register of COM1 that an exit accesses, with IN when it reads it; or -1. */
function register(view: DataView, at: number): number {
  if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.IO_INSTRUCTION) return -1;
  const port = view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true);
  if (port < COM1 || port >= COM1 + PORTS) return -1;
  return port - COM1 + (view.getUint32(at + EXIT_RECORD.QUALIFICATION, true) & IN);
}

/** A bit for each access to COM1: it is part of writing text. */
class TextBits {
  #bytes = new Uint8Array(1024);

  set(access: number): void {
    const at = access >>> 3;
    if (access >= ACCESSES_MAX) return;
    if (at >= this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[at] |= 1 << (access & 7);
  }

  has(access: number): boolean {
    return ((this.#bytes[access >>> 3] ?? 0) & (1 << (access & 7))) !== 0;
  }
}

/** Gathers the lines of a run. */
export class ConsoleLines {
  readonly texts: string[] = [''];
  readonly bytes: number[] = [0];
  readonly bits = new TextBits();
  readonly #serial = new ConsoleText();
  #line = 0;
  #accesses = 0;
  /** Accesses in a row, the last ones, that are text when a byte follows. */
  #waiting = 0;
  /** The last exit that counts was part of a text, which goes on. */
  #writing = false;

  take(view: DataView, at: number): void {
    const which = register(view, at);
    if (which < 0) {
      if (BETWEEN[view.getUint8(at + EXIT_RECORD.REASON)] === 0) this.#apart();
      return;
    }
    const access = this.#accesses++;
    const byte = this.#serial.take(view, at);
    if (byte >= 0) {
      for (; this.#waiting > 0; this.#waiting--) this.bits.set(access - this.#waiting);
      this.bits.set(access);
      this.#writing = true;
      this.#say(byte);
    } else if (which === IN + LSR || which === IN + IIR || which === IN + IER || which === IER) this.#beside(access, which);
    else this.#apart();
  }

  /** Text of a virtio console, which costs no exit for each byte. */
  takeAside(view: DataView, at: number): void {
    for (const byte of textAt(view, at)) this.#say(byte);
  }

  /** What a writer does before and after bytes: it asks whether there is room, and switches the interrupt off and on again. */
  #beside(access: number, which: number): void {
    if (this.#writing && which !== IN + IER) {
      this.bits.set(access);
      // Interrupts on again: the message is over.
      if (which === IER) this.#writing = false;
      return;
    }
    this.#writing = false;
    this.#waiting++;
  }

  #apart(): void {
    this.#waiting = 0;
    this.#writing = false;
  }

  #say(byte: number): void {
    this.bytes[this.#line]++;
    const text = this.texts[this.#line] as string;
    if (byte !== NEWLINE) {
      if (text.length < LINE_MAX && byte !== 0x0d) this.texts[this.#line] = text + String.fromCharCode(byte);
    } else if (this.#line < LINES_MAX) {
      this.#line++;
      this.texts.push('');
      this.bytes.push(0);
    }
  }
}

/** A line without what differs between any two runs: the time in front of a kernel's message, numbers. */
export function likeness(line: string): string {
  return line.replace(/^\[ *\d+\.\d+\] /, '').replaceAll(/0x[0-9a-f]+|[0-9a-f]{8,}|\d+/gi, '#');
}

/** Common lines are places in both runs; of more than this some are left out. */
const PLACES_MAX = 4096;

/** Two consoles, held against each other. */
export interface CommonLines {
  /** Of each side's lines 1: what it costs is its text. */
  readonly apart: readonly [Uint8Array, Uint8Array];
  /** Of each side's lines the stretch between common lines in which it is. */
  readonly stretch: readonly [Int32Array, Int32Array];
  /** The line that begins each stretch; none begins the first. */
  readonly begins: readonly (string | undefined)[];
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

export function commonLines(a: ConsoleLines, b: ConsoleLines): CommonLines {
  const pairs = aligned(a.texts.map(likeness), b.texts.map(likeness));
  const apart = [new Uint8Array(a.texts.length).fill(1), new Uint8Array(b.texts.length).fill(1)] as const;
  const paired = new Uint8Array(b.texts.length);
  const places: [number, number][] = [];
  pairs.forEach((j, i) => {
    if (j < 0) return;
    paired[j] = 1;
    // Numbers of other lengths make a line of another length, which costs what it costs.
    if (a.bytes[i] === b.bytes[j]) apart[0][i] = apart[1][j] = 0;
    if (a.texts[i] !== '') places.push([i, j]);
  });
  const each = Math.max(1, Math.ceil(places.length / PLACES_MAX));
  const chosen = places.filter((_, n) => n % each === 0);
  const stretch = [0, 1].map((side) => {
    const found = new Int32Array((side === 0 ? a : b).texts.length);
    let n = 0;
    for (let line = 0; line < found.length; line++) {
      found[line] = n;
      if (chosen[n]?.[side] === line) n++;
    }
    return found;
  }) as [Int32Array, Int32Array];
  return {
    apart,
    stretch,
    begins: [undefined, ...chosen.map(([i]) => a.texts[i] as string)],
    ...alone(
      a.texts.filter((_, i) => (pairs[i] as number) < 0),
      b.texts.filter((_, j) => paired[j] === 0),
    ),
  };
}

/** Lines of each side without those that stand at another place in the other. */
function alone(a: readonly string[], b: readonly string[]): { removed: string[]; added: string[] } {
  const without = (lines: readonly string[], others: readonly string[]): string[] => {
    const left = new Map<string, number>();
    for (const line of others.map(likeness)) left.set(line, (left.get(line) ?? 0) + 1);
    return lines.filter((line) => {
      const count = left.get(likeness(line)) ?? 0;
      left.set(likeness(line), count - 1);
      return count <= 0 && line !== '';
    });
  };
  return { removed: without(a, b), added: without(b, a) };
}

/** Goes along a run once more: of each exit, in order, the stretch it is in, and whether it is only what text costs. */
export class ConsoleWalk {
  stretch = 0;
  isText = false;
  readonly #bits: TextBits;
  readonly #apart: Uint8Array;
  readonly #stretches: Int32Array;
  readonly #serial = new ConsoleText();
  #accesses = 0;
  #line = 0;
  #ended = false;

  constructor(lines: ConsoleLines, common: CommonLines, side: 0 | 1) {
    this.#bits = lines.bits;
    this.#apart = common.apart[side];
    this.#stretches = common.stretch[side];
  }

  take(view: DataView, at: number): void {
    this.isText = false;
    // A line has ended before the exit that follows it.
    if (this.#ended) this.#next();
    this.#ended = false;
    if (register(view, at) < 0) return;
    if (this.#serial.take(view, at) === NEWLINE) this.#ended = true;
    this.isText = this.#apart[this.#line] === 1 && this.#bits.has(this.#accesses);
    this.#accesses++;
  }

  takeAside(view: DataView, at: number): void {
    for (const byte of textAt(view, at)) if (byte === NEWLINE) this.#next();
  }

  #next(): void {
    if (this.#line + 1 < this.#stretches.length) this.#line++;
    this.stretch = this.#stretches[this.#line] as number;
  }
}
