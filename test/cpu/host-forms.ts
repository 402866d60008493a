/**
 * The general instructions of host.test.ts with ordinary operands: one line for each encoding.
 *
 * Operand patterns are those of the SDM's opcode map: E = ModRM.rm (register or memory), M = memory only, G = ModRM.reg, Z = register in the
 * opcode, I = immediate, O = absolute address; b w d q = 8 16 32 64 bits, v = the operand size, y = 32 or 64 bits, z = 16 or 32 bits, x = 8 or 16 bytes.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { ALL, C, O, P, S, type UndefinedClass, Z, A } from './host-undefined.ts';

export interface Form {
  readonly opcode: readonly number[];
  readonly operands: string;
  /** ModRM.reg when it is part of the opcode. */
  readonly group: number | undefined;
  readonly undefined: UndefinedClass;
  /** Flags it reads; flags it writes whatever the operands. */
  readonly reads: number;
  readonly writes: number;
  readonly lock: boolean;
  /** A prefix that is part of the opcode. */
  readonly prefix: number;
  /** Code it exists in. */
  readonly only: 64 | 32 | undefined;
  /** What the registers must hold for it to be interesting. */
  readonly setup: Setup | undefined;
  /** Encoded by VEX: map and prefix as VEX numbers them; whether vvvv names a register. */
  readonly vex: Vex | undefined;
  /** What CPUID must enumerate of the processor compared with, by Linux's name. */
  readonly needs: string | undefined;
}
export interface Vex {
  readonly map: 2 | 3;
  readonly pp: 0 | 1 | 2 | 3;
  readonly register: boolean;
}

export type Setup = 'count' | 'divide' | 'bit' | 'compare' | 'compare8' | 'table' | 'bcd' | 'scan' | 'control';

interface Options {
  group?: number;
  undefined?: UndefinedClass;
  reads?: number;
  writes?: number;
  lock?: boolean;
  prefix?: number;
  only?: 64 | 32;
  setup?: Setup;
  vex?: Vex;
  needs?: string;
}

const FORMS: Form[] = [];

function form(opcode: number | readonly number[], operands: string, o: Options = {}): void {
  FORMS.push({
    opcode: typeof opcode === 'number' ? [opcode] : opcode,
    operands,
    group: o.group,
    undefined: o.undefined ?? 'none',
    reads: o.reads ?? 0,
    writes: o.writes ?? 0,
    lock: o.lock ?? false,
    prefix: o.prefix ?? 0,
    only: o.only,
    setup: o.setup,
    vex: o.vex,
    needs: o.needs,
  });
}

/** Flags that each condition reads. */
export const CONDITION_READS: readonly number[] = [O, C, Z, C | Z, S, P, S | O, S | O | Z].flatMap((f) => [f, f]);

function arithmetic(): void {
  ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'].forEach((name, op) => {
    const logic = name === 'OR' || name === 'AND' || name === 'XOR';
    const lock = name !== 'CMP';
    const o: Options = {
      undefined: logic ? 'logic' : 'none',
      reads: name === 'ADC' || name === 'SBB' ? C : 0,
      writes: logic ? ALL & ~A : ALL,
    };
    form(op * 8, 'Eb,Gb', { ...o, lock });
    form(op * 8 + 1, 'Ev,Gv', { ...o, lock });
    form(op * 8 + 2, 'Gb,Eb', o);
    form(op * 8 + 3, 'Gv,Ev', o);
    form(op * 8 + 4, 'Ib', o);
    form(op * 8 + 5, 'Iz', o);
    form(0x80, 'Eb,Ib', { ...o, lock, group: op });
    form(0x81, 'Ev,Iz', { ...o, lock, group: op });
    form(0x82, 'Eb,Ib', { ...o, lock, group: op, only: 32 });
    form(0x83, 'Ev,Ib', { ...o, lock, group: op });
  });
  const test: Options = { undefined: 'logic', writes: ALL & ~A };
  form(0x84, 'Eb,Gb', test);
  form(0x85, 'Ev,Gv', test);
  form(0xa8, 'Ib', test);
  form(0xa9, 'Iz', test);
  for (const group of [0, 1]) {
    form(0xf6, 'Eb,Ib', { ...test, group });
    form(0xf7, 'Ev,Iz', { ...test, group });
    const o: Options = { group, writes: ALL & ~C, lock: true };
    form(0xfe, 'Eb', o);
    form(0xff, 'Ev', o);
    form(0x40 + 8 * group, 'Zv', { writes: ALL & ~C, only: 32 });
  }
  form(0xf6, 'Eb', { group: 2, lock: true });
  form(0xf7, 'Ev', { group: 2, lock: true });
  form(0xf6, 'Eb', { group: 3, lock: true, writes: ALL });
  form(0xf7, 'Ev', { group: 3, lock: true, writes: ALL });
  const xadd: Options = { lock: true, writes: ALL };
  form([0x0f, 0xc0], 'Eb,Gb', xadd);
  form([0x0f, 0xc1], 'Ev,Gv', xadd);
  form([0x0f, 0xb0], 'Eb,Gb', { ...xadd, setup: 'compare' });
  form([0x0f, 0xb1], 'Ev,Gv', { ...xadd, setup: 'compare' });
  form([0x0f, 0xc7], 'Mx', { group: 1, lock: true, writes: Z, setup: 'compare8' });
}

