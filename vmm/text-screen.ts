/**
 * What a VGA in a text mode shows: characters, attributes and the cursor, read from the VM's shared memory. Costs the guest nothing; may run in any thread.
 *
 * The screen is `columns` by `rows` cells from the CRT controller's start address on; a cell is a character of code page 437 and an attribute byte. Blinking
 * characters and fonts that a guest loaded are not shown as such, nor is the split screen (line compare).
 *
 * @module
 */
import { PLANE_BYTES, TEXT, VGA } from '../devices/vga-state.ts';
import { MEMORY_MAP } from './cpu/layout.ts';

export interface TextScreen {
  /** `off`: nothing is displayed; `graphics`: no text. Then there are no cells. */
  readonly mode: 'text' | 'graphics' | 'off';
  readonly columns: number;
  readonly rows: number;
  /** Character and attribute of each cell, row by row. */
  readonly cells: Uint16Array;
  /** Index of the cell with the cursor, or -1 when it does not show. */
  readonly cursor: number;
  /** Bit 7 of an attribute is a bright background instead of blinking. */
  readonly brightBackground: boolean;
}

const COLUMNS_MAX = 256;
const ROWS_MAX = 128;
const NONE = new Uint16Array(0);

/** Reads the screen. `memory` is the VM's, `state` the block of its VGA. */
export function readScreen(memory: ArrayBufferLike, state: Uint8Array): TextScreen {
  const cr = (index: number): number => state[VGA.CRTC + index] as number;
  const graphics = ((state[VGA.GC + 6] as number) & 1) !== 0 || ((state[VGA.ATTR + 16] as number) & 1) !== 0;
  const shown = ((state[VGA.ATTR_INDEX] as number) & 0x20) !== 0 && ((state[VGA.SEQ + 1] as number) & 0x20) === 0 && cr(0) !== 0;
  const columns = Math.min(cr(1) + 1, COLUMNS_MAX);
  const lines = (cr(0x12) | ((cr(7) & 2) << 7) | ((cr(7) & 0x40) << 3)) + 1;
  const perRow = ((cr(9) & 31) + 1) * (cr(9) & 0x80 ? 2 : 1);
  const rows = Math.min(Math.floor(lines / perRow), ROWS_MAX);
  const brightBackground = ((state[VGA.ATTR + 16] as number) & 8) === 0;
  if (!shown || graphics) return { mode: shown ? 'graphics' : 'off', columns, rows, cells: NONE, cursor: -1, brightBackground };

  const start = (cr(0x0c) << 8) | cr(0x0d);
  const pitch = cr(0x13) * 2;
  const cells = new Uint16Array(columns * rows);
  const inRam = state[VGA.TEXT_IN_RAM] !== 0;
  const text = inRam ? new Uint8Array(memory, MEMORY_MAP.RAM_BASE + TEXT.gpa, TEXT.bytes) : state.subarray(VGA.PLANES);
  const mask = (inRam ? TEXT.bytes : PLANE_BYTES) - 1;
  const attributes = inRam ? 1 : PLANE_BYTES;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (2 * (start + row * pitch + column)) & mask;
      cells[row * columns + column] = (text[at] as number) | ((text[at + attributes] as number) << 8);
    }
  }
  return { mode: 'text', columns, rows, cells, cursor: cursorOf(cr, start, pitch, columns, rows), brightBackground };
}

function cursorOf(cr: (index: number) => number, start: number, pitch: number, columns: number, rows: number): number {
  const off = (cr(0x0a) & 0x20) !== 0 || (cr(0x0a) & 31) > (cr(0x0b) & 31);
  const at = (((cr(0x0e) << 8) | cr(0x0f)) - start) & 0xffff;
  if (off || pitch === 0 || at >= rows * pitch || at % pitch >= columns) return -1;
  return Math.floor(at / pitch) * columns + (at % pitch);
}

/** Code page 437 as IBM's video BIOSes draw it. */
const CP437 = [
  ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼',
  ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂',
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐',
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ',
].join('');

/** The character of a code. */
export function glyph(code: number): string {
  return CP437[code & 0xff] as string;
}

/** The rows as text, without the spaces at their ends. */
export function screenLines(screen: TextScreen): string[] {
  const { mode, columns, rows, cells } = screen;
  if (mode !== 'text') return [mode === 'off' ? '(the display is off)' : '(a graphics mode: no text to show)'];
  return Array.from({ length: rows }, (_, row) => {
    let line = '';
    for (let i = row * columns; i < (row + 1) * columns; i++) line += glyph((cells[i] as number) & 0xff);
    return line.trimEnd();
  });
}
