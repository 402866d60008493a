/**
 * A run's screen, in the main thread: shows it on the person's terminal, and serves it to other commands.
 *
 * The service `screen` of the VM's socket answers each message with what is on the screen (ScreenAnswer).
 *
 * @module
 */
import { VGA_BYTES } from '../../devices/vga-state.ts';
import { readScreen, screenLines, type TextScreen } from '../text-screen.ts';
import type { VmService } from '../vm-socket-server.ts';
import { ScreenView } from './screen-view.ts';

export const SCREEN_SERVICE = 'screen';

/** What `lucid screen` hears. */
export interface ScreenAnswer {
  readonly mode: TextScreen['mode'];
  readonly columns: number;
  readonly rows: number;
  /** Row and column from 0, or null when the cursor does not show. */
  readonly cursor: readonly [number, number] | null;
  readonly lines: readonly string[];
}

export function answerOf(screen: TextScreen): ScreenAnswer {
  const { mode, columns, rows, cursor } = screen;
  return { mode, columns, rows, cursor: cursor < 0 ? null : [Math.floor(cursor / columns), cursor % columns], lines: screenLines(screen) };
}

const LOOK_MS = 30;
/** Of a terminal that does not tell its size. */
const COLUMNS = 80;
const ROWS = 25;

export class ScreenSession {
  /** The VGA's block, for the VM's thread. */
  readonly state = new SharedArrayBuffer(VGA_BYTES);
  readonly #bytes = new Uint8Array(this.state);
  #view = new ScreenView();
  #scribbled = false;
  #memory: ArrayBufferLike | undefined;
  #timer: NodeJS.Timeout | undefined;
  #terminal: NodeJS.WriteStream | undefined;

  /** The VM is about to run. On a terminal the screen is shown from now on. */
  started(memory: ArrayBufferLike, output: NodeJS.WriteStream): void {
    this.#memory = memory;
    if (output.isTTY !== true) return;
    this.#terminal = output;
    output.write(ScreenView.OPEN);
    process.on('exit', this.close);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  read(): TextScreen | undefined {
    return this.#memory === undefined ? undefined : readScreen(this.#memory, this.#bytes);
  }

  /** Something else was written over the screen: it stays until the next key. */
  scribbled(): void {
    this.#scribbled = true;
  }

  /** Draws all of it again if something was written over it. */
  redraw(): void {
    if (this.#scribbled) this.#view = new ScreenView();
    this.#scribbled = false;
  }

  #look(): void {
    const screen = this.read();
    const terminal = this.#terminal;
    // A terminal that does not keep up is asked less often.
    if (screen === undefined || terminal === undefined || terminal.writableNeedDrain || this.#scribbled) return;
    const text = this.#view.update(screen, terminal.columns || COLUMNS, terminal.rows || ROWS);
    if (text !== '') terminal.write(text);
  }

  /** Puts the terminal back. Any number of times. */
  readonly close = (): void => {
    process.off('exit', this.close);
    clearInterval(this.#timer);
    this.#terminal?.write(ScreenView.CLOSE);
    this.#terminal = undefined;
  };

  readonly serve: VmService = (channel) => ({
    data: () => {
      const screen = this.read();
      if (screen !== undefined) channel.send(JSON.stringify(answerOf(screen)));
    },
  });
}