function multiplication(): void {
  const multiply: Options = { undefined: 'multiply', writes: C | O };
  const divide: Options = { undefined: 'divide', setup: 'divide' };
  for (const group of [4, 5]) {
    form(0xf6, 'Eb', { ...multiply, group });
    form(0xf7, 'Ev', { ...multiply, group });
  }
  for (const group of [6, 7]) {
    form(0xf6, 'Eb', { ...divide, group });
    form(0xf7, 'Ev', { ...divide, group });
  }
  form([0x0f, 0xaf], 'Gv,Ev', multiply);
  form(0x69, 'Gv,Ev,Iz', multiply);
  form(0x6b, 'Gv,Ev,Ib', multiply);
}

function shifts(): void {
  for (let group = 0; group < 8; group++) {
    const o: Options = {
      group,
      undefined: group < 4 ? 'rotate' : group === 7 ? 'arithmeticShift' : 'shift',
      reads: group === 2 || group === 3 ? C : 0,
      setup: 'count',
    };
    form(0xc0, 'Eb,Ib', o);
    form(0xc1, 'Ev,Ib', o);
    form(0xd0, 'Eb,1', o);
    form(0xd1, 'Ev,1', o);
    form(0xd2, 'Eb,CL', o);
    form(0xd3, 'Ev,CL', o);
  }
  for (const opcode of [0xa4, 0xac]) {
    form([0x0f, opcode], 'Ev,Gv,Ib', { undefined: 'doubleShift', setup: 'count' });
    form([0x0f, opcode + 1], 'Ev,Gv,CL', { undefined: 'doubleShift', setup: 'count' });
  }
}

function bits(): void {
  for (let op = 0; op < 4; op++) {
    const o: Options = { undefined: 'bitTest', writes: C, lock: op !== 0 };
    form([0x0f, 0xa3 + 8 * op], 'Ev,Gv', { ...o, setup: 'bit' });
    form([0x0f, 0xba], 'Ev,Ib', { ...o, group: 4 + op });
  }
  form([0x0f, 0xbc], 'Gv,Ev', { undefined: 'bitScan', writes: Z, setup: 'scan' });
  form([0x0f, 0xbd], 'Gv,Ev', { undefined: 'bitScan', writes: Z, setup: 'scan' });
  form([0x0f, 0xc8], 'Zv');
  form([0x0f, 0xb8], 'Gv,Ev', { prefix: 0xf3, writes: ALL });
  form([0x0f, 0x38, 0xf0], 'Gd,Eb', { prefix: 0xf2 });
  form([0x0f, 0x38, 0xf1], 'Gd,Ev', { prefix: 0xf2 });
}

/** LZCNT came with BMI1 on every processor that has both, and not every kernel tells of it. */
function extensions(): void {
  const counting: Options = { undefined: 'zeroCount', prefix: 0xf3, writes: C | Z, setup: 'scan', needs: 'bmi1' };
  form([0x0f, 0xbc], 'Gv,Ev', counting);
  form([0x0f, 0xbd], 'Gv,Ev', counting);
  form([0x0f, 0x38, 0xf0], 'Gv,Mv', { needs: 'movbe' });
  form([0x0f, 0x38, 0xf1], 'Gv,Mv', { needs: 'movbe' });
  form([0x0f, 0x38, 0xf6], 'Gy,Ey', { prefix: 0x66, reads: C, writes: C, needs: 'adx' });
  form([0x0f, 0x38, 0xf6], 'Gy,Ey', { prefix: 0xf3, reads: O, writes: O, needs: 'adx' });
  form([0x0f, 0xae], 'Mb', { group: 7 });
  form([0x0f, 0xae], 'Mb', { group: 7, prefix: 0x66, needs: 'clflushopt' });
  form([0x0f, 0xae], 'Mb', { group: 6, prefix: 0x66, needs: 'clwb' });
  const vex = (opcode: number, operands: string, pp: Vex['pp'], o: Options): void =>
    form(opcode, operands, { ...o, vex: { map: opcode === 0xf0 ? 3 : 2, pp, register: opcode !== 0xf0 } });
  const field: Options = { undefined: 'bitField', writes: C | Z | S | O, needs: 'bmi1' };
  vex(0xf2, 'Gy,Ey', 0, field);
  for (const group of [1, 2, 3]) vex(0xf3, 'Ey', 0, { ...field, group, setup: 'scan' });
  vex(0xf7, 'Gy,Ey', 0, { undefined: 'bitExtract', writes: C | Z | O, setup: 'control', needs: 'bmi1' });
  vex(0xf5, 'Gy,Ey', 0, { ...field, setup: 'control', needs: 'bmi2' });
  for (const pp of [2, 3] as const) vex(0xf5, 'Gy,Ey', pp, { needs: 'bmi2' });
  vex(0xf6, 'Gy,Ey', 3, { needs: 'bmi2' });
  for (const pp of [1, 2, 3] as const) vex(0xf7, 'Gy,Ey', pp, { setup: 'control', needs: 'bmi2' });
  vex(0xf0, 'Gy,Ey,Ib', 3, { needs: 'bmi2' });
}

