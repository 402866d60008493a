import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, KEY_NAMES, strokeByName, strokeOf } from '../../vmm/cli/key-codes.ts';
import { strokesOf } from '../../vmm/cli/terminal-keys.ts';
import { strokesOfNames, strokesOfText } from '../../vmm/cli/type.ts';

const hex = (codes: readonly (readonly number[])[]): string[] => codes.map((c) => c.map((b) => b.toString(16).padStart(2, '0')).join(' '));

test('a character is its key, with Shift where the keyboard needs it', () => {
  assert.equal(hex(codesOf({ key: 'a' })), ['1c', 'f0 1c']);
  assert.equal(hex(codesOf(strokeOf('A') ?? { key: '' })), ['12', '1c', 'f0 1c', 'f0 12']);
  assert.equal(hex(codesOf(strokeOf('?') ?? { key: '' })), ['12', '4a', 'f0 4a', 'f0 12']);
  for (let code = 0x20; code < 0x7f; code++) assert.ok(strokeOf(String.fromCharCode(code)) !== undefined, String.fromCharCode(code));
  assert.is(strokeOf('ä'), undefined);
});

test('no two keys share a code, and each is found by its name', () => {
  const names = [...KEY_NAMES, ..."abcdefghijklmnopqrstuvwxyz1234567890-=[]\\;'`,./ "];
  const codes = names.map((name) => hex(codesOf(strokeByName(name) ?? { key: '' }))[0]);
  assert.is(new Set(codes).size, names.length);
});

test('ctrl-alt-delete by name, with E0h before the grey key', () => {
  assert.equal(hex(codesOf(strokeByName('Ctrl-Alt-Delete') ?? { key: '' })), ['14', '11', 'e0 71', 'e0 f0 71', 'f0 11', 'f0 14']);
  assert.equal(strokeByName('ctrl--'), { key: '-', shift: false, ctrl: true, alt: false });
  assert.is(strokeByName('hyper-x'), undefined);
  assert.is(strokeByName('f13'), undefined);
});

test('terminal sequences become keys: arrows, function keys, modifiers, Alt, a lone ESC', () => {
  const keys = (text: string): string[] =>
    strokesOf(text).map(({ key, shift, ctrl, alt }) => `${ctrl ? 'C-' : ''}${alt ? 'A-' : ''}${shift ? 'S-' : ''}${key}`);
  assert.equal(keys('\x1b[A\x1bOB\x1b[1;5C\x1b[3~\x1b[15~\x1bOP\x1b[[B\x1b[5;3~'), [
    'up',
    'down',
    'C-right',
    'delete',
    'f5',
    'f1',
    'f2',
    'A-pageup',
  ]);
  assert.equal(keys('\x1b'), ['esc']);
  assert.equal(keys('\x1b\x1b[A'), ['esc', 'up']);
  assert.equal(keys('\x1bx\x1b[Z'), ['A-x', 'S-tab']);
  assert.equal(keys('\x03\r\n\x7f\t\x00\x1c'), ['C-c', 'enter', 'enter', 'backspace', 'tab', 'C- ', 'C-\\']);
  assert.equal(keys('\x1b[999~\x1b[?25hé'), ['A-[', 'S-/', '2', '5', 'h']);
});

test('a text for lucid type knows the escapes, and says what it does not', () => {
  assert.equal(
    strokesOfText('a\\r\\\\').map((s) => s.key),
    ['a', 'enter', '\\'],
  );
  assert.throws(() => strokesOfText('\\q'), /\\q is unknown/);
  assert.throws(() => strokesOfText('é'), /'é' is on no key/);
  assert.equal(
    strokesOfNames('f1, down').map((s) => s.key),
    ['f1', 'down'],
  );
  assert.throws(() => strokesOfNames('f1,nope'), /--key nope: unknown/);
});

test.run();
