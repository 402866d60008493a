/**
 * The guest's screen on the person's terminal: what changed since the last look, in 16 colours, with the cursor where the guest has it.
 *
 * The terminal's other screen is used, so that what was there comes back at the end. Rows and columns that the terminal does not have are not shown.
 *
 * @module
 */
import { glyph, screenLines, type TextScreen } from '../text-screen.ts';

const ESC = '\x1b[';
/** Colours of a PC by blue, green, red are the terminal's by red, green, blue. */
const COLOUR = [0, 4, 2, 6, 1, 5, 3, 7];

/** Select graphic rendition of an attribute. */
function rendition(attribute: number, brightBackground: boolean): string {
  const foreground = attribute & 15;
  const background = (attribute >> 4) & 7;
  const bright = (attribute & 0x80) !== 0 && brightBackground;
  const blink = (attribute & 0x80) !== 0 && !brightBackground ? ';5' : '';
  const fg = (foreground & 8 ? 90 : 30) + (COLOUR[foreground & 7] as number);
  const bg = (bright ? 100 : 40) + (COLOUR[background] as number);
  return `${ESC}0;${fg};${bg}${blink}m`;
}

export class ScreenView {
  #shown: TextScreen | undefined;
  #size = '';

  /** To be written first, and last. */
  static readonly OPEN = `${ESC}?1049h${ESC}2J`;
  static readonly CLOSE = `${ESC}0m${ESC}?25h${ESC}?1049l`;

  /** What to write so that the terminal shows the screen. Empty when it does. */
  update(screen: TextScreen, terminalColumns: number, terminalRows: number): string {
    const before = this.#shown;
    const size = `${terminalColumns}x${terminalRows}`;
    const anew = before === undefined || this.#size !== size || !sameShape(before, screen);
    this.#shown = screen;
    this.#size = size;
    const clear = anew ? `${ESC}0m${ESC}2J` : '';
    if (screen.mode !== 'text') return anew ? `${clear}${ESC}1;1H${screenLines(screen).join('')}` : '';
    const cells = this.#cells(screen, anew ? undefined : before?.cells, terminalColumns, terminalRows);
    if (clear === '' && cells === '' && before?.cursor === screen.cursor) return '';
    return clear + cells + cursor(screen, terminalColumns, terminalRows);
  }

  #cells({ columns, rows, cells, brightBackground }: TextScreen, before: Uint16Array | undefined, width: number, height: number): string {
    let out = '';
    let attribute = -1;
    for (let row = 0; row < Math.min(rows, height); row++) {
      let next = -1;
      for (let column = 0; column < Math.min(columns, width); column++) {
        const i = row * columns + column;
        const cell = cells[i] as number;
        if (cell === before?.[i]) continue;
        if (column !== next) out += `${ESC}${row + 1};${column + 1}H`;
        if (cell >> 8 !== attribute) {
          attribute = cell >> 8;
          out += rendition(attribute, brightBackground);
        }
        out += glyph(cell & 0xff);
        next = column + 1;
      }
    }
    return out;
  }
}

function sameShape(a: TextScreen, b: TextScreen): boolean {
  return a.mode === b.mode && a.columns === b.columns && a.rows === b.rows && a.brightBackground === b.brightBackground;
}

function cursor({ cursor: at, columns }: TextScreen, width: number, height: number): string {
  const row = Math.floor(at / columns);
  const column = at % columns;
  if (at < 0 || row >= height || column >= width) return `${ESC}?25l`;
  return `${ESC}${row + 1};${column + 1}H${ESC}?25h`;
}
