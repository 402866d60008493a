/**
 * Where QEMU is wrong, or where the manual leaves it open: differences that are no fault of ours, each with its clause.
 *
 * An entry excuses single differences. It says for each what ours must be, so that it does not hide what we do wrong. Clauses without a
 * name are of the Intel SDM.
 *
 * @module
 */
import type { Case } from './case.ts';
import type { Difference, Result } from './compare.ts';
import { isLong } from './environments.ts';
import * as L from './layout.ts';

export interface Entry {
  readonly name: string;
  /** What the manual says. */
  readonly clause: string;
  readonly excuses: (difference: Difference, c: Case, ours: Result, theirs: Result) => boolean;
}

/** Vectors of faults (vol. 3, table 6-1): others are traps, aborts or interrupts. */
const FAULTS: readonly number[] = [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19];
const GP = 13;
const SS = 12;
const BP = 3;

const big = (text: string): bigint => BigInt(`0x${text === 'as before' ? '0' : text}`);

const inTable = (field: string, from: number, bytes: number): boolean => {
  const at = Number.parseInt(field.slice(1), 16);
  return field.startsWith('[') && at >= from && at < from + bytes;
};

/** RF in the pushed flags of our side alone; the frame's words may stand at odd places of a field. */
function onlyRf(d: Difference): boolean {
  const change = big(d.ours) ^ big(d.theirs);
  return [0n, 16n, 32n, 48n].some((n) => change === 1n << n) && (big(d.ours) & change) !== 0n;
}

/** The accessed bit of a code or data descriptor on our side alone. */
function onlyAccessed(d: Difference, theirs: number): boolean {
  const ours = Number(big(d.ours));
  return (ours ^ theirs) === 0x100 && (ours & 0x1100) === 0x1100;
}

/** Bytes that a case's patches gave a word of the arena, or undefined. */
function patched(c: Case, at: number): number | undefined {
  let value: number | undefined;
  for (const p of c.patches) {
    if (at < p.at || at + 4 > p.at + p.bytes.length) continue;
    const view = new DataView(p.bytes.buffer, p.bytes.byteOffset, p.bytes.length);
    value = view.getUint32(at - p.at, true);
  }
  return value;
}

const ended = (r: Result): boolean => r.status === L.STATUS.ENDED;
/** The instruction went on in QEMU, or ran into something later, where we refuse it with `vector`. */
const refused = (ours: Result, theirs: Result, ...vectors: number[]): boolean =>
  ended(ours) && vectors.includes(ours.vector) && theirs.end !== ours.end;

