/**
 * The console's escape key, as other monitors have it: Ctrl-A, then a letter.
 *
 * @module
 */

const CTRL_A = 0x01;

/** What the person asked of Lucid itself. */
export type EscapeCommand = 'quit' | 'help' | 'unknown';

export const ESCAPE_HELP = ['Ctrl-A h  this help', 'Ctrl-A x  quit', 'Ctrl-A a  send Ctrl-A to the guest'].join('\r\n');

/** Takes escapes out of the keyboard's bytes. Keeps state between calls: the two keys may come apart. */
export class EscapeFilter {
  #pending = false;

  /** Bytes for the guest, and commands, in order of the keys. */
  feed(bytes: Uint8Array): { guest: Uint8Array; commands: EscapeCommand[] } {
    const guest: number[] = [];
    const commands: EscapeCommand[] = [];
    for (const byte of bytes) {
      if (!this.#pending) {
        if (byte === CTRL_A) this.#pending = true;
        else guest.push(byte);
        continue;
      }
      this.#pending = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (byte === CTRL_A || key === 'a') guest.push(CTRL_A);
      else if (key === 'x') commands.push('quit');
      else commands.push(key === 'h' || key === '?' ? 'help' : 'unknown');
    }
    return { guest: Uint8Array.from(guest), commands };
  }
}
