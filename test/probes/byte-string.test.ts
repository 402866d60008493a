/** Every sequence of bytes has one text, and comes back from it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { byteString, textOfBytes } from '../../probes/byte-string.ts';

test('text is its UTF-8', () => {
  assert.is(byteString('a\u00e9\u20ac\u{1f600}'), '\x61\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80');
});

test('bytes that are no text come back as they were', () => {
  for (const bytes of [[0xff], [0x61, 0xc3], [0xc3, 0xa9, 0xe9], [0xed, 0xb2, 0x80], [0xf0, 0x9f, 0x98, 0x61], [0xc0, 0x80], []]) {
    const text = textOfBytes(Uint8Array.from(bytes));
    assert.equal([...Buffer.from(byteString(text), 'latin1')], bytes);
  }
  assert.is(textOfBytes(Uint8Array.of(0xc3, 0xa9, 0xe9)), '\u00e9\udce9');
});

test.run();
