/**
 * Marks in a run, and the phases between them.
 *
 * A mark is a text on the serial console, a value written to a port, or the first exit at an address. Marks come one after the other: the next is looked
 * for once the one before was met. What the console says is read from the log itself, which has every byte that the guest wrote to COM1; so nothing
 * has to be switched on when the run is made. An exit that completes a mark belongs to the phase that it ends.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import { instructionsAt } from './describe.ts';

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

const COM1 = 0x3f8;
const LCR = COM1 + 3;
const DLAB = 0x80;
/** Of what the console said last, to show when a mark is missed. */
const RECENT = 2000;

/** What COM1 was given, from the exits of the run: bytes, where the divisor latch was not in the way (16550, LCR bit 7). */
export class SerialText {
  recent = '';
  #latch = false;

  /** The byte that an exit wrote, or -1. */
  take(view: DataView, at: number): number {
    if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.IO_INSTRUCTION) return -1;
    const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
    if (qualification & 8) return -1;
    const port = qualification >>> 16;
    const value = view.getUint8(at + EXIT_RECORD.VALUE);
    if (port === LCR) this.#latch = (value & DLAB) !== 0;
    if (port !== COM1 || this.#latch) return -1;
    this.recent += String.fromCharCode(value);
    if (this.recent.length > 2 * RECENT) this.recent = this.recent.slice(-RECENT);
    return value;
  }

  /** The last lines. */
  lines(count: number): string[] {
    return this.recent
      .replaceAll('\r', '')
      .split('\n')
      .filter((line) => line !== '')
      .slice(-count);
  }
}

/** Finds the phase of each exit of a run, in order. */
export class Phases {
  readonly marks: readonly Mark[];
  readonly met: MetMark[] = [];
  readonly serial = new SerialText();
  /** Bytes of the present mark's text that the console has just said (Knuth, Morris, Pratt). */
  #said = 0;
  #exits = 0;

  constructor(marks: readonly Mark[]) {
    this.marks = marks;
  }

  /** The phase of an exit: how many marks were met before it. */
  take(view: DataView, at: number): number {
    const phase = this.met.length;
    const byte = this.serial.take(view, at);
    this.#exits++;
    const mark = this.marks[phase];
    if (mark !== undefined && this.#meets(mark, view, at, byte)) {
      const timeNs = Number(view.getBigUint64(at + EXIT_RECORD.TIME, true));
      this.met.push({ mark, timeNs, exits: this.#exits, instructions: instructionsAt(view, at) });
      this.#said = 0;
    }
    return phase;
  }

  #meets(mark: Mark, view: DataView, at: number, byte: number): boolean {
    switch (mark.kind) {
      case 'serial':
        return byte >= 0 && this.#says(mark.text, byte);
      case 'port': {
        if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.IO_INSTRUCTION) return false;
        const qualification = view.getUint32(at + EXIT_RECORD.QUALIFICATION, true);
        if (qualification & 8 || qualification >>> 16 !== mark.port) return false;
        return mark.value === undefined || view.getUint32(at + EXIT_RECORD.VALUE, true) === mark.value;
      }
      case 'address':
        return view.getBigUint64(at + EXIT_RECORD.RIP, true) === mark.address;
    }
  }

  #says(text: string, byte: number): boolean {
    while (this.#said > 0 && text.charCodeAt(this.#said) !== byte) this.#said = border(text, this.#said);
    if (text.charCodeAt(this.#said) === byte) this.#said++;
    return this.#said === text.length;
  }
}

/** Length of the longest proper beginning of the first `length` characters that is also their end. */
function border(text: string, length: number): number {
  for (let n = length - 1; n > 0; n--) if (text.startsWith(text.slice(length - n, length))) return n;
  return 0;
}
