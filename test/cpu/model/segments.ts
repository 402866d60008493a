/**
 * Segment registers as the SDM states them: which selector may go into which register (vol. 2, MOV, POP, LDS; JMP, CALL, RET, IRET; LAR, LSL,
 * VERR), which bytes a segment has (vol. 3, section "Limit checking" and "Type checking").
 *
 * A descriptor is its two halves. All answers are values: `undefined` means that the load is good.
 *
 * @module
 */

export const NP = 11;
export const SS = 12;
export const GP = 13;

export interface Fault {
  readonly vector: number;
  readonly error: number;
}

export interface Descriptor {
  readonly low: number;
  readonly high: number;
}

export interface Selected {
  readonly selector: number;
  /** Undefined: beyond the limit of its table. */
  readonly descriptor: Descriptor | undefined;
}

export const accessOf = (d: Descriptor): number => (d.high >>> 8) & 0xff;
export const dplOf = (d: Descriptor): number => (d.high >>> 13) & 3;
export const presentOf = (d: Descriptor): boolean => (d.high & 0x8000) !== 0;
/** Not a system segment or gate. */
export const plainOf = (d: Descriptor): boolean => (d.high & 0x1000) !== 0;
export const codeOf = (d: Descriptor): boolean => (d.high & 0x800) !== 0;
/** Conforming code; of data: expand-down. */
export const conformingOf = (d: Descriptor): boolean => (d.high & 0x400) !== 0;
/** Writable data; of code: readable. */
export const writableOf = (d: Descriptor): boolean => (d.high & 0x200) !== 0;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

export function baseOf(d: Descriptor): number {
  return (((d.low >>> 16) | ((d.high & 0xff) << 16)) + (d.high & 0xff00_0000)) >>> 0;
}

export function limitOf(d: Descriptor): number {
  const raw = (d.low & 0xffff) | (d.high & 0xf_0000);
  return (d.high & 0x80_0000) !== 0 ? ((raw << 12) | 0xfff) >>> 0 : raw;
}

const fault = (vector: number, selector: number): Fault => ({ vector, error: selector & 0xfffc });

/** MOV, POP, LSS to SS. */
export function loadStack(s: Selected, cpl: number, mode64: boolean): Fault | undefined {
  const { selector, descriptor: d } = s;
  const rpl = selector & 3;
  if (isNull(selector)) return mode64 && cpl !== 3 && rpl === cpl ? undefined : fault(GP, 0);
  if (d === undefined || rpl !== cpl || !plainOf(d) || codeOf(d) || !writableOf(d) || dplOf(d) !== cpl) return fault(GP, selector);
  return presentOf(d) ? undefined : fault(SS, selector);
}

/** MOV, POP, LDS and its kind to DS, ES, FS, GS. */
export function loadData(s: Selected, cpl: number): Fault | undefined {
  const { selector, descriptor: d } = s;
  if (isNull(selector)) return undefined;
  if (d === undefined || !plainOf(d) || (codeOf(d) && !writableOf(d))) return fault(GP, selector);
  const conforming = codeOf(d) && conformingOf(d);
  if (!conforming && (dplOf(d) < cpl || dplOf(d) < (selector & 3))) return fault(GP, selector);
  return presentOf(d) ? undefined : fault(NP, selector);
}

/** Far JMP and CALL straight to a code segment; 'system' when the descriptor is a gate or a task state, which is another matter. */
export function jumpCode(s: Selected, cpl: number, longMode: boolean): Fault | 'system' | undefined {
  const { selector, descriptor: d } = s;
  if (isNull(selector)) return fault(GP, 0);
  if (d === undefined) return fault(GP, selector);
  if (!plainOf(d)) return systemTarget(d, longMode) ? 'system' : fault(GP, selector);
  if (!codeOf(d)) return fault(GP, selector);
  if (longMode && bothLD(d)) return fault(GP, selector);
  if (conformingOf(d) ? dplOf(d) > cpl : (selector & 3) > cpl || dplOf(d) !== cpl) return fault(GP, selector);
  return presentOf(d) ? undefined : fault(NP, selector);
}