export const KNOWN: readonly Entry[] = [
  {
    name: 'RF is not set in the flags that a fault pushes',
    clause: 'vol. 3, 18.3.1.1: for any fault-class exception except an instruction breakpoint, the value pushed for RF is 1',
    excuses: (d, _c, ours) =>
      (d.field.startsWith('frame') || inTable(d.field, L.ARENA, L.ARENA_BYTES)) && FAULTS.includes(ours.vector) && onlyRf(d),
  },
  {
    name: 'an accessed bit is set in the PAE page-directory-pointer table',
    clause: 'vol. 3, 4.4.1 and 4.8: these entries are loaded with CR3 and have no accessed flag',
    excuses: (d, c) => {
      if (c.environment !== 'pae' || !inTable(d.field, L.PDPT, 32)) return false;
      const at = Number.parseInt(d.field.slice(1), 16);
      const before = d.ours === 'as before' ? (patched(c, at) ?? (at === L.PDPT ? L.PD | 1 : 0)) : Number(big(d.ours));
      return (Number(big(d.theirs)) ^ before) >>> 0 === 0x20;
    },
  },
  {
    name: 'the accessed bit of a code segment, or of a stack of an outer level, is not set',
    clause: 'vol. 3, 3.4.5.1: the processor sets this bit whenever it loads the segment selector into a segment register',
    excuses: (d, c) => {
      if (!inTable(d.field, L.GDT, 0x1000)) return false;
      const at = Number.parseInt(d.field.slice(1), 16);
      const before = d.theirs === 'as before' ? (patched(c, at) ?? Number(big(d.ours)) ^ 0x100) : Number(big(d.theirs));
      return onlyAccessed(d, before);
    },
  },
  {
    name: 'error codes that name a gate of the 64-bit IDT hold twice its number',
    clause: 'vol. 3, 6.13: with the IDT flag, bits 15:3 are the index of the gate',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && isLong(c.environment) && ours.vector === theirs.vector && (ours.error & 2) !== 0 && ours.error >> 3 === theirs.error >> 4,
  },
  {
    name: 'EXT is not set in the error code when the delivery of an exception fails',
    clause: 'vol. 3, 6.13: EXT is set for an event external to the program or an earlier exception, and clear for INT n, INT3 and INTO',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && ours.vector === theirs.vector && ours.error === (theirs.error | 1) && !c.tags.has('software interrupt'),
  },
  {
    name: 'SS is loaded with null by an interrupt that stays at its level but takes an IST stack',
    clause: 'vol. 3, 6.14.2: SS is forced to a null selector if there is a CPL change',
    excuses: (d, c, ours) => d.field === 'ss' && isLong(c.environment) && d.theirs === '0' && (ours.u32(L.SAVE.CS) & 3) === (c.cs & 3),
  },
  {
    name: 'a jump through a call gate to code that is not present raises #GP',
    clause: 'vol. 2, JMP, CALL-GATE: IF code-segment descriptor is not present THEN #NP(code-segment descriptor selector)',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.kind === 'far transfers' && ours.vector === 11 && theirs.vector === GP && ours.error === theirs.error,
  },
  {
    name: 'a far CALL at level 3 pushes with the rights of the supervisor',
    clause: 'vol. 3, 4.6: accesses that are no implicit supervisor accesses have the mode of the CPL',
    excuses: (d, c, ours, theirs) => refused(ours, theirs, 14) && d.field === 'end' && c.kind === 'far transfers' && (ours.error & 4) !== 0,
  },
  {
    name: 'INT1 raises #UD',
    clause: 'vol. 2, INT1: generates a debug exception (#DB)',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('int1') && theirs.vector === 6 && ours.vector !== 6,
  },
  {
    name: 'IRET with VM set in its flags goes to virtual-8086 mode out of IA-32e mode, too',
    clause: 'vol. 2, IRET: RETURN-TO-VIRTUAL-8086-MODE only with PE = 1, LMA = 0 and CPL = 0',
    excuses: (d, c) => d.field === 'end' && isLong(c.environment) && c.tags.has('vm flag'),
  },
  {
    name: 'instruction pointers beyond the limit are not refused by far transfers',
    clause: 'vol. 2, IRET, RET, CALL, JMP: IF the return instruction pointer is not within code segment limit THEN #GP(0)',
    excuses: (d, c, ours, theirs) =>
      d.field === 'end' && refused(ours, theirs, GP) && ours.error === 0 && c.tags.has('limit') && theirs.vector !== GP,
  },
  {
    name: 'limits and rights of segments are not checked by data accesses',
    clause: 'vol. 3, 5.3 and 5.5: a reference outside the limit, through null, or against the type raises #GP or #SS',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('access') && refused(ours, theirs, GP, SS) && ours.error === 0,
  },
  {
    name: 'data that a port without a device gives',
    clause: 'the boards differ: nothing about it in the manual',
    excuses: (d, c) => c.tags.has('ins') && inTable(d.field, L.DATA, 0x1000),
  },
  {
    name: 'the I/O permission of a repeated string instruction is checked though its count is 0',
    clause: 'vol. 2, REP: WHILE CountReg ≠ 0: nothing is executed, so nothing is checked',
    excuses: (d, c, ours, theirs) => d.field === 'end' && c.tags.has('no count') && ours.vector === BP && theirs.vector === GP,
  },
];

/** Names of the entries that excuse some of the differences, and the differences that none does. */
export function excuse(c: Case, ours: Result, theirs: Result, list: readonly Difference[]): { reasons: Set<string>; rest: Difference[] } {
  const reasons = new Set<string>();
  const rest = list.filter((difference) => {
    const entry = KNOWN.find((e) => e.excuses(difference, c, ours, theirs));
    if (entry !== undefined) reasons.add(entry.name);
    return entry === undefined;
  });
  return { reasons, rest };
}
