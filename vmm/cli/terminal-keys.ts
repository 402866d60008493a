/**
 * What a terminal sends when keys are pressed, back into the keys: characters, control characters, and the escape sequences of ECMA-48 and xterm.
 *
 * A terminal sends a sequence in one piece, so an ESC at the end of a piece is the Esc key; before a character it means Alt. What is on no key of a US keyboard
 * is left out.
 *
 * @module
 */
import { type KeyStroke, strokeOf } from './key-codes.ts';

/** Keys by the last byte of ESC [ or ESC O sequences. */
const FINAL: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
};

/** Keys by the number of ESC [ n ~ sequences. */
const NUMBERED: Readonly<Record<string, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
  17: 'f6',
  18: 'f7',
  19: 'f8',
  20: 'f9',
  21: 'f10',
  23: 'f11',
  24: 'f12',
};

const SEQUENCE = /^\x1b(?:\[\[([A-E])|\[([0-9;]*)([A-Za-z~])|O([A-Za-z]))/;

/** The strokes of one piece of input. */
export function strokesOf(piece: string): KeyStroke[] {
  const strokes: KeyStroke[] = [];
  for (let at = 0; at < piece.length; ) {
    const rest = piece.slice(at);
    const sequence = SEQUENCE.exec(rest);
    if (sequence !== null) {
      const stroke = sequenceStroke(sequence);
      if (stroke !== undefined) strokes.push(stroke);
      at += sequence[0].length;
    } else if (rest[0] === '\x1b' && rest.length > 1 && rest[1] !== '\x1b') {
      const stroke = characterStroke(rest[1] as string);
      if (stroke !== undefined) strokes.push({ ...stroke, alt: true });
      at += 2;
    } else {
      const stroke = characterStroke(rest[0] as string);
      if (stroke !== undefined) strokes.push(stroke);
      at += 1;
    }
  }
  return strokes;
}

function sequenceStroke([, linux, parameters, final, keypad]: RegExpExecArray): KeyStroke | undefined {
  if (linux !== undefined) return { key: `f${'ABCDE'.indexOf(linux) + 1}` };
  if (final === 'Z') return { key: 'tab', shift: true };
  const [first = '', modifiers = '1'] = (parameters ?? '').split(';');
  const key = final === '~' ? NUMBERED[first] : FINAL[final ?? keypad ?? ''];
  if (key === undefined) return undefined;
  // xterm's parameter is 1 and a bit each for Shift, Alt, Ctrl.
  const bits = Math.max(0, Number(modifiers) - 1);
  return { key, shift: (bits & 1) !== 0, alt: (bits & 2) !== 0, ctrl: (bits & 4) !== 0 };
}

function characterStroke(character: string): KeyStroke | undefined {
  const stroke = strokeOf(character);
  if (stroke !== undefined) return stroke;
  const code = character.charCodeAt(0);
  if (code === 0) return { key: ' ', ctrl: true };
  // Ctrl takes the lower five bits of a letter or of [ \ ] ^ _.
  if (code <= 26) return { key: String.fromCharCode(code + 0x60), ctrl: true };
  const other = { 28: '\\', 29: ']', 30: '6', 31: '-' }[code];
  return other === undefined ? undefined : { key: other, ctrl: true };
}