/** Gates and task states that JMP and CALL take: call gate, task gate, available TSS; in IA-32e mode the 64-bit call gate only. */
function systemTarget(d: Descriptor, longMode: boolean): boolean {
  const type = accessOf(d) & 15;
  return longMode ? type === 12 : type === 12 || type === 4 || type === 5 || type === 9 || type === 1;
}

function bothLD(d: Descriptor): boolean {
  return (d.high & 0x60_0000) === 0x60_0000;
}

/** The code segment that RET and IRET return to. */
export function returnCode(s: Selected, cpl: number, longMode: boolean): Fault | undefined {
  const { selector, descriptor: d } = s;
  const rpl = selector & 3;
  if (isNull(selector)) return fault(GP, 0);
  if (d === undefined || !plainOf(d) || !codeOf(d) || rpl < cpl) return fault(GP, selector);
  if (longMode && bothLD(d)) return fault(GP, selector);
  if (conformingOf(d) ? dplOf(d) > rpl : dplOf(d) !== rpl) return fault(GP, selector);
  return presentOf(d) ? undefined : fault(NP, selector);
}

/** The stack segment that RET and IRET to `rpl` load; null is for 64-bit code of a level below 3. */
export function returnStack(s: Selected, rpl: number, to64: boolean): Fault | undefined {
  const { selector, descriptor: d } = s;
  if (isNull(selector)) return to64 && rpl !== 3 && (selector & 3) === rpl ? undefined : fault(GP, 0);
  if (d === undefined || (selector & 3) !== rpl || !plainOf(d) || codeOf(d) || !writableOf(d) || dplOf(d) !== rpl)
    return fault(GP, selector);
  return presentOf(d) ? undefined : fault(SS, selector);
}

/** A return to an outer level makes these null (data and nonconforming code of a level within). */
export function droppedOnReturn(rights: number, unusable: boolean, cpl: number): boolean {
  if (unusable) return false;
  const dpl = (rights >>> 5) & 3;
  const conforming = (rights & 0x1c) === 0x1c;
  return !conforming && dpl < cpl;
}

export type Question = 'LAR' | 'LSL' | 'VERR' | 'VERW';

const SYSTEM_TYPES: Record<'LAR' | 'LSL', { legacy: readonly number[]; long: readonly number[] }> = {
  LAR: { legacy: [1, 2, 3, 4, 5, 9, 11, 12], long: [2, 9, 11, 12] },
  LSL: { legacy: [1, 2, 3, 9, 11], long: [2, 9, 11] },
};

/** LAR, LSL, VERR, VERW: does it set ZF? */
export function answers(q: Question, s: Selected, cpl: number, longMode: boolean): boolean {
  const { selector, descriptor: d } = s;
  if (isNull(selector) || d === undefined) return false;
  const visible = cpl <= dplOf(d) && (selector & 3) <= dplOf(d);
  const conforming = plainOf(d) && codeOf(d) && conformingOf(d);
  if (q === 'VERW') return plainOf(d) && !codeOf(d) && writableOf(d) && visible;
  if (q === 'VERR') return plainOf(d) && (!codeOf(d) || writableOf(d)) && (conforming || visible);
  if (!plainOf(d) && !SYSTEM_TYPES[q][longMode ? 'long' : 'legacy'].includes(accessOf(d) & 15)) return false;
  return conforming || visible;
}

/** Are the bytes offset..offset+size-1 within a segment of these (hidden) rights and limit? No wrapping of the offset here. */
export function within(rights: number, limit: number, offset: number, size: number): boolean {
  const last = offset + size - 1;
  if ((rights & 0xc) === 4) return offset > limit && last <= ((rights & 0x4000) !== 0 ? 0xffff_ffff : 0xffff);
  return last <= limit;
}

/** May data of a segment with these rights be read, or written? */
export function permits(rights: number, write: boolean): boolean {
  const code = (rights & 8) !== 0;
  return write ? !code && (rights & 2) !== 0 : !code || (rights & 2) !== 0;
}
