/**
 * Keys of a US keyboard, as names and characters, and the scan codes of set 2 that pressing them sends.
 *
 * Specification: IBM PS/2 technical reference, "Keyboard (101/102-key)", scan code set 2.
 *
 * @module
 */
import type { KeyCodes } from '../keyboard-input.ts';

/** A key with the modifiers that are held. */
export interface KeyStroke {
  readonly key: string;
  readonly shift?: boolean;
  readonly ctrl?: boolean;
  readonly alt?: boolean;
}

/** Make codes; E0h stands before those from 100h on. */
const CODES: Readonly<Record<string, number>> = {
  ...row('abcdefghijklmnopqrstuvwxyz', '1c 32 21 23 24 2b 34 33 43 3b 42 4b 3a 31 44 4d 15 2d 1b 2c 3c 2a 1d 22 35 1a'),
  ...row("1234567890-=[]\\;'`,./ ", '16 1e 26 25 2e 36 3d 3e 46 45 4e 55 54 5b 5d 4c 52 0e 41 49 4a 29'),
  enter: 0x5a,
  backspace: 0x66,
  tab: 0x0d,
  esc: 0x76,
  shift: 0x12,
  ctrl: 0x14,
  alt: 0x11,
  f1: 0x05,
  f2: 0x06,
  f3: 0x04,
  f4: 0x0c,
  f5: 0x03,
  f6: 0x0b,
  f7: 0x83,
  f8: 0x0a,
  f9: 0x01,
  f10: 0x09,
  f11: 0x78,
  f12: 0x07,
  insert: 0x170,
  delete: 0x171,
  home: 0x16c,
  end: 0x169,
  pageup: 0x17d,
  pagedown: 0x17a,
  up: 0x175,
  down: 0x172,
  left: 0x16b,
  right: 0x174,
};

/** What a key gives with Shift, by position: the characters of the second row are on the keys of the first. */
const PLAIN = "1234567890-=[]\\;'`,./";
const SHIFTED = '!@#$%^&*()_+{}|:"~<>?';

function row(keys: string, codes: string): Record<string, number> {
  const list = codes.split(' ').map((code) => Number.parseInt(code, 16));
  return Object.fromEntries([...keys].map((key, i) => [key, list[i] as number]));
}

/** Names of keys that are no characters, for messages. */
export const KEY_NAMES: readonly string[] = Object.keys(CODES).filter((name) => name.length > 1);

/** The stroke that types a character; undefined when no key does. */
export function strokeOf(character: string): KeyStroke | undefined {
  const named = { '\r': 'enter', '\n': 'enter', '\t': 'tab', '\b': 'backspace', '\x7f': 'backspace', '\x1b': 'esc' }[character];
  if (named !== undefined) return { key: named };
  if (/^[A-Z]$/.test(character)) return { key: character.toLowerCase(), shift: true };
  const at = SHIFTED.indexOf(character);
  if (at >= 0) return { key: PLAIN[at] as string, shift: true };
  return character in CODES ? { key: character } : undefined;
}

/** `ctrl-alt-delete`, `f1`, `shift-a`: a stroke by name; undefined when there is no such key. */
export function strokeByName(name: string): KeyStroke | undefined {
  // The key may be the hyphen itself.
  const parts = /^(.*-)?(.[^-]*)$/s.exec(name.toLowerCase());
  const modifiers = (parts?.[1] ?? '').split('-').slice(0, -1);
  const key = parts?.[2] ?? '';
  if (!(key in CODES) || !modifiers.every((m) => ['shift', 'ctrl', 'alt'].includes(m))) return undefined;
  return { key, shift: modifiers.includes('shift'), ctrl: modifiers.includes('ctrl'), alt: modifiers.includes('alt') };
}

function make(key: string): KeyCodes {
  const code = CODES[key] as number;
  return code < 0x100 ? [code] : [0xe0, code & 0xff];
}

function release(key: string): KeyCodes {
  const code = CODES[key] as number;
  return code < 0x100 ? [0xf0, code] : [0xe0, 0xf0, code & 0xff];
}

/** What the keyboard sends: modifiers down, the key down and up, modifiers up. */
export function codesOf({ key, shift, ctrl, alt }: KeyStroke): KeyCodes[] {
  const held = [...(ctrl ? ['ctrl'] : []), ...(alt ? ['alt'] : []), ...(shift ? ['shift'] : [])];
  return [...held.map(make), make(key), release(key), ...held.reverse().map(release)];
}
