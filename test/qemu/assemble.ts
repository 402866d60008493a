/**
 * Machine code for one mode's width, and what a case grows by while it is made up.
 *
 * @module
 */
import type { Bits, Case } from './case.ts';
import { little } from './case.ts';
import { isLong } from './environments.ts';
import type { Harness } from './harness.ts';
import * as L from './layout.ts';
import type { Random } from './random.ts';

/** Segment registers by their numbers in ModRM, and the prefixes. */
export const SREG = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;
export const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

/** Registers that hold nothing that an instruction sequence needs; RSP is not among them. */
const PLAIN_REGISTERS = [0, 1, 2, 3, 5, 6, 7] as const;

export class Draft {
  readonly c: Case;
  readonly r: Random;
  readonly harness: Harness;
  readonly level: number;
  readonly bits: Bits;
  readonly vm86: boolean;
  readonly #code: number[] = [];

  constructor(c: Case, r: Random, harness: Harness, level: number, bits: Bits, vm86: boolean) {
    this.c = c;
    this.r = r;
    this.harness = harness;
    this.level = level;
    this.bits = bits;
    this.vm86 = vm86;
  }

  get long(): boolean {
    return isLong(this.c.environment);
  }

  /** Descriptor tables mean something. */
  get protected(): boolean {
    return this.c.environment !== 'real' && !this.vm86;
  }

  /** Where the code's segments start. */
  get base(): number {
    return this.bits === 16 ? L.ARENA : 0;
  }

  /** Linear address of the next instruction. */
  get here(): number {
    return Number(this.c.rip) + this.base + this.#code.length;
  }

  emit(...bytes: number[]): this {
    this.#code.push(...bytes);
    return this;
  }

  imm(value: number | bigint, bytes: number): this {
    return this.emit(...little(value, bytes));
  }

  patch(at: number, bytes: Uint8Array | readonly number[]): void {
    this.c.patches.push({ at, bytes: Uint8Array.from(bytes) });
  }

  word(at: number, value: number | bigint, bytes: number): void {
    this.patch(at, little(value, bytes));
  }

  /** A register that may be overwritten. */
  register(): number {
    return this.r.of(PLAIN_REGISTERS);
  }

  /** The operand size that this prefix selects in this mode: 16 or 32 without REX.W. */
  size(bits: 16 | 32): this {
    if ((this.bits === 16) !== (bits === 16)) this.emit(0x66);
    return this;
  }

  /** MOV reg, value at the mode's full width (32 bits in 16-bit code). */
  load(register: number, value: number | bigint): this {
    if (this.bits === 64) return this.emit(0x48 | (register >> 3), 0xb8 | (register & 7)).imm(value, 8);
    if (this.bits === 16) this.emit(0x66);
    return this.emit(0xb8 | register).imm(value, 4);
  }

  /** ModRM and displacement of the absolute linear address `at`, reached by a flat segment (or one that starts at `base`). */
  absolute(reg: number, at: number): this {
    const field = (reg & 7) << 3;
    if (this.bits === 64) return this.emit(field | 4, 0x25).imm(at, 4);
    if (this.bits === 32) return this.emit(field | 5).imm(at, 4);
    return this.emit(field | 6).imm(at - this.base, 2);
  }

  /** ModRM of a register operand. */
  direct(reg: number, rm: number): this {
    return this.emit(0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  /** PUSH of a value at the mode's default width (64, 32 or 16 bits). */
  push(value: number | bigint): this {
    if (this.bits === 64) return this.load(0, value).emit(0x50);
    return this.emit(0x68).imm(value, this.bits / 8);
  }

  /** PUSHF and POP, so that flags that a later instruction overwrites are seen. */
  keepFlags(): this {
    return this.emit(0x9c, 0x58 | this.register());
  }

  /** Puts the code to where the case starts. */
  finish(): Case {
    this.c.code = Uint8Array.from(this.#code);
    this.c.patches.push({ at: Number(this.c.rip) + this.base, bytes: this.c.code });
    return this.c;
  }
}
