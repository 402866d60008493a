/**
 * Branches where a code segment ends: the limit of CS is checked at the branch (SDM vol. 2, JMP and Jcc), and the IP of a 16-bit operand wraps at 64 KB, also
 * when target and branch share a page, and when a larger segment of the same base was run before.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CODE, FREE, GDT, Guest, HANDLERS, le, SEL } from '../vmm/guest.ts';

const GP = 13;
const halted = (g: Guest): void => assert.is(g.run(10_000).reason, 'hlt', `${g.vcpu.exit.detail} at ${g.rip.toString(16)}`);

/** A descriptor of 32-bit code at `base` with a limit of `limit` bytes, in hexadecimal. */
function code32(base: number, limit: number): string {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high = ((base >>> 16) & 0xff) | 0x9b00 | (limit & 0xf0000) | 0x40_0000 | (base & 0xff00_0000);
  return le(low >>> 0, 4) + le(high >>> 0, 4);
}

/** Where the guest stops with #GP, when it jumps to a segment whose last byte is that of `code`; undefined when it halts elsewhere. */
function faultIn(code: string, flags = 0): number | undefined {
  const g = new Guest({ mode: 'prot32', code: `ea 00 00 00 00 ${le(SEL.gate, 2)}`, rflags: 2 | flags });
  g.put(GDT + SEL.gate, code32(FREE, code.replaceAll(' ', '').length / 2 - 1));
  g.put(FREE, code);
  // Beyond the limit the handler of vector 0 would be reached by running on.
  for (let at = 0x40; at < 0x60; at++) g.put(FREE + at, 'f4');
  halted(g);
  if (Number(g.rip) !== HANDLERS + GP * 16 + 1) return undefined;
  // The frame: error code, EIP, CS, EFLAGS.
  return g.read(Number(g.reg(4)) + 4, 4);
}

test('a relative branch out of the code segment faults where it stands', () => {
  assert.is(faultIn('90 eb 3e'), 1, 'jmp');
  assert.is(faultIn('90 e9 3b 00 00 00'), 1, 'jmp near');
  assert.is(faultIn('90 74 3e', 0x40), 1, 'je taken');
  assert.is(faultIn('90 0f 84 3a 00 00 00', 0x40), 1, 'je near taken');
  assert.is(faultIn('90 e8 3b 00 00 00'), 1, 'call');
  assert.is(faultIn('90 e3 3e'), 1, 'jecxz taken');
  // Running off the end faults behind the last instruction.
  assert.is(faultIn('90 74 3e'), 3, 'je not taken');
});

test('IP wraps at 64 KB inside a page: the base of CS is no multiple of the page size', () => {
  for (const selector of [0x2000, 0x2001, 0x2080, 0x20ff]) {
    const base = selector * 16;
    const far = `ea f0 ff ${le(selector, 2)}`;
    for (const [name, bytes] of [
      ['jmp', 'eb 1e'],
      ['jmp near', 'e9 1d 00'],
      ['je', '74 1e'],
      ['call', 'e8 1d 00'],
      ['loop', 'e2 1e'],
    ] as const) {
      const g = new Guest({ mode: 'real', code: `31 c0 ${far}` });
      g.put(base + 0xfff0, bytes);
      g.put(base + 0x10, 'f4');
      halted(g);
      assert.is(Number(g.rip), 0x11, `${name} in ${selector.toString(16)}`);
    }
    const g = new Guest({ mode: 'real', code: `ea 00 00 ${le(selector, 2)}` });
    g.put(base, 'eb ee');
    g.put(base + 0xfff0, 'f4');
    halted(g);
    assert.is(Number(g.rip), 0xfff1, `backwards in ${selector.toString(16)}`);
  }
});

test('a smaller limit of the same base holds for targets that were reached before', () => {
  // Calls a function at FREE from the flat segment, then jumps to a segment of 64 KB and calls it again.
  const g = new Guest({
    mode: 'prot32',
    code: `
      b8 ${le(FREE, 4)} ff d0               ; call FREE: it is known now
      ea ${le(CODE + 14, 4)} ${le(SEL.gate, 2)}
      ff d0                                ; call FREE: beyond the limit
      f4`,
  });
  g.put(GDT + SEL.gate, code32(0, 0xffff));
  g.put(FREE, 'c3');
  halted(g);
  assert.is(Number(g.rip), HANDLERS + GP * 16 + 1);
  assert.is(g.read(Number(g.reg(4)) + 4, 4), CODE + 14);
});

test.run();
