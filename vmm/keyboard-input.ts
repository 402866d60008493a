/**
 * Keys from outside on their way into the PS/2 keyboard, no faster than a guest takes them.
 *
 * A key goes in when the guest has read all that came before and `GAP_NS` of the VM's clock have passed; until then it waits here, however many there are.
 * A keyboard that the guest has switched off waits too, and one behind firmware until the firmware has set it up, because it throws away what came
 * before. What a guest's own buffer cannot hold (a BIOS's has 15 keys) it loses as on any PC.
 *
 * @module
 */
import type { I8042 } from '../devices/i8042.ts';
import type { Clock, Deadline } from './bus.ts';

/** Scan codes of set 2 of one key that went down or up. */
export type KeyCodes = readonly number[];

const GAP_NS = 5_000_000;
/** When firmware that never sets the keyboard up gets its keys all the same. */
const FIRMWARE_NS = 3_000_000_000;

export class KeyboardInput {
  readonly #clock: Clock;
  readonly #keyboard: I8042;
  readonly #firmware: boolean;
  readonly #due: Deadline;
  #waiting: KeyCodes[] = [];

  constructor(clock: Clock, keyboard: I8042, firmware: boolean) {
    this.#clock = clock;
    this.#keyboard = keyboard;
    this.#firmware = firmware;
    this.#due = clock.deadline('keyboard input', () => this.#deliver());
    keyboard.onReady = () => this.#next(GAP_NS);
  }

  push(keys: readonly KeyCodes[]): void {
    this.#waiting.push(...keys);
    this.#next(0);
  }

  #next(gap: number): void {
    if (this.#waiting.length === 0) return;
    const unready = this.#firmware && !this.#keyboard.wasEnabled;
    const at = Math.max(this.#clock.now() + gap, unready ? FIRMWARE_NS : 0);
    if (at < this.#due.at) this.#due.arm(at);
  }

  #deliver(): void {
    // When it is not ready, `onReady` comes.
    if (!this.#keyboard.ready) return;
    const [key] = this.#waiting;
    if (key !== undefined && this.#keyboard.key(key)) this.#waiting.shift();
  }
}
