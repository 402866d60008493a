/**
 * Texts of a program and their bytes.
 *
 * A D string is bytes; the texts of a compiled program are JavaScript strings that stand for their UTF-8. A byte that is no part of any character
 * (`"\377"`) stands in a text as U+DC80 to U+DCFF (what Python calls surrogateescape), so that every sequence of bytes has exactly one text.
 * The consumer writes byte strings: one character for each byte.
 *
 * @module
 */

const ESCAPE = 0xdc00;

const NOT_ASCII = /[^\x00-\x7f]/;

/** The bytes of a text as a byte string. */
export function byteString(text: string): string {
  if (!NOT_ASCII.test(text)) return text;
  let bytes = '';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) bytes += character;
    else if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) bytes += String.fromCharCode(code - ESCAPE);
    else bytes += Buffer.from(character, 'utf8').toString('latin1');
  }
  return bytes;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes. */
export function textOfBytes(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    return escaping(bytes);
  }
}

/** Character by character: where none begins, one byte is escaped. */
function escaping(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      text += UTF8.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(ESCAPE + first);
      at++;
    }
  }
  return text;
}
