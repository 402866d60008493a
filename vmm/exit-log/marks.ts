/**
 * Marks in a run, and the phases between them.
 *
 * A mark is a text on a console, a value written to a port, or an address that is reached. Marks come one after the other: the next is looked for once the one
 * before was met. What the consoles say is read from the log itself, which has every byte that the guest wrote to COM1 or to a virtio console; so nothing has to
 * be switched on when the run is made. An exit that completes a mark belongs to the phase that it ends.
 *
 * An address is reached before its instruction runs: what that does belongs to the phase that begins. The log knows of it when the address was watched
 * during the run, or else when the instruction exits.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import { instructionsAt, textAt, timeAt } from './describe.ts';

export type Mark =
  | { readonly kind: 'serial'; readonly text: string }
  | { readonly kind: 'port'; readonly port: number; readonly value?: number }
  | { readonly kind: 'address'; readonly address: bigint };

/** A mark that was met. */
export interface MetMark {
  readonly mark: Mark;
  /** The VM's clock, ns, and exits up to there. */
  readonly timeNs: number;
  readonly exits: number;
  readonly instructions: number;
  /** Bytes that the guest had written to a virtio console up to there. */
  readonly said: number;
}

export function markText(mark: Mark): string {
  switch (mark.kind) {
    case 'serial':
      return `serial '${mark.text}'`;
    case 'port':
      return `port 0x${mark.port.toString(16)}${mark.value === undefined ? '' : ` = 0x${mark.value.toString(16)}`}`;
    case 'address':
      return `address 0x${mark.address.toString(16)}`;
  }
}

export const COM1 = 0x3f8;
/** Its line control register. */
export const LCR = COM1 + 3;
const DLAB = 0x80;
/** Of what the console said last, to show when a mark is missed. */
const RECENT = 2000;

/** What the consoles say: bytes to COM1, where the divisor latch is not in the way (16550, LCR bit 7), from the exits of the run, and text of a virtio console. */
export class ConsoleText {
  recent = '';
  /** What came with the last record, a character for each byte. */
  said = '';
  #latch = false;

  /** The byte that an exit wrote, or -1. */
  take(view: DataView, at: number): number {
    this.said = '';
    if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.IO_INSTRUCTION) return -1;
    const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
    if (qualification & 8) return -1;
    const port = qualification >>> 16;
    const value = view.getUint8(at + EXIT_RECORD.VALUE);
    if (port === LCR) this.#latch = (value & DLAB) !== 0;
    if (port !== COM1 || this.#latch) return -1;
    this.#keep(String.fromCharCode(value));
    return value;
  }

  /** The bytes of a record of text; none of any other. */
  takeAside(view: DataView, at: number): Uint8Array {
    this.said = '';
    const bytes = textAt(view, at);
    if (bytes.length > 0) this.#keep(String.fromCharCode(...bytes));
    return bytes;
  }

  #keep(text: string): void {
    this.said = text;
    this.recent += text;
    if (this.recent.length > 2 * RECENT) this.recent = this.recent.slice(-RECENT);
  }

  /** The last lines. */
  lines(count: number): string[] {
    return lastLines(this.recent, count);
  }
}

/** The last lines of a text that are not empty. */
export function lastLines(text: string, count: number): string[] {
  return text
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line !== '')
    .slice(-count);
}

/** Finds a text in what one console says (Knuth, Morris, Pratt). */
class Said {
  /** Bytes of the text that were just said. */
  #matched = 0;

  reset(): void {
    this.#matched = 0;
  }

  /** The text is complete with this byte. */
  says(text: string, byte: number): boolean {
    while (this.#matched > 0 && text.charCodeAt(this.#matched) !== byte) this.#matched = border(text, this.#matched);
    if (text.charCodeAt(this.#matched) === byte) this.#matched++;
    return this.#matched === text.length;
  }
}

/** Finds the phase of each exit of a run, in order: every record of the log is to be given, exits to `take` and the others to `takeAside`. */
export class Phases {
  readonly marks: readonly Mark[];
  readonly met: MetMark[] = [];
  readonly console = new ConsoleText();
  readonly #com1 = new Said();
  readonly #virtio = new Said();
  /** Bytes of the last record of text that came after the mark which it completed. */
  rest = 0;
  #exits = 0;
  #said = 0;
  /** The address that was reached last, and when: an exit of its instruction does not reach it again. */
  #reached = -1n;
  #reachedAt = -1;
  /** Of the last exit. */
  #timeNs = 0;
  #instructions = 0;
  /** Bytes of a virtio console that are no part of any mark. */
  readonly #from: number;

  /** `after`: the mark after which these are looked for. What a virtio console had said by then is no part of them, and its address was reached. */
  constructor(marks: readonly Mark[], { mark, instructions = -1, said = 0 }: Partial<MetMark> = {}) {
    this.marks = marks;
    this.#from = said;
    if (mark?.kind !== 'address') return;
    this.#reached = mark.address;
    this.#reachedAt = instructions;
  }

  /** The phase of an exit: how many marks were met before it. */
  take(view: DataView, at: number): number {
    // An address is reached before its instruction exits.
    if (this.marks[this.met.length]?.kind === 'address') this.#takeAddress(view, at);
    const phase = this.met.length;
    const byte = this.console.take(view, at);
    this.#exits++;
    this.#note(view, at);
    const mark = this.marks[phase];
    if (mark !== undefined && this.#completes(mark, view, at, byte)) this.#meet(mark);
    return phase;
  }

  /** A mark, or text of a console. */
  takeAside(view: DataView, at: number): void {
    if (view.getUint8(at + EXIT_RECORD.REASON) === EXIT_RECORD.MARK_REASON) this.#takeAddress(view, at);
    this.rest = 0;
    for (const byte of this.console.takeAside(view, at)) {
      this.rest++;
      if (++this.#said <= this.#from) continue;
      const mark = this.marks[this.met.length];
      if (mark?.kind !== 'serial' || !this.#virtio.says(mark.text, byte)) continue;
      this.#meet(mark);
      this.rest = 0;
    }
  }

  #takeAddress(view: DataView, at: number): void {
    const mark = this.marks[this.met.length];
    const address = view.getBigUint64(at + EXIT_RECORD.RIP, true);
    if (mark?.kind !== 'address' || address !== mark.address) return;
    this.#note(view, at);
    if (address === this.#reached && this.#instructions === this.#reachedAt) return;
    this.#reached = address;
    this.#reachedAt = this.#instructions;
    this.#meet(mark);
  }

  #note(view: DataView, at: number): void {
    this.#timeNs = timeAt(view, at);
    this.#instructions = instructionsAt(view, at);
  }

  #meet(mark: Mark): void {
    this.met.push({ mark, timeNs: this.#timeNs, exits: this.#exits, instructions: this.#instructions, said: this.#said });
    this.#com1.reset();
    this.#virtio.reset();
  }

  #completes(mark: Mark, view: DataView, at: number, byte: number): boolean {
    switch (mark.kind) {
      case 'serial':
        return byte >= 0 && this.#com1.says(mark.text, byte);
      case 'port': {
        if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.IO_INSTRUCTION) return false;
        const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
        if (qualification & 8 || qualification >>> 16 !== mark.port) return false;
        return mark.value === undefined || view.getUint32(at + EXIT_RECORD.VALUE, true) === mark.value;
      }
      case 'address':
        return false;
    }
  }
}

/** Length of the longest proper beginning of the first `length` characters that is also their end. */
function border(text: string, length: number): number {
  for (let n = length - 1; n > 0; n--) if (text.startsWith(text.slice(length - n, length))) return n;
  return 0;
}
