/**
 * The person's terminal: raw while the guest runs, as it was on every way out.
 *
 * Only a standard input that is a terminal is put into raw mode, so that every key reaches the guest; Ctrl-C then is a key like any other,
 * and Ctrl-A x quits. What Lucid itself says is written to standard error with CR LF while the terminal is raw.
 *
 * @module
 */
import { ESCAPE_HELP, EscapeFilter } from './escape.ts';

export interface TerminalHandlers {
  /** Keys for the guest. */
  input(bytes: Uint8Array): void;
  /** Standard input ended. */
  end(): void;
  /** Ctrl-A x. */
  quit(): void;
  /** Lucid has written on the terminal. */
  wrote?(): void;
}

/** Standard input as the guest's keyboard. */
export class Terminal {
  readonly isTty: boolean;
  readonly #handlers: TerminalHandlers;
  readonly #filter = new EscapeFilter();
  #raw = false;

  constructor(handlers: TerminalHandlers) {
    this.#handlers = handlers;
    this.isTty = process.stdin.isTTY === true;
  }

  /** Starts to read; from here on `restore` must run before the process ends, which the 'exit' event does. */
  open(): void {
    process.on('exit', this.#onExit);
    process.on('SIGCONT', this.#onContinue);
    this.#enterRaw();
    process.stdin.on('data', this.#onData);
    process.stdin.on('end', this.#onEnd);
    process.stdin.on('error', this.#onEnd);
    process.stdin.resume();
  }

  readonly #onExit = (): void => this.restore();
  readonly #onContinue = (): void => this.#enterRaw();
  readonly #onData = (chunk: Buffer): void => this.#keys(chunk);
  readonly #onEnd = (): void => this.#handlers.end();

  #enterRaw(): void {
    if (!this.isTty) return;
    process.stdin.setRawMode(true);
    this.#raw = true;
  }

  #keys(chunk: Buffer): void {
    if (!this.isTty) {
      this.#handlers.input(chunk);
      return;
    }
    const { guest, commands } = this.#filter.feed(chunk);
    if (guest.length > 0) this.#handlers.input(guest);
    for (const command of commands) {
      if (command === 'quit') this.#handlers.quit();
      else {
        process.stderr.write(`\r\n${ESCAPE_HELP}\r\n`);
        this.#handlers.wrote?.();
      }
    }
  }

  /** Puts the terminal back and stops reading. Safe to call at any time, any number of times. */
  restore(): void {
    process.off('exit', this.#onExit);
    process.off('SIGCONT', this.#onContinue);
    process.stdin.off('data', this.#onData);
    process.stdin.off('end', this.#onEnd);
    process.stdin.off('error', this.#onEnd);
    if (this.#raw) {
      this.#raw = false;
      try {
        process.stdin.setRawMode(false);
      } catch {
        // The terminal is gone (SIGHUP): nothing to restore.
      }
    }
    process.stdin.pause();
  }
}
