/**
 * Code of hostile guests (hostile-guest.ts): what looks like instructions, of every kind, with operands that lead somewhere.
 *
 * @module
 */
import type { Mode, Random } from './hostile-guest.ts';
import { address, CODE, CODE_BYTES, root, SELECTORS, words } from './hostile-layout.ts';

const ALU_OPCODES = Array.from({ length: 64 }, (_, i) => i).filter((op) => (op & 7) < 6);
const MODRM_OPCODES = [
  0x62, 0x63, 0x69, 0x6b, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0xc0, 0xc1, 0xc4, 0xc5,
  0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xf6, 0xf7, 0xfe, 0xff, 0xff,
];
const PLAIN_OPCODES = [
  0x27, 0x2f, 0x37, 0x3f, 0x40, 0x48, 0x50, 0x54, 0x58, 0x5c, 0x60, 0x61, 0x90, 0x98, 0x99, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xc3, 0xc9, 0xcb,
  0xcc, 0xce, 0xcf, 0xd6, 0xd7, 0xf1, 0xf4, 0xf5, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd,
];
const STRING_OPCODES = [0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];
const PREFIXES = [0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** Second bytes of system instructions, and of what touches memory in unusual ways. */
const SYSTEM_OPCODES = [
  0x00, 0x00, 0x01, 0x01, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x20, 0x21, 0x22, 0x22, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33,
  0x34, 0x35, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xae, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb4, 0xb5, 0xba, 0xc0,
  0xc1, 0xc3, 0xc7, 0xc7, 0xff,
];
const MSRS = [
  0x10, 0x1b, 0x3a, 0x3b, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x17a, 0x1a0, 0x1d9, 0x200, 0x20f, 0x250, 0x277, 0x2ff, 0x400, 0x6e0, 0x802,
  0x808, 0x80b, 0x830, 0x838, 0x48, 0x49, 0x10a, 0x179, 0x17b, 0x201, 0x258, 0x26f, 0x401, 0x403, 0x83f, 0xda0, 0xc0000080, 0xc0000081,
  0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
];
const PORTS = [
  0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0x3f8, 0x3f9, 0x3fd, 0x600, 0x608, 0xcf8, 0xcfc, 0xf4, 0xffff,
  0x1234,
];

/** A stream of things that look like instructions. They may overlap: what follows a short one is decoded too. */
class Writer {
  readonly #random: Random;
  readonly #mode: Mode;
  readonly out: number[] = [];

  constructor(random: Random, mode: Mode) {
    this.#random = random;
    this.#mode = mode;
  }

  #immediate(size: number): void {
    const value = this.#random.oneIn(3) ? address(this.#random) : this.#random.u64();
    for (let i = 0; i < size; i++) this.out.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #modrm(): void {
    const random = this.#random;
    const modrm = random.u32() & 0xff;
    this.out.push(modrm);
    const mod = modrm >> 6;
    if (mod !== 3 && (modrm & 7) === 4) this.out.push(random.u32() & 0xff);
    if (mod === 1) this.out.push(random.pick([0, 1, 4, 8, 0xf8, random.u32() & 0xff]));
    else if (mod === 2 || (mod === 0 && (modrm & 7) === 5)) this.#immediate(4);
  }

  #prefixes(): void {
    const random = this.#random;
    while (random.oneIn(7)) this.out.push(random.pick(PREFIXES));
    if (this.#mode.startsWith('long') && random.oneIn(2)) this.out.push(0x40 | random.below(16));
  }

  #branch(): void {
    const { out } = this;
    const random = this.#random;
    const near = random.pick([random.below(0x20), random.below(0x20), 0xf0 + random.below(16), random.below(0x100)]);
    if (random.oneIn(3)) out.push(random.pick([0xe8, 0xe9]), near, random.below(3), 0, 0);
    else if (random.oneIn(2)) out.push(0x70 | random.below(16), near);
    else out.push(random.pick([0xe0, 0xe1, 0xe2, 0xe3, 0xeb]), near);
  }

  /** Loads a register, so that later instructions have something to work with. */
  #load(register: number, value: number): void {
    if (this.#mode === 'real' || this.#mode.startsWith('vm86') || this.#mode.endsWith('16')) this.out.push(0x66);
    this.out.push(0xb8 | register, ...words(4, [value >>> 0]));
  }

  #system(): void {
    const { out } = this;
    const random = this.#random;
    switch (random.below(11)) {
      case 9:
      case 10:
        this.#extended();
        break;
      case 0:
        this.#load(1, random.pick(MSRS));
        out.push(0x0f, random.oneIn(2) ? 0x32 : 0x30);
        break;
      case 1:
        this.#load(2, random.pick(PORTS));
        out.push(random.pick([0xec, 0xed, 0xee, 0xef]));
        break;
      case 2:
        out.push(random.pick([0xe4, 0xe5, 0xe6, 0xe7]), random.pick(PORTS) & 0xff);
        break;
      case 3:
        this.#load(
          0,
          random.pick([
            root('long'),
            root('long57'),
            root('pae'),
            root('paging32'),
            0x80000011,
            0x11,
            0x10,
            0x620,
            0x20,
            0xb0,
            0x40620,
            0x440620,
            0x20620,
            0x750620,
            0x1620,
          ]),
        );
        out.push(0x0f, 0x22, 0xc0 | (random.pick([0, 3, 4, 3, 8]) << 3));
        break;
      case 4:
        // A far jump or call to a selector, or a segment register.
        if (random.oneIn(2))
          out.push(random.pick([0xea, 0x9a]), ...words(4, [CODE + random.below(CODE_BYTES)]), ...words(2, [random.pick(SELECTORS)]));
        else {
          this.#load(0, random.pick(SELECTORS));
          out.push(0x8e, 0xc0 | (random.below(6) << 3));
        }
        break;
      case 5:
        out.push(0xcd, random.pick([0, 1, 3, 8, 13, 14, 0x20, 0x80, random.below(256)]));
        break;
      case 6:
        // A store into code nearby.
        out.push(0xc7, 0x05);
        this.#immediate(0);
        out.push(...words(4, [this.#mode.startsWith('long') ? random.below(64) : CODE + random.below(CODE_BYTES)]));
        this.#immediate(4);
        break;
      default:
        out.push(0x0f, random.pick(SYSTEM_OPCODES));
        this.#modrm();
    }
  }

  /** One instruction, or what looks like one. */
  one(): void {
    const { out } = this;
    const random = this.#random;
    this.#prefixes();
    const kind = random.below(23);
    if (kind < 4) {
      out.push(random.pick(ALU_OPCODES));
      this.#modrm();
    } else if (kind < 9) {
      const opcode = random.pick(MODRM_OPCODES);
      out.push(opcode);
      this.#modrm();
      if ([0x69, 0x81, 0xc7].includes(opcode)) this.#immediate(4);
      else if ([0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6].includes(opcode)) this.#immediate(1);
    } else if (kind < 11) {
      out.push(random.pick(PLAIN_OPCODES));
    } else if (kind < 12) {
      if (random.oneIn(2)) out.push(random.oneIn(2) ? 0xf3 : 0xf2);
      out.push(random.pick(STRING_OPCODES));
    } else if (kind < 14) {
      this.#branch();
    } else if (kind < 15) {
      this.#load(random.below(8), Number(address(random) & 0xffffffffn));
    } else if (kind < 17) {
      this.#system();
    } else if (kind < 19) {
      // The rest of the second map: SSE among it.
      out.push(0x0f, random.u32() & 0xff);
      this.#modrm();
      if (random.oneIn(4)) out.push(random.u32() & 0xff);
    } else if (kind < 20) {
      out.push(0x0f, random.oneIn(2) ? 0x38 : 0x3a, random.u32() & 0xff);
      this.#modrm();
      out.push(random.u32() & 0xff);
    } else this.#vex();
  }

  /** AVX, BMI and their like: mostly with vvvv as instructions without that operand want it. */
  #vex(): void {
    const { out } = this;
    const random = this.#random;
    const vvvv = random.oneIn(2) ? 0x78 : random.u32() & 0x78;
    const low = random.below(8);
    if (random.oneIn(3)) out.push(0xc5, 0x80 | vvvv | low, random.u32() & 0xff);
    else out.push(0xc4, 0xe0 | (1 + random.below(3)), (random.u32() & 0x80) | vvvv | low, random.u32() & 0xff);
    this.#modrm();
    if (random.oneIn(3)) out.push(random.u32() & 0xff);
  }

  /** What extends the state: XCR0, protection keys, the state saved and restored, process-context identifiers. */
  #extended(): void {
    const { out } = this;
    const random = this.#random;
    switch (random.below(5)) {
      case 0:
        this.#load(0, random.pick([1, 3, 7, 7, 0x207, random.u32()]));
        this.#load(2, 0);
        this.#load(1, random.oneIn(8) ? 1 : 0);
        out.push(0x0f, 0x01, random.pick([0xd0, 0xd1, 0xd1]));
        break;
      case 1:
        this.#load(0, random.u32());
        this.#load(2, 0);
        this.#load(1, 0);
        out.push(0x0f, 0x01, random.pick([0xee, 0xef, 0xef]));
        break;
      case 2:
        // XSAVE and the others of group 15 and 9, and segment bases, with and without their prefixes.
        if (random.oneIn(3)) out.push(random.pick([0x66, 0xf3, 0xf2]));
        if (this.#mode.startsWith('long')) out.push(0x48);
        out.push(0x0f, random.pick([0xae, 0xae, 0xc7]));
        this.#modrm();
        break;
      case 3:
        out.push(0x66, 0x0f, 0x38, random.pick([0x82, 0x82, random.u32() & 0xff]));
        this.#modrm();
        break;
      default:
        // SMAP's and SWAPGS, XGETBV, RDTSCP and their neighbours.
        out.push(0x0f, 0x01, 0xc0 | random.below(64));
    }
  }
}

/** Code of a hostile guest: mostly instructions that do something. */
export function instructions(random: Random, mode: Mode): Uint8Array {
  const code = new Uint8Array(CODE_BYTES);
  const writer = new Writer(random, mode);
  // A few kilobytes of code, repeated: so that code is met again when it is already decoded.
  const length = random.pick([0x200, 0x1000, 0x1000, 0x4000]);
  while (writer.out.length < length) writer.one();
  for (let at = 0; at < CODE_BYTES; at += length) code.set(writer.out.slice(0, Math.min(length, CODE_BYTES - at)), at);
  return code;
}
