/**
 * Lvalues: where an expression's value stands, and loads and stores there.
 *
 * A *place* is known to be good and is accessed directly; an *address* is whatever a pointer holds, so every access goes through the runtime,
 * which checks it. An element of an associative array is found first (keyed.ts) and is a place then, or is not there.
 *
 * @module
 */
import { I32, I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { STRING_BYTES } from '../ctype.ts';
import type { Expression } from '../tree.ts';
import type { Member, Type } from '../types.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';
import { findElement } from './keyed.ts';
import { type Representation, type ScalarBytes, emitExtend, emitLoad, emitStore, representation } from './representation.ts';
import { TEXT_HEAD, TEXT_STATE } from './variables.ts';

export type LvalueExpression = Extract<Expression, { op: 'variable' | 'dereference' | 'member' }>;

export interface Location {
  readonly base: /** The variables of the program. */
    | { readonly kind: 'variables' }
    /** A place in an i32 local. */
    | { readonly kind: 'place'; readonly local: number }
    /** An address in an i64 local. */
    | { readonly kind: 'address'; readonly local: number };
  readonly offset: number;
  readonly type: Type;
  readonly rep: Representation;
  /** A string variable: a word that tells NULL stands before its text. */
  readonly headed?: boolean;
  readonly bits?: Member['bits'];
}

export function isLvalue(e: Expression): e is LvalueExpression & Expression {
  return e.op === 'variable' || e.op === 'dereference' || e.op === 'member';
}

/** Gives back what `locate` took. */
export function releaseLocation(code: Code, { base }: Location): void {
  if (base.kind !== 'variables') code.asm.release(base.local);
}

/** Computes where `e` is. `forWriting`: an element of an associative array that is not there is made. */
export function locate(code: Code, e: LvalueExpression & Expression, forWriting: boolean): Location {
  switch (e.op) {
    case 'variable':
      return e.keys === undefined ? locateVariable(code, e) : locateElement(code, e, forWriting);
    case 'dereference':
      value(code, e.address);
      return { base: { kind: 'address', local: code.keep() }, offset: 0, type: e.type, rep: representation(e.type, STRING_BYTES) };
    case 'member': {
      const { offset, type, bits } = e.member;
      const object = isLvalue(e.object) ? locate(code, e.object, forWriting) : locateValue(code, e.object);
      return { base: object.base, offset: object.offset + offset, type, rep: representation(type, STRING_BYTES), bits };
    }
  }
}

/** A structure that is no lvalue: its value is its address. */
function locateValue(code: Code, e: Expression): Location {
  value(code, e);
  return { base: { kind: 'address', local: code.keep() }, offset: 0, type: e.type, rep: representation(e.type, STRING_BYTES) };
}

function locateVariable(code: Code, { variable }: Extract<Expression, { op: 'variable' }>): Location {
  const place = code.module.variables.placeOf(variable);
  if (place.kind !== 'fixed') throw new Error(`codegen: the array ${variable.name} is used without keys`);
  if (variable.scope === 'this') code.needs.locals.add(variable);
  const head = place.rep.kind === 'text' ? TEXT_HEAD : 0;
  const rest = { type: variable.type, rep: place.rep, headed: head !== 0 };
  if (place.perCpu === 0) return { base: { kind: 'variables' }, offset: place.offset + head, ...rest };
  const { asm } = code;
  code.cpuIndex();
  asm.i32(place.perCpu);
  asm.op(OP.i32Mul);
  asm.globalGet(code.module.variablesBase);
  asm.op(OP.i32Add);
  return { base: { kind: 'place', local: code.keep(I32) }, offset: place.offset + head, ...rest };
}

/** An element as an address: 0, which faults, when it is not there. */
function locateElement(code: Code, e: Extract<Expression, { op: 'variable' }>, forWriting: boolean): Location {
  const { asm } = code;
  const { rep } = code.module.variables.placeOf(e.variable);
  findElement(code, e, forWriting);
  const place = code.keep(I32);
  asm.get(place);
  code.toAddress();
  asm.i64(0, 0);
  asm.get(place);
  asm.op(OP.select);
  asm.release(place);
  return { base: { kind: 'address', local: code.keep(I64) }, offset: 0, type: e.type, rep };
}

/** Pushes the place (i32) of a location that has one; what follows adds the location's offset. */
export function pushBase(code: Code, { base }: Location): void {
  if (base.kind === 'variables') code.asm.globalGet(code.module.variablesBase);
  else code.asm.get(base.local);
}

/** Pushes the location's D address (i64). */
export function pushAddress(code: Code, location: Location): void {
  const { asm } = code;
  const { base, offset } = location;
  pushBase(code, location);
  if (base.kind === 'address') {
    if (offset === 0) return;
    asm.i64(offset);
    asm.op(OP.i64Add);
    return;
  }
  if (offset !== 0) {
    asm.i32(offset);
    asm.op(OP.i32Add);
  }
  code.toAddress();
}

/** Pushes the value that stands there. */
export function load(code: Code, location: Location): void {
  const { asm } = code;
  const { rep, offset } = location;
  if (rep.kind !== 'scalar') {
    pushAddress(code, location);
    if (location.headed !== true) return;
    // NULL when the word before the text says so.
    asm.i64(0, 0);
    pushBase(code, location);
    asm.mem(OP.i32Load, offset - TEXT_HEAD);
    asm.i32(location.base.kind === 'place' ? TEXT_STATE.SET : TEXT_STATE.NULL);
    asm.op(location.base.kind === 'place' ? OP.i32Eq : OP.i32Ne);
    asm.op(OP.select);
    return;
  }
  loadScalar(code, location, rep.bytes, location.bits === undefined && rep.signed);
  if (location.bits !== undefined) extractBits(code, location.bits, rep.signed);
}

/** Pushes the scalar or the unit of a bit-field. */
function loadScalar(code: Code, location: Location, bytes: ScalarBytes, signed: boolean): void {
  const { asm } = code;
  if (location.base.kind !== 'address') {
    pushBase(code, location);
    emitLoad(asm, bytes, signed, location.offset);
    return;
  }
  pushAddress(code, location);
  asm.i32(bytes);
  code.callChecked('loadAt');
  if (signed) emitExtend(asm, bytes, true);
}

function extractBits(code: Code, { shift, width }: NonNullable<Member['bits']>, signed: boolean): void {
  const { asm } = code;
  // Up to the top, and down again with or without the sign.
  asm.i64(64 - width - shift);
  asm.op(OP.i64Shl);
  asm.i64(64 - width);
  asm.op(signed ? OP.i64ShrS : OP.i64ShrU);
}

/** Stores the i64 in a local: a scalar, or the address of what is copied. */
export function store(code: Code, location: Location, source: number): void {
  const { asm } = code;
  const { rep, base, offset } = location;
  if (rep.kind === 'scalar') {
    storeScalar(code, location, rep.bytes, source);
    return;
  }
  if (base.kind === 'address') {
    pushAddress(code, location);
    asm.get(source);
    asm.i32(rep.bytes);
    code.callChecked('copyTo');
    return;
  }
  pushBase(code, location);
  asm.i32(location.headed === true ? offset - TEXT_HEAD : offset);
  asm.op(OP.i32Add);
  asm.get(source);
  asm.i32(rep.bytes);
  if (location.headed === true) code.callChecked('assignText');
  else {
    code.callChecked(rep.kind === 'text' ? 'copyText' : 'copyBytes');
    asm.op(OP.drop);
  }
}

function storeScalar(code: Code, location: Location, bytes: ScalarBytes, source: number): void {
  const { asm } = code;
  const inPlace = location.base.kind !== 'address';
  if (inPlace) pushBase(code, location);
  else pushAddress(code, location);
  asm.get(source);
  if (location.bits !== undefined) {
    const { shift, width } = location.bits;
    const mask = ((1n << BigInt(width)) - 1n) << BigInt(shift);
    asm.i64(shift);
    asm.op(OP.i64Shl);
    pushMask(code, mask);
    asm.op(OP.i64And);
    loadScalar(code, location, bytes, false);
    pushMask(code, ~mask);
    asm.op(OP.i64And);
    asm.op(OP.i64Or);
  }
  if (inPlace) emitStore(asm, bytes, location.offset);
  else {
    asm.i32(bytes);
    code.callChecked('storeAt');
  }
}

function pushMask({ asm }: Code, mask: bigint): void {
  asm.i64(Number(BigInt.asIntN(32, mask)), Number(BigInt.asIntN(32, mask >> 32n)));
}