function moves(): void {
  form(0x88, 'Eb,Gb');
  form(0x89, 'Ev,Gv');
  form(0x8a, 'Gb,Eb');
  form(0x8b, 'Gv,Ev');
  form(0xc6, 'Eb,Ib', { group: 0 });
  form(0xc7, 'Ev,Iz', { group: 0 });
  form(0xb0, 'Zb,Ib');
  form(0xb8, 'Zv,Iv');
  for (const op of [0xa0, 0xa2]) {
    form(op, 'Ob');
    form(op + 1, 'Ov');
  }
  form(0x86, 'Eb,Gb', { lock: true });
  form(0x87, 'Ev,Gv', { lock: true });
  form(0x90, 'Zv');
  form(0x8d, 'Gv,M');
  form(0x63, 'Gv,Ed', { only: 64 });
  for (const op of [0xb6, 0xbe]) {
    form([0x0f, op], 'Gv,Eb');
    form([0x0f, op + 1], 'Gv,Ew');
  }
  for (let c = 0; c < 16; c++) {
    const reads = CONDITION_READS[c] as number;
    form([0x0f, 0x90 + c], 'Eb', { reads, group: 0 });
    form([0x0f, 0x40 + c], 'Gv,Ev', { reads });
  }
  form(0x98, 'v');
  form(0x99, 'v');
  form(0xd7, '', { setup: 'table' });
  form(0x8c, 'Ev', { group: 4 });
}

function flagsAndDecimal(): void {
  form(0x9e, '', { writes: ALL & ~O });
  form(0x9f, '', { reads: ALL & ~O });
  form(0xf5, '', { reads: C, writes: C });
  form(0xf8, '', { writes: C });
  form(0xf9, '', { writes: C });
  form(0xfc, '');
  form(0xfd, '');
  const bcd: Options = { only: 32, setup: 'bcd' };
  for (const op of [0x27, 0x2f]) form(op, '', { ...bcd, undefined: 'decimal', reads: C | A, writes: ALL & ~O });
  for (const op of [0x37, 0x3f]) form(op, '', { ...bcd, undefined: 'ascii', reads: A, writes: C | A });
  for (const op of [0xd4, 0xd5]) form(op, 'Ib', { ...bcd, undefined: 'asciiMultiply', writes: S | Z | P });
  form(0xd6, '', { only: 32, reads: C });
}

/** Nothing, or nothing but a fault. */
function others(): void {
  form([0x0f, 0x1f], 'Ev', { group: 0 });
  form([0x0f, 0x0d], 'Mb', { group: 1 });
  form([0x0f, 0x18], 'Mb', { group: 1 });
  form([0x0f, 0x0b], '');
  form(0xcc, '');
  form(0xcd, 'Ib');
  form(0xce, '', { only: 32, reads: O });
  form(0x62, 'Gv,Mv', { only: 32 });
  form(0xfe, 'Eb', { group: 3 });
  form(0xff, 'Ev', { group: 7 });
  form(0xf4, '');
  form(0xfa, '');
  form(0xfb, '');
}

arithmetic();
multiplication();
shifts();
bits();
extensions();
moves();
flagsAndDecimal();
others();

const FLAGS = new Set(
  existsSync('/proc/cpuinfo')
    ? readFileSync('/proc/cpuinfo', 'utf8')
        .match(/^flags.*$/m)?.[0]
        .split(' ')
    : [],
);
/** Those that this machine's processor has. */
export const PRESENT: readonly Form[] = FORMS.filter((f) => f.needs === undefined || FLAGS.has(f.needs));
