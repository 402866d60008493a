/**
 * Lays out help: rows of columns with padding, words wrapped at a width.
 *
 * It stands in for the package `cliui`, in as much of its interface as yargs uses for help, and gives the same text for ASCII: `yargs.ts`.
 *
 * @module
 */
import textWidth from './text-width.ts';

/** Top, right, bottom, left. */
type Padding = readonly [number, number, number, number];

interface Column {
  readonly text: string;
  readonly padding?: Padding;
  /** With its padding; columns without one share what is left. */
  readonly width?: number;
  readonly align?: 'left' | 'right';
}

interface Row {
  readonly columns: readonly Column[];
  /** The next row goes on in this one's last line, if its text begins further right than this one's ends. */
  readonly spans: boolean;
}

interface Line {
  readonly text: string;
  readonly spans: boolean;
}

const NONE: Padding = [0, 0, 0, 0];
const UNLIMITED = Number.POSITIVE_INFINITY;

/** A word that is longer than a line, in pieces: the first fills up the line it begins on, unless it takes fewer lines to begin a new one. */
function breakWord(lines: string[], word: string, width: number): void {
  const left = width - (lines.at(-1) as string).length;
  const here = 1 + Math.floor((word.length - left - 1) / width);
  if (Math.floor((word.length - 1) / width) < here) lines.push('');
  for (const character of word) {
    if ((lines.at(-1) as string).length >= width) lines.push('');
    lines[lines.length - 1] += character;
  }
}

/** One line of text as lines of at most `width` characters. */
export function wrapWords(text: string, width: number): string[] {
  const lines = [''];
  text
    .trim()
    .split(' ')
    .forEach((word, i) => {
      const last = lines.length - 1;
      lines[last] = (lines[last] as string).trimStart();
      if (i > 0 && lines[last] !== '') lines[last] += ' ';
      const used = (lines[last] as string).length;
      if (word.length > width) breakWord(lines, word, width);
      else if (used > 0 && word !== '' && used + word.length > width) lines.push(word);
      else lines[last] += word;
    });
  return lines.map((line) => line.trimEnd());
}

/** Spaces around a text are its padding. */
function columnOf(text: string): Column {
  return { text, padding: [0, text.length - text.trimEnd().length, 0, text.length - text.trimStart().length] };
}

class HelpLayout {
  readonly #width: number;
  readonly #rows: Row[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  div(...parts: readonly (string | Column)[]): void {
    this.#add(parts, false);
  }

  span(...parts: readonly (string | Column)[]): void {
    this.#add(parts, true);
  }

  #add(parts: readonly (string | Column)[], spans: boolean): void {
    const [first = ''] = parts;
    if (parts.length <= 1 && typeof first === 'string' && first.includes('\n')) {
      // Each line is a row of its own.
      for (const line of first.split('\n')) this.#rows.push({ columns: [{ ...columnOf(line), text: line.trim() }], spans });
      return;
    }
    const columns = (parts.length === 0 ? [''] : parts).map((part) => (typeof part === 'string' ? columnOf(part) : part));
    this.#rows.push({ columns, spans });
  }

  toString(): string {
    const lines: Line[] = [];
    for (const row of this.#rows) this.#place(row, lines);
    return lines.map((line) => line.text).join('\n');
  }

  #place({ columns, spans }: Row, lines: Line[]): void {
    const widths = this.#widths(columns);
    const cells = columns.map((column, i) => linesOf(column, widths[i] as number));
    const height = Math.max(...cells.map((cell) => cell.length));
    for (let i = 0; i < height; i++) {
      const text = columns.map((column, c) => padded(cells[c]?.[i] ?? '', column, widths[c] as number)).join('');
      if (i > 0 || !joined(text, lines, spans)) lines.push({ text: text.trimEnd(), spans });
    }
  }

  /** Of the columns, with their padding. */
  #widths(columns: readonly Column[]): number[] {
    if (this.#width === UNLIMITED) return columns.map(({ width, text }) => width ?? textWidth(text));
    const given = columns.reduce((sum, { width = 0 }) => sum + width, 0);
    const share = Math.floor((this.#width - given) / Math.max(1, columns.filter(({ width }) => width === undefined).length));
    return columns.map(({ width, padding = NONE }) => width ?? Math.max(share, 1 + padding[1] + padding[3]));
  }
}

/** A column's lines without the padding at their sides. */
function linesOf({ text, padding = NONE }: Column, width: number): string[] {
  const inner = width - padding[1] - padding[3];
  const lines = text.split('\n').flatMap((line) => wrapWords(line, inner));
  return [...Array<string>(padding[0]).fill(''), ...lines, ...Array<string>(padding[2]).fill('')];
}

function padded(line: string, { padding = NONE, align }: Column, width: number): string {
  const inner = width - padding[1] - padding[3];
  const text = align === 'right' ? line.trim().padStart(inner) : line.padEnd(inner);
  return ' '.repeat(padding[3]) + text + ' '.repeat(padding[1]);
}

/** Puts a row's first line on the line before it, when that asks for it and leaves room; false when not. */
function joined(text: string, lines: Line[], spans: boolean): boolean {
  const before = lines.at(-1);
  if (before?.spans !== true) return false;
  const end = before.text.trimEnd();
  const begin = text.length - text.trimStart().length;
  if (begin < end.length) return false;
  lines[lines.length - 1] = { text: (end + ' '.repeat(begin - end.length) + text.trimStart()).trimEnd(), spans };
  return true;
}

/** What yargs calls; a width of 0 or null: lines are as long as they are. */
// biome-ignore lint/style/noDefaultExport: it stands in for a package with one
export default function helpLayout({ width }: { readonly width?: number | null }): HelpLayout {
  return new HelpLayout(width || UNLIMITED);
}
