/**
 * Elements of associative arrays: their keys, finding, assigning and freeing them.
 *
 * A key is put together in the room for keys (variables.ts) after all of its parts, and everything else of the expression, were evaluated: they may use
 * the room themselves.
 *
 * @module
 */
import { I32, I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import type { Expression } from '../tree.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';
import { emitLoad, emitStore } from './representation.ts';
import { stackInto, storePid } from './stack.ts';
import { type KeyLayout, type VariablePlace, align8 } from './variables.ts';

export type ElementExpression = Extract<Expression, { op: 'variable' }>;
type KeyedPlace = Extract<VariablePlace, { kind: 'keyed' }>;

const WORD = 8;

/** A key whose parts are evaluated: a local for each, or -1 for what is written straight into the room. */
export interface EvaluatedKey {
  readonly layout: KeyLayout;
  readonly parts: readonly Expression[];
  readonly locals: readonly number[];
}

/** Evaluates the parts of a key. */
export function evaluateKey(code: Code, layout: KeyLayout, parts: readonly Expression[], eachAnAction = false): EvaluatedKey {
  const locals = parts.map((part) => {
    if (eachAnAction) code.nextAction();
    if (part.op === 'dynamic' && part.frames !== undefined) return -1;
    value(code, part);
    return code.keep();
  });
  return { layout, parts, locals };
}

export function releaseKey(code: Code, key: EvaluatedKey): void {
  for (const local of key.locals) if (local >= 0) code.asm.release(local);
}

/** Writes an evaluated key into the room for keys. */
export function buildKey(code: Code, key: EvaluatedKey): void {
  const { asm, module } = code;
  const { keyOffset } = module.variables;
  module.variables.needKey(key.layout.bytes);
  key.layout.parts.forEach((part, i) => {
    const at = keyOffset + part.offset;
    const local = key.locals[i] as number;
    const expression = key.parts[i] as Expression;
    if (local < 0) {
      stackInto(code, expression as Extract<Expression, { op: 'dynamic' }>, part.rep.bytes, () => asm.globalGet(module.variablesBase), at);
      return;
    }
    if (part.rep.kind === 'scalar' || expression.op === 'dynamic') {
      // A symbol is its address, of user space with the process before it.
      const user = part.rep.bytes > WORD;
      if (user) storePid(code, () => asm.globalGet(module.variablesBase), at);
      asm.globalGet(module.variablesBase);
      asm.get(local);
      asm.mem(OP.i64Store, user ? at + WORD : at);
      return;
    }
    asm.globalGet(module.variablesBase);
    asm.i32(at);
    asm.op(OP.i32Add);
    asm.get(local);
    asm.i32(part.rep.bytes);
    if (part.rep.kind === 'text') code.callChecked('keyText');
    else {
      clearTail(code, at, part.rep.bytes);
      code.callChecked('copyBytes');
      asm.op(OP.drop);
    }
  });
}

/** The last word of a block that does not fill it. */
function clearTail({ asm, module }: Code, at: number, bytes: number): void {
  if (bytes % 8 === 0) return;
  asm.globalGet(module.variablesBase);
  asm.i64(0, 0);
  asm.mem(OP.i64Store, at + align8(bytes) - 8);
}

/** Pushes the place of the key in the making. */
export function pushKeyPlace({ asm, module }: Code): void {
  asm.globalGet(module.variablesBase);
  asm.i32(module.variables.keyOffset);
  asm.op(OP.i32Add);
}

function keyedPlace(code: Code, e: ElementExpression): KeyedPlace {
  const place = code.module.variables.placeOf(e.variable);
  if (place.kind !== 'keyed') throw new Error(`codegen: ${e.variable.name} is no associative array`);
  return place;
}

/** Evaluates an element's key and writes it, the vCPU's number in front for a `self` array. */
function prepare(code: Code, e: ElementExpression, place: KeyedPlace): void {
  const { asm, module } = code;
  const key = evaluateKey(code, place.key, e.keys as readonly Expression[]);
  buildKey(code, key);
  releaseKey(code, key);
  if (!place.perCpu) return;
  asm.globalGet(module.variablesBase);
  code.cpuIndex();
  asm.op(OP.i64ExtendI32U);
  asm.mem(OP.i64Store, module.variables.keyOffset);
}

/** With the key written: pushes the place (i32) of the element's value, or 0. */
function lookUp(code: Code, place: KeyedPlace, make: boolean): void {
  code.asm.i32(place.id);
  pushKeyPlace(code);
  code.asm.i32(place.key.bytes);
  code.asm.i32(make ? 1 : 0);
  code.call('dynamic');
}

/** Pushes the place (i32) of the element's value; 0 = it is not there, or cannot be made. */
export function findElement(code: Code, e: ElementExpression, make: boolean): void {
  const place = keyedPlace(code, e);
  prepare(code, e, place);
  lookUp(code, place, make);
}

/** Pushes the element's value; 0 (NULL) when it is not there. */
export function loadElement(code: Code, e: ElementExpression): void {
  const { asm } = code;
  const { rep } = keyedPlace(code, e);
  findElement(code, e, false);
  code.withLocal(I32, (place) => {
    asm.get(place);
    asm.if_(I64);
    asm.get(place);
    if (rep.kind === 'scalar') emitLoad(asm, rep.bytes, rep.signed, 0);
    else code.toAddress();
    asm.else_();
    asm.i64(0, 0);
    asm.end();
  });
}

function free(code: Code, place: KeyedPlace): void {
  code.asm.i32(place.id);
  pushKeyPlace(code);
  code.asm.i32(place.key.bytes);
  code.call('release');
}

/** Stores a local to the place in another. */
function storeTo(code: Code, { rep }: KeyedPlace, at: number, source: number): void {
  const { asm } = code;
  asm.get(at);
  asm.get(source);
  if (rep.kind === 'scalar') emitStore(asm, rep.bytes, 0);
  else {
    asm.i32(rep.bytes);
    code.callChecked(rep.kind === 'text' ? 'copyText' : 'copyBytes');
    asm.op(OP.drop);
  }
}

/** Assigns the i64 in a local: 0 frees the element. */
export function assignElement(code: Code, e: ElementExpression, source: number): void {
  const { asm } = code;
  const place = keyedPlace(code, e);
  prepare(code, e, place);
  asm.get(source);
  asm.op(OP.i64Eqz);
  asm.if_();
  free(code, place);
  asm.else_();
  lookUp(code, place, true);
  code.withLocal(I32, (at) => {
    asm.get(at);
    asm.if_();
    storeTo(code, place, at, source);
    asm.end();
  });
  asm.end();
}

/** `element op= value`: `combine` takes the old value from the stack and leaves the new one, which stays in the local that is returned. */
export function updateElement(code: Code, e: ElementExpression, combine: () => void): number {
  const { asm } = code;
  const place = keyedPlace(code, e);
  if (place.rep.kind !== 'scalar') throw new Error('codegen: only scalars can be updated');
  prepare(code, e, place);
  lookUp(code, place, false);
  const at = code.keep(I32);
  asm.get(at);
  asm.if_(I64);
  asm.get(at);
  emitLoad(asm, place.rep.bytes, place.rep.signed, 0);
  asm.else_();
  asm.i64(0, 0);
  asm.end();
  combine();
  const result = code.keep();
  asm.get(result);
  asm.op(OP.i64Eqz);
  asm.if_();
  asm.get(at);
  asm.if_();
  free(code, place);
  asm.end();
  asm.else_();
  asm.get(at);
  asm.op(OP.i32Eqz);
  asm.if_();
  lookUp(code, place, true);
  asm.set(at);
  asm.end();
  asm.get(at);
  asm.if_();
  storeTo(code, place, at, result);
  asm.end();
  asm.end();
  asm.release(at);
  return result;
}
