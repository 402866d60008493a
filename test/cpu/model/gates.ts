/**
 * Gates and the stacks they switch to: the pseudocode of INT n, CALL and JMP (SDM vol. 2) and "Exception and interrupt handling in protected
 * mode", "64-bit mode interrupt stack frame" (vol. 3), for gates of the IDT and call gates.
 *
 * What leads to a task switch answers 'task'. Otherwise a fault, or the transfer: target level, and where the frame lies.
 *
 * @module
 */
import {
  accessOf,
  codeOf,
  conformingOf,
  dplOf,
  type Fault,
  GP,
  isNull,
  NP,
  plainOf,
  presentOf,
  type Selected,
  SS,
  within,
  writableOf,
} from './segments.ts';

const TS = 10;

/** What is asked of the stack: the segment in use, or the one of the TSS. */
export interface StackNow {
  readonly rights: number;
  readonly limit: number;
  readonly sp: number;
}

export interface Inner {
  /** SS of the TSS for the target level, with the hidden part it would get. */
  readonly selected: Selected;
  readonly limit: number;
  readonly sp: number;
  /** The TSS holds it. */
  readonly inTss: boolean;
  readonly tssSelector: number;
}

export interface Through {
  readonly longMode: boolean;
  readonly cpl: number;
  readonly vm86: boolean;
  readonly code: Selected;
  readonly codeLimit: number;
  readonly offset: number;
  readonly now: StackNow;
  readonly inner: Inner;
  /** The gate names a stack of the interrupt stack table: used at every level. */
  readonly ist: boolean;
  /** 1 for events of the outside and exceptions. */
  readonly ext: number;
}

export interface Transfer {
  readonly cpl: number;
  readonly switched: boolean;
}

export type Outcome = Fault | Transfer | 'task';

export const isFault = (o: Outcome): o is Fault => o !== 'task' && 'vector' in o;

/** The gate of an interrupt or exception itself. `software`: INT n, INT3, INTO. Undefined: it is an interrupt or trap gate that may be used. */
export function idtGate(access: number, vector: number, software: boolean, inTable: boolean, t: Through): Fault | 'task' | undefined {
  const error = 8 * vector + 2 + t.ext;
  const type = access & 0x1f;
  const valid = t.longMode ? type === 14 || type === 15 : type === 5 || type === 6 || type === 7 || type === 14 || type === 15;
  if (!inTable || !valid) return { vector: GP, error };
  if (software && ((access >> 5) & 3) < t.cpl) return { vector: GP, error };
  if ((access & 0x80) === 0) return { vector: NP, error };
  return type === 5 ? 'task' : undefined;
}

/** Through a good interrupt or trap gate, pushing `bytes` when the level changes and `same` when it does not. */
export function throughIdt(t: Through, bytes: number, same: number): Outcome {
  const { code, ext } = t;
  const selector = (code.selector & 0xfffc) | ext;
  if (isNull(code.selector)) return { vector: GP, error: ext };
  const d = code.descriptor;
  if (d === undefined || !plainOf(d) || !codeOf(d) || dplOf(d) > t.cpl) return { vector: GP, error: selector };
  if (t.longMode && (d.high & 0x60_0000) !== 0x20_0000) return { vector: GP, error: selector };
  if (!presentOf(d)) return { vector: NP, error: selector };
  const inward = !conformingOf(d) && dplOf(d) < t.cpl;
  // From virtual-8086 mode to level 0 only.
  if (t.vm86 && !(inward && dplOf(d) === 0)) return { vector: GP, error: selector };
  if (inward) return inwards(t, dplOf(d), bytes);
  return t.ist ? inwards(t, t.cpl, bytes) : stay(t, same);
}

/** A far CALL or JMP through a call gate, whose own selector is `gate`; `parameters` in bytes on the new stack, `width` of what is pushed. */
export function throughCallGate(t: Through, access: number, gate: number, call: boolean, parameters: number, width: number): Outcome {
  const error = gate & 0xfffc;
  const gateDpl = (access >> 5) & 3;
  if (gateDpl < t.cpl || gateDpl < (gate & 3)) return { vector: GP, error };
  if ((access & 0x80) === 0) return { vector: NP, error };
  const { code } = t;
  if (isNull(code.selector)) return { vector: GP, error: 0 };
  const selector = code.selector & 0xfffc;
  const d = code.descriptor;
  if (d === undefined || !plainOf(d) || !codeOf(d) || dplOf(d) > t.cpl) return { vector: GP, error: selector };
  if (t.longMode && (d.high & 0x60_0000) !== 0x20_0000) return { vector: GP, error: selector };
  if (!call && !conformingOf(d) && dplOf(d) !== t.cpl) return { vector: GP, error: selector };
  if (!presentOf(d)) return { vector: NP, error: selector };
  if (call && !conformingOf(d) && dplOf(d) < t.cpl) return inwards(t, dplOf(d), parameters + 4 * width);
  return stay(t, call ? 2 * width : 0);
}

function stay(t: Through, bytes: number): Outcome {
  if (!room(t, t.now.rights, t.now.limit, t.now.sp, bytes)) return { vector: SS, error: t.ext };
  return target(t, { cpl: t.cpl, switched: false });
}

function inwards(t: Through, cpl: number, bytes: number): Outcome {
  const { inner, ext } = t;
  if (!inner.inTss) return { vector: TS, error: (inner.tssSelector & 0xfffc) | ext };
  if (!t.longMode) {
    const { selector, descriptor: d } = inner.selected;
    if (isNull(selector)) return { vector: TS, error: ext };
    const error = (selector & 0xfffc) | ext;
    if (d === undefined || (selector & 3) !== cpl || dplOf(d) !== cpl || !plainOf(d) || codeOf(d) || !writableOf(d)) {
      return { vector: TS, error };
    }
    if (!presentOf(d)) return { vector: SS, error };
    const rights = accessOf(d) | ((d.high >>> 8) & 0xf000);
    if (!room(t, rights, inner.limit, inner.sp, bytes)) return { vector: SS, error };
  }
  if (t.longMode && !canonical(inner.sp)) return { vector: SS, error: ext };
  return target(t, { cpl, switched: true });
}

function room(t: Through, rights: number, limit: number, sp: number, bytes: number): boolean {
  if (t.longMode || bytes === 0) return true;
  const mask = (rights & 0x4000) !== 0 ? 0xffff_ffff : 0xffff;
  // Each push wraps by itself; a frame is of 2- or 4-byte words and all of it must be within.
  const offset = ((sp - bytes) & mask) >>> 0;
  return within(rights, limit, offset, bytes);
}

/** 48 bits; addresses here are not negative. */
function canonical(address: number): boolean {
  return address < 2 ** 47;
}

/** The first byte of the handler must be within its segment. */
function target(t: Through, to: Transfer): Outcome {
  return (t.longMode ? canonical(t.offset) : t.offset <= t.codeLimit) ? to : { vector: GP, error: t.ext };
}
