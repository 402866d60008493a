/**
 * What the specification leaves open, and therefore host.test.ts does not compare: flags by class of instruction, and this host's own ways.
 *
 * The clauses are those of the Intel SDM, vol. 2, "Flags Affected" of each instruction.
 *
 * @module
 */

export const C = 0x1;
export const P = 0x4;
export const A = 0x10;
export const Z = 0x40;
export const S = 0x80;
export const O = 0x800;
export const ALL = C | P | A | Z | S | O;

/** In place of undefined flags: not even the result is defined, so nothing is compared. */
export const EVERYTHING = 0xffff_ffff;

/** What decides the undefined flags of one execution. */
export interface Operands {
  /** Shifts: the count after masking. */
  readonly count: number;
  /** Operand size in bits. */
  readonly bits: number;
}

interface Clause {
  readonly flags: (o: Operands) => number;
  readonly text: string;
}

export const UNDEFINED = {
  none: { flags: () => 0, text: 'every flag is defined or unaffected' },
  logic: { flags: () => A, text: 'AND OR XOR TEST: OF and CF are cleared, SF ZF PF follow the result; the state of AF is undefined' },
  shift: {
    flags: ({ count, bits }) => (count === 0 ? 0 : A | (count === 1 ? 0 : O) | (count >= bits ? C : 0)),
    text: 'SHL SHR: AF is undefined for a count that is not 0, OF for other counts than 1, CF for counts of the operand size or more',
  },
  arithmeticShift: {
    flags: ({ count }) => (count === 0 ? 0 : A | (count === 1 ? 0 : O)),
    text: 'SAR: AF is undefined for a count that is not 0, OF for other counts than 1',
  },
  rotate: {
    flags: ({ count }) => (count <= 1 ? 0 : O),
    text: 'ROL ROR RCL RCR: OF is undefined for counts other than 1; SF ZF AF PF are not affected',
  },
  doubleShift: {
    flags: ({ count, bits }) => (count === 0 ? 0 : count > bits ? ALL : A | (count === 1 ? 0 : O)),
    text: 'SHLD SHRD: AF is undefined for a count that is not 0, OF for other counts than 1, all flags (and the result) when the count is greater than the operand size',
  },
  multiply: { flags: () => S | Z | A | P, text: 'MUL IMUL: SF ZF AF PF are undefined' },
  divide: { flags: () => ALL, text: 'DIV IDIV: CF OF SF ZF AF PF are undefined' },
  bitTest: { flags: () => O | S | A | P, text: 'BT BTS BTR BTC: ZF is not affected; OF SF AF PF are undefined' },
  bitScan: { flags: () => C | O | S | A | P, text: 'BSF BSR: CF OF SF AF PF are undefined' },
  zeroCount: { flags: () => O | S | A | P, text: 'TZCNT LZCNT: OF SF PF AF are undefined' },
  bitField: { flags: () => A | P, text: 'ANDN BLSI BLSMSK BLSR BZHI: AF and PF are undefined' },
  bitExtract: { flags: () => S | A | P, text: 'BEXTR: AF SF PF are undefined' },
  decimal: { flags: () => O, text: 'DAA DAS: OF is undefined' },
  ascii: { flags: () => O | S | Z | P, text: 'AAA AAS: OF SF ZF PF are undefined' },
  asciiMultiply: { flags: () => O | A | C, text: 'AAM AAD: OF AF CF are undefined' },
} as const satisfies Record<string, Clause>;

export type UndefinedClass = keyof typeof UNDEFINED;
